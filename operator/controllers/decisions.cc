// What sidecars decided: for /metrics, and for the statuses of audit policies.
#include <algorithm>

#include "operator/controllers/controllers.h"

namespace meshauth::controllers {
namespace {

using Differences = std::map<std::string, plan::AuditCounts>;  ///< by policy

/// Which audit policies would have decided otherwise. Where they would have refused since no rule let the request pass,
/// no rule is named, and it was each of them.
void find_differences(const plan::Previous& bundle, const bundle::DecisionCount& decision, Differences& out) {
  if (decision.audit != (decision.allow ? "deny" : "allow")) return;
  const std::uint64_t count = std::min(decision.count, kMostAtOnce);
  const bool each = decision.allow && decision.audit_policy.empty();
  for (const auto& policy : bundle.policy.policies) {
    if (policy.mode != model::Mode::Audit || (!each && policy.id != decision.audit_policy)) continue;
    out[policy.id].add(decision.allow ? plan::AuditCounts{count, 0} : plan::AuditCounts{0, count});
  }
}

}  // namespace

/// Of a workload that is gone nothing is counted: nobody would take its series away. And a sidecar has no say in
/// policies that do not select its workload: those are not in the bundle.
void Controllers::count_decisions(const std::string& workload, const std::vector<bundle::DecisionCount>& decisions) {
  if (decisions.empty() || !index_.workload_wanted(workload)) return;
  static const plan::Previous kNoBundle;
  Differences differences;
  {
    const std::lock_guard lock(mutex_);
    const auto state = states_.find(workload);
    if (state == states_.end()) return;
    const plan::Previous& bundle = state->second.previous ? *state->second.previous : kNoBundle;
    for (const bundle::DecisionCount& decision : decisions) {
      decisions_.count(workload, bundle, decision);
      find_differences(bundle, decision, differences);
    }
  }
  for (const auto& [id, more] : differences) {
    const auto held = index_.policy(id);
    if (!held) continue;
    audit(*held, index_.status_of(Kind::Policy, id), more);
    queue_.add({Kind::Policy, id});
  }
}

/// What it comes to with `more`. At first it is what the status has: a restart begins where the one before ended.
plan::AuditCounts Controllers::audit(const plan::HeldPolicy& policy, const nlohmann::json& status,
                                     const plan::AuditCounts& more) {
  const std::lock_guard lock(mutex_);
  const auto [it, first] = audit_.try_emplace(policy.meta.id());
  Audited& audited = it->second;
  const bool another = audited.uid && *audited.uid != policy.meta.uid;
  if (first || another) audited.counts = plan::audit_counts(status);
  audited.uid = policy.meta.uid;
  audited.counts.add(more);
  return audited.counts;
}

void Controllers::restore_audit(const std::string& policy, const nlohmann::json& status) {
  queue_.add({Kind::Policy, policy});  // it may be gone
  const std::lock_guard lock(mutex_);
  audit_[policy] = {std::nullopt, plan::audit_counts(status)};
}

}  // namespace meshauth::controllers
