#include "sidecar/nginx/counters.h"

#include <utility>

namespace meshauth::nginx {
namespace {

std::string_view audit_name(std::string_view text) {
  return text.empty() ? "" : text == "allow" ? "allow" : "deny";
}

}  // namespace

void Counters::add(const engine::Outcome& outcome) {
  Key key;
  key.allow = outcome.allow;
  key.reason = outcome.reason;
  key.policy = outcome.policy;
  key.rule = outcome.rule;
  if (const auto* principal = outcome.principal()) key.provider = principal->provider;
  if (outcome.audit) {
    key.audit = outcome.audit->allow ? "allow" : "deny";
    key.audit_policy = outcome.audit->policy;
  }
  add(std::move(key), 1);
}

void Counters::add(Key key, std::uint64_t count) {
  const auto found = counts_.find(key);
  if (found != counts_.end()) {
    found->second += count;
    return;
  }
  if (counts_.size() >= kMaxCounters) {
    key = Key{key.allow, key.reason, {}, {}, {}, key.audit, {}};
  }
  counts_[std::move(key)] += count;
}

std::vector<engine::DecisionCount> Counters::take() {
  std::vector<engine::DecisionCount> out;
  while (!counts_.empty() && out.size() < kMaxCountersPerReport) {
    const auto node = counts_.extract(counts_.begin());
    const Key& key = node.key();
    out.push_back({key.allow, std::string(reason_name(key.reason)), key.policy, key.rule, key.provider,
                   std::string(key.audit), key.audit_policy, node.mapped()});
  }
  return out;
}

void Counters::give_back(std::vector<engine::DecisionCount> counters) {
  for (engine::DecisionCount& c : counters) {
    add({c.allow, reason_from_name(c.reason), std::move(c.policy), std::move(c.rule), std::move(c.provider),
         audit_name(c.audit), std::move(c.audit_policy)},
        c.count);
  }
}

}  // namespace meshauth::nginx
