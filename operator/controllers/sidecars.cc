// What sidecars say, and what that adds up to.
#include <algorithm>

#include "operator/controllers/controllers.h"

namespace meshauth::controllers {

void Controllers::on_ack(const std::string& workload, const std::string& pod, const bundle::Ack& ack) {
  const plan::Time now = world_.now();
  change(workload, [&](WorkloadState& state) {
    Sidecar& sidecar = state.sidecars[pod];
    sidecar.ack = ack;
    sidecar.is_ack_old = false;
    sidecar.acked = now;
    if (ack.outcome == bundle::Outcome::Applied) sidecar.applied = ack.revision;
  });
  enqueue(index_.policies_of_workload(workload));
}

void Controllers::on_pod_gone(const std::string& workload, const std::string& pod) {
  const std::lock_guard lock(mutex_);
  const auto it = states_.find(workload);
  if (it == states_.end()) return;
  it->second.sidecars.erase(pod);
  it->second.trusts.erase(pod);
}

std::vector<Controllers::SidecarTrust> Controllers::sidecar_trust() const {
  std::vector<SidecarTrust> out;
  const auto pods = index_.all_pods();
  const std::lock_guard lock(mutex_);
  for (const Pod& pod : pods) {
    if (pod.deleting) continue;
    SidecarTrust& sidecar = out.emplace_back(SidecarTrust{pod.id, std::nullopt});
    const auto state = states_.find(pod.workload);
    if (state == states_.end()) continue;
    const auto said = state->second.trusts.find(pod.id);
    if (said != state->second.trusts.end()) sidecar.said = said->second;
  }
  return out;
}

void Controllers::on_report(const std::string& workload, const std::string& pod, const bundle::Report& report) {
  if (report.trust) change(workload, [&](WorkloadState& state) { state.trusts[pod] = *report.trust; });
  for (const bundle::UnknownKid& unknown : report.unknown_kids) {
    // Of a key that came since, sidecars hear anyway. And only of a source that this workload's bundle has: a sidecar
    // has no say in others.
    if (index_.has_key(unknown.source, unknown.kid)) continue;
    if (index_.workloads_of_source(unknown.source).contains(workload)) world_.refetch(unknown.source);
  }
  if (report.skew) {
    const std::lock_guard lock(mutex_);
    if (const auto state = states_.find(workload); state != states_.end()) {
      state->second.sidecars[pod].skew = report.skew;
    }
  }
  count_decisions(workload, report.decisions);
}

plan::WorkloadProgress Controllers::progress(const std::string& id) const {
  plan::WorkloadProgress progress;
  progress.id = id;
  const auto pods = index_.pods(id);
  const std::lock_guard lock(mutex_);
  const auto it = states_.find(id);
  const WorkloadState* state = it == states_.end() ? nullptr : &it->second;
  const std::string revision = state != nullptr && state->current ? state->current->manifest.revision : "";
  for (const Pod& pod : pods) {
    if (pod.deleting) continue;
    ++progress.sidecars;
    if (state == nullptr) continue;
    const auto sidecar = state->sidecars.find(pod.id);
    if (sidecar == state->sidecars.end() || !sidecar->second.has_answered(revision)) continue;
    const bundle::Ack& ack = *sidecar->second.ack;
    if (ack.outcome == bundle::Outcome::Applied) ++progress.programmed;
    if (ack.outcome == bundle::Outcome::Refused) progress.refused = pod.id + ": " + ack.detail;
  }
  if (state != nullptr) {
    progress.recorded = !revision.empty() && state->recorded == revision;
    progress.record_error = state->record_error;
    progress.bundle_error = state->bundle_error;
    progress.flavour_conflict = state->flavour_conflict;
    progress.flavour_limit = state->flavour_limit;
    progress.ways_past = state->bypasses.ways;
    progress.ports_unknown = state->bypasses.unknown;
  }
  return progress;
}

bool Controllers::is_planned(const std::string& workload, const plan::HeldPolicy& policy) const {
  const std::lock_guard lock(mutex_);
  const auto state = states_.find(workload);
  if (state == states_.end()) return false;
  const auto planned = state->second.planned.find(policy.meta.id());
  return planned != state->second.planned.end() && planned->second == policy.value;
}

Controllers::Counts Controllers::counts() const {
  Counts counts;
  std::vector<std::string> ids;
  {
    const std::lock_guard lock(mutex_);
    ids.reserve(states_.size());
    for (const auto& [id, state] : states_) ids.push_back(id);
  }
  for (const std::string& id : ids) {
    const auto p = progress(id);
    ++counts.workloads;
    counts.sidecars += p.sidecars;
    counts.programmed += p.programmed;
  }
  return counts;
}

}  // namespace meshauth::controllers
