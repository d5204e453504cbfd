#include "core/model/meta.h"

#include <fmt/format.h>

#include "core/base/text.h"

namespace meshauth::model {

std::string to_message(const FieldErrors& errors, std::size_t most) {
  std::string out;
  for (std::size_t i = 0; i < errors.size(); ++i) {
    const std::string line = fmt::format("{}{}: {}", i == 0 ? "" : "; ", errors[i].field, errors[i].message);
    const std::string rest = fmt::format("; and {} more", errors.size() - i);
    const bool last = i + 1 == errors.size();
    if (out.size() + line.size() + (last ? 0 : rest.size()) > most) {
      if (i == 0) return std::string(utf8_prefix(line, most));
      return out + rest;
    }
    out += line;
  }
  return out;
}

}  // namespace meshauth::model
