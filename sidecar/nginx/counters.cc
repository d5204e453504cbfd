#include "sidecar/nginx/counters.h"

#include <utility>

namespace meshauth::nginx {
namespace {

std::string_view audit_name(std::string_view text) {
  return text.empty() ? "" : text == "allow" ? "allow" : "deny";
}

}  // namespace

void Counters::add(const engine::Outcome& outcome, std::uint64_t times) {
  View view;
  view.allow = outcome.allow;
  view.reason = outcome.reason;
  view.policy = outcome.policy;
  view.rule = outcome.rule;
  if (const auto* principal = outcome.principal()) view.provider = principal->provider;
  if (outcome.audit) {
    view.audit = outcome.audit->allow ? "allow" : "deny";
    view.audit_policy = outcome.audit->policy;
  }
  add(view, times);
}

void Counters::add(const View& view, std::uint64_t count) {
  if (last_ != counts_.end() && Less::tie(last_->first) == Less::tie(view)) {
    last_->second += count;
    return;
  }
  last_ = counts_.find(view);
  if (last_ != counts_.end()) {
    last_->second += count;
    return;
  }
  Key key{view.allow, view.reason, {}, {}, {}, {}, {}};
  if (counts_.size() < kMaxCounters) {
    key.audit = view.audit;
    key.policy = view.policy;
    key.rule = view.rule;
    key.provider = view.provider;
    key.audit_policy = view.audit_policy;
  }
  counts_[std::move(key)] += count;
}

std::vector<engine::DecisionCount> Counters::take() {
  std::vector<engine::DecisionCount> out;
  last_ = counts_.end();
  while (!counts_.empty() && out.size() < kMaxCountersPerReport) {
    const auto node = counts_.extract(counts_.begin());
    const Key& key = node.key();
    out.push_back({key.allow, std::string(reason_name(key.reason)), key.policy, key.rule, key.provider,
                   std::string(key.audit), key.audit_policy, node.mapped()});
  }
  return out;
}

void Counters::give_back(const std::vector<engine::DecisionCount>& counters) {
  for (const engine::DecisionCount& c : counters) {
    add({c.allow, reason_from_name(c.reason), audit_name(c.audit), c.policy, c.rule, c.provider, c.audit_policy},
        c.count);
  }
}

}  // namespace meshauth::nginx
