// A list for a person. A part of explain(); nothing else calls it.
#pragma once

#include <fmt/format.h>

#include <string>
#include <type_traits>

#include "core/base/text.h"

namespace meshauth::policy {

constexpr std::size_t kMostShown = 8;  ///< of a list: enough to see what is meant

/// Texts in quotes, numbers as they are.
inline std::string listed(const auto& values) {
  if (values.empty()) return "nothing";
  std::string out;
  std::size_t shown = 0;
  for (const auto& value : values) {
    if (shown++ == kMostShown) return out + fmt::format(" and {} more", values.size() - kMostShown);
    if (!out.empty()) out += ", ";
    if constexpr (std::is_integral_v<std::decay_t<decltype(value)>>) {
      out += fmt::format("{}", value);
    } else {
      out += in_quotes(value);
    }
  }
  return out;
}

}  // namespace meshauth::policy
