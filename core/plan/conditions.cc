#include "core/plan/conditions.h"

#include <nlohmann/json.hpp>

namespace meshauth::plan {
namespace {

constexpr std::size_t kMaxMessage = 4096;

std::string cut(std::string message) {
  if (message.size() <= kMaxMessage) return message;
  std::size_t end = kMaxMessage - 3;
  while (end > 0 && (static_cast<unsigned char>(message[end]) & 0xc0) == 0x80) --end;
  return message.substr(0, end) + "...";
}

/// The transition time of the condition of that type, where its status is the same.
std::string transition(const nlohmann::json& previous, const Condition& condition, Time now) {
  if (previous.is_array()) {
    for (const auto& old : previous) {
      if (old.is_object() && old.value("type", "") == condition.type && old.value("status", "") == condition.status &&
          parse_time(old.value("lastTransitionTime", ""))) {
        return old.value("lastTransitionTime", "");
      }
    }
  }
  return format_time(now);
}

}  // namespace

Condition condition(std::string_view type, bool holds, std::string_view reason, std::string message) {
  return {std::string(type), holds ? "True" : "False", std::string(reason), cut(std::move(message)), 0, {}};
}

Condition unknown_condition(std::string_view type, std::string_view reason, std::string message) {
  return {std::string(type), "Unknown", std::string(reason), cut(std::move(message)), 0, {}};
}

nlohmann::json conditions_to_json(const std::vector<Condition>& conditions, std::int64_t generation,
                                  const nlohmann::json& previous, Time now) {
  nlohmann::json out = nlohmann::json::array();
  for (const Condition& c : conditions) {
    out.push_back({{"type", c.type},
                   {"status", c.status},
                   {"reason", c.reason},
                   {"message", c.message},
                   {"observedGeneration", generation},
                   {"lastTransitionTime", transition(previous, c, now)}});
  }
  return out;
}

std::vector<std::pair<std::string_view, std::string_view>> condition_reasons() {
  return {
#define X(name, meaning) {#name, meaning},
      MESH_AUTH_CONDITION_REASONS(X)
#undef X
  };
}

}  // namespace meshauth::plan
