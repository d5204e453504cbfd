#include "core/plan/flavour_limits.h"

#include <fmt/format.h>

#include <algorithm>

namespace meshauth::plan {
namespace {

/// nginx never passes these on to whom auth_request asks; its variable for one holds the first of several lines.
constexpr std::string_view kOfTheConnection[] = {"connection", "expect",  "keep-alive",
                                                 "te",         "upgrade", "transfer-encoding"};

std::string auth_request_limit(const model::AccessPolicy& policy, const model::Rule& rule) {
  for (const model::When& when : rule.when) {
    const auto* header = std::get_if<model::HeaderCondition>(&when);
    if (header == nullptr) continue;
    if (std::find(std::begin(kOfTheConnection), std::end(kOfTheConnection), header->name) ==
        std::end(kOfTheConnection)) {
      continue;
    }
    return fmt::format(
        "AccessPolicy {}, rule {}, when.header {}: nginx does not show every line of that header to the agent; use "
        "another header, or flavour Module",
        policy.meta.id(), rule.name, header->name);
  }
  return {};
}

}  // namespace

std::string flavour_limit(model::Flavour flavour, const std::vector<model::AccessPolicy>& policies) {
  if (flavour != model::Flavour::AuthRequest) return {};
  for (const model::AccessPolicy& policy : policies) {
    for (const model::Rule& rule : policy.rules) {
      if (auto limit = auth_request_limit(policy, rule); !limit.empty()) return limit;
    }
  }
  return {};
}

}  // namespace meshauth::plan
