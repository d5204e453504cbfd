#include "cli/check/json_at.h"

#include <nlohmann/json.hpp>

#include "core/base/duration.h"
#include "operator/kube/object.h"

namespace meshauth::cli::check {
namespace {

const nlohmann::json kNothing;

}  // namespace

const nlohmann::json& at(const nlohmann::json& object, Path path) {
  const nlohmann::json* here = &object;
  for (const std::string_view name : path) {
    if (!here->is_object()) return kNothing;
    const auto found = here->find(name);
    if (found == here->end()) return kNothing;
    here = &*found;
  }
  return *here;
}

std::string text_at(const nlohmann::json& object, Path path) {
  const auto& found = at(object, path);
  return found.is_string() ? found.get<std::string>() : std::string();
}

std::optional<std::int64_t> number_at(const nlohmann::json& object, Path path) {
  const auto& found = at(object, path);
  if (!found.is_number_integer()) return std::nullopt;
  return found.get<std::int64_t>();
}

std::optional<Time> time_at(const nlohmann::json& object, Path path) {
  const auto time = parse_time(text_at(object, path));
  return time ? std::optional(*time) : std::nullopt;
}

const nlohmann::json& entry_at(const nlohmann::json& object, Path path, std::string_view key, std::string_view value) {
  const auto& list = at(object, path);
  if (!list.is_array()) return kNothing;
  for (const auto& entry : list) {
    if (text_at(entry, {key}) == value) return entry;
  }
  return kNothing;
}

std::string id_of(const nlohmann::json& object) {
  return kube::object_key(object);
}

std::string age_text(std::chrono::seconds age) {
  const auto s = std::max<std::int64_t>(0, age.count());
  const std::int64_t minutes = s / 60, hours = s / 3600, days = s / 86400;
  const auto two = [](std::int64_t large, const char* unit, std::int64_t small, const char* rest) {
    return small == 0 ? fmt::format("{}{}", large, unit) : fmt::format("{}{}{}{}", large, unit, small, rest);
  };
  if (s < 120) return fmt::format("{}s", s);
  if (minutes < 10) return two(minutes, "m", s % 60, "s");
  if (hours < 3) return fmt::format("{}m", minutes);
  if (hours < 8) return two(hours, "h", minutes % 60, "m");
  if (days < 2) return fmt::format("{}h", hours);
  if (days < 8) return two(days, "d", hours % 24, "h");
  return fmt::format("{}d", days);
}

}  // namespace meshauth::cli::check
