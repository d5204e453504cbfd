#include "operator/controllers/controllers.h"

#include <algorithm>

#include "core/base/base64.h"
#include "core/base/text.h"

namespace meshauth::controllers {

namespace {

/// Over the stream a revision takes milliseconds; whoever has not acknowledged it after this long is not reached so.
constexpr std::chrono::seconds kTouchGrace{2};

}  // namespace

Controllers::Controllers(Index& index, World& world, Queue queue, bundle::SigningKey key, std::uint64_t term)
    : index_(index),
      world_(world),
      queue_(std::move(queue)),
      key_(std::move(key)),
      trust_{{key_.public_key()}, {}},
      term_(term) {}

bool Controllers::reconcile(const Key& key) {
  switch (key.kind) {
    case Kind::Workload:
      return reconcile_workload(key.id);
    case Kind::Policy:
      return reconcile_policy(key.id);
    case Kind::Provider:
      return reconcile_provider(key.id);
    case Kind::Source:
      return reconcile_source(key.id);
  }
  return true;
}

void Controllers::enqueue(const Keys& keys) {
  for (const Key& key : keys) queue_.add(key);
}

template <class Change>
void Controllers::change(const std::string& id, Change apply) {
  const std::lock_guard lock(mutex_);
  apply(states_[id]);
}

// ---- workloads

namespace {

/// labels: every value of label meshauth.dev/flavour among the pods.
Result<plan::WorkloadPlan> plan_of_flavour(plan::WorkloadView& view, const plan::MeshSettings& mesh,
                                           const std::set<std::string>& labels) {
  if (labels.size() > 1) return fail("");  // a condition of its own
  const std::string label = labels.empty() ? "" : *labels.begin();
  const auto flavour = render::parse_flavour(label);
  if (!flavour) {
    return fail("label meshauth.dev/flavour is {}; {} would be right", in_quotes(label), render::kFlavourNames);
  }
  view.flavour = *flavour;
  auto plan = plan::plan_workload(view, mesh);
  if (plan && plan->flavour_limit.empty() && *flavour == render::Flavour::NginxPlus) {
    plan->flavour_limit = "no sidecar runs NGINX Plus; write its files with meshauthctl render --flavour NginxPlus";
  }
  return plan;
}

}  // namespace

bool Controllers::reconcile_workload(const std::string& id) {
  if (!index_.workload_wanted(id)) {
    retire_workload(id);
    return true;
  }
  auto view = index_.workload_view(id, world_.now());
  std::set<std::string> flavours;
  for (const Pod& pod : index_.pods(id)) flavours.insert(pod.flavour.empty() ? "Module" : pod.flavour);
  change(id, [&](WorkloadState& state) {
    view.previous = state.previous;
    if (flavours.empty()) flavours.insert(state.flavour);  // scaled to none: what comes again will be as it was
    state.flavour_conflict = flavours.size() > 1;
    if (!state.flavour_conflict) state.flavour = *flavours.begin();
  });
  auto plan = plan_of_flavour(view, index_.mesh(), flavours);
  const std::string limit = plan ? plan->flavour_limit : "";
  if (!limit.empty()) plan = fail("");
  Status made;
  if (plan) {
    const std::string revision = bundle::revision_of(plan->files);
    std::shared_ptr<const bundle::Bundle> again;
    change(id, [&](WorkloadState& state) {
      if (!state.current || state.current->manifest.revision != revision) return;
      if (!state.published) {  // adopted: the same bytes as before the restart
        again = state.current;
        state.published_at = world_.now();
      }
      state.published = true;
    });
    const bool is_current = [&] {
      const std::lock_guard lock(mutex_);
      const auto& current = states_[id].current;
      return current && current->manifest.revision == revision;
    }();
    if (again) world_.publish(id, again);
    if (!is_current) made = make_current(id, std::move(plan->files));
    if (made) {
      index_.put_plan(id, plan->sources);
      push_fresh(id, plan->sources);
    }
  }
  change(id, [&, bypasses = index_.bypasses(id)](WorkloadState& state) {
    state.bypasses = bypasses;
    state.flavour_limit = limit;
    state.bundle_error = !plan ? plan.error().message : !made ? made.error().message : "";
  });
  keep_recorded(id);
  touch_silent_pods(id);
  enqueue(index_.policies_of_workload(id));
  return true;
}

Status Controllers::make_current(const std::string& id, bundle::Files files) {
  auto made = bundle::make_bundle(std::move(files), id, {term_, ++sequence_}, key_);
  if (!made) return tl::unexpected(made.error());
  const auto bundle = std::make_shared<const bundle::Bundle>(std::move(*made));
  const plan::Time now = world_.now();
  change(id, [&](WorkloadState& state) {
    state.current = bundle;
    state.published = true;
    state.published_at = now;
  });
  world_.publish(id, bundle);
  auto previous = read_previous(*bundle);
  change(id, [&](WorkloadState& state) { state.previous = std::move(previous); });
  return {};
}

plan::Previous Controllers::read_previous(const bundle::Bundle& bundle) const {
  plan::Previous previous;
  if (auto policy = policy::from_json(bundle.files.at("policy.json"))) previous.policy = std::move(*policy);
  if (auto jwks = bundle::read_jwks(bundle.files.at("jwks.json"))) previous.providers = std::move(jwks->providers);
  return previous;
}

void Controllers::retire_workload(const std::string& id) {
  world_.withdraw(id);
  world_.erase_record(id);
  index_.put_plan(id, {});
  const std::lock_guard lock(mutex_);
  states_.erase(id);
}

/// fresh.json: per key source of the bundle the last good fetch.
void Controllers::push_fresh(const std::string& id, const std::set<std::string>& sources) {
  bundle::Fresh fresh;
  for (const std::string& source : sources) {
    const auto history = index_.history(source);
    if (history && history->last_good) fresh.sources[source] = history->last_good->time_since_epoch().count();
  }
  if (fresh.sources.empty()) return;
  Seconds renewal = std::chrono::hours(6);  // a quarter of the default maxStale
  for (const std::string& source : sources) {
    if (const auto wish = index_.wish(source)) renewal = std::min(renewal, wish->rotation.max_stale / 4);
  }
  std::string json = fresh.to_json();
  bool changed = false;
  change(id, [&](WorkloadState& state) {
    changed = state.fresh_json != json;
    state.fresh_json = json;
    state.fresh_renewal = renewal;
  });
  if (changed) world_.set_fresh(id, json, base64_encode(key_.sign(json)));
}

/// The record follows the revision at once, and freshness once a quarter of the shortest maxStale has passed.
void Controllers::keep_recorded(const std::string& id) {
  Record record;
  const plan::Time now = world_.now();
  plan::Time renewal_due{};
  {
    const std::lock_guard lock(mutex_);
    const WorkloadState& state = states_[id];
    if (!state.current) return;
    record = {state.current, state.fresh_json, ""};
    renewal_due = state.fresh_recorded + state.fresh_renewal;
  }
  const bool renew = !record.fresh_json.empty() && renewal_due <= now;
  if (world_.record_holds(id, record.bundle->manifest.revision) && !renew) {
    change(id, [&](WorkloadState& state) { state.recorded = record.bundle->manifest.revision; });
    return;
  }
  if (!record.fresh_json.empty()) record.fresh_signature = base64_encode(key_.sign(record.fresh_json));
  change(id, [&](WorkloadState& state) { state.fresh_recorded = now; });
  world_.record(id, std::move(record));
}

void Controllers::on_recorded(const std::string& workload, const std::string& revision, const Status& outcome) {
  bool touch = false;
  change(workload, [&](WorkloadState& state) {
    if (outcome) state.recorded = revision;
    state.record_error = outcome ? "" : outcome.error().message;
    touch = outcome && state.touched != revision;
    if (!touch) return;
    state.touched = revision;
    if (state.touch_due == plan::Time{})
      state.touch_due = world_.now() + kTouchGrace;  // edits without end put nothing off
  });
  if (touch) queue_.add_after({Kind::Workload, workload}, kTouchGrace);
  enqueue(index_.policies_of_workload(workload));
}

/// Pods that have not said by now that they run what the record holds may be cut off from the stream.
void Controllers::touch_silent_pods(const std::string& id) {
  const auto pods = index_.pods(id);
  std::vector<std::string> silent;
  std::string revision;
  {
    const std::lock_guard lock(mutex_);
    WorkloadState& state = states_[id];
    if (state.touch_due == plan::Time{} || world_.now() < state.touch_due) return;
    state.touch_due = {};
    revision = state.touched;
    for (const Pod& pod : pods) {
      const auto sidecar = state.sidecars.find(pod.id);
      const bool runs =
          sidecar != state.sidecars.end() && sidecar->second.ack && sidecar->second.ack->revision == revision;
      if (!pod.deleting && !runs) silent.push_back(pod.id);
    }
  }
  for (const std::string& pod : silent) world_.touch(pod, revision);
}

void Controllers::adopt(const std::string& workload, std::string manifest_json, std::string signature,
                        bundle::Files files) {
  queue_.add({Kind::Workload, workload});  // nobody may want it any more: then its record goes
  auto opened = bundle::open_bundle(std::move(manifest_json), std::move(signature), std::move(files), trust_, workload);
  if (!opened) return;
  auto bundle = std::make_shared<const bundle::Bundle>(std::move(*opened));
  auto previous = read_previous(*bundle);
  change(workload, [&](WorkloadState& state) {
    state.touched = bundle->manifest.revision;  // by whoever recorded it
    state.current = std::move(bundle);
    state.previous = std::move(previous);
  });
}

// ---- sidecars

void Controllers::on_ack(const std::string& workload, const std::string& pod, const bundle::Ack& ack) {
  const plan::Time now = world_.now();
  change(workload, [&](WorkloadState& state) {
    Sidecar& sidecar = state.sidecars[pod];
    sidecar.ack = ack;
    sidecar.acked = now;
    if (ack.outcome == bundle::Outcome::Applied) sidecar.applied = ack.revision;
  });
  enqueue(index_.policies_of_workload(workload));
}

void Controllers::on_pod_gone(const std::string& workload, const std::string& pod) {
  const std::lock_guard lock(mutex_);
  const auto it = states_.find(workload);
  if (it != states_.end()) it->second.sidecars.erase(pod);
}

void Controllers::on_report(const std::string& workload, const std::string& pod, const bundle::Report& report) {
  for (const bundle::UnknownKid& unknown : report.unknown_kids) {
    // Only of a source that this workload's bundle has: a sidecar has no say in others.
    if (index_.workloads_of_source(unknown.source).contains(workload)) world_.refetch(unknown.source);
  }
  Keys touched;
  {
    const std::lock_guard lock(mutex_);
    if (const auto state = states_.find(workload); report.skew && state != states_.end()) {
      state->second.sidecars[pod].skew = report.skew;
    }
    for (const bundle::DecisionCount& decision : report.decisions) {
      if (decision.audit.empty() || decision.audit_policy.empty()) continue;
      plan::AuditCounts& counts = audit_[decision.audit_policy];
      (decision.audit == "deny" ? counts.would_deny : counts.would_allow) += decision.count;
      touched.push_back({Kind::Policy, decision.audit_policy});
    }
  }
  enqueue(touched);
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
    if (sidecar == state->sidecars.end() || !sidecar->second.ack) continue;
    const bundle::Ack& ack = *sidecar->second.ack;
    if (ack.revision != revision) continue;
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

// ---- status

void Controllers::write_status(Kind kind, const std::string& id, const nlohmann::json& status,
                               const nlohmann::json& before) {
  if (status == before) {
    world_.keep_status(kind, id);
  } else {
    world_.write_status(kind, id, status);
  }
}

bool Controllers::reconcile_policy(const std::string& id) {
  const auto held = index_.policy(id);
  if (!held) {
    const std::lock_guard lock(mutex_);
    audit_.erase(id);
    return true;
  }
  plan::PolicyFacts facts{*held, index_.mesh().root_namespace, index_.unresolved(*held), {}, {}};
  for (const std::string& workload : index_.selected_workloads(*held)) facts.workloads.push_back(progress(workload));
  {
    const std::lock_guard lock(mutex_);
    const auto it = audit_.find(id);
    if (it != audit_.end()) facts.audit = it->second;
  }
  const auto before = index_.status_of(Kind::Policy, id);
  write_status(Kind::Policy, id, plan::policy_status(facts, before, world_.now()), before);
  return true;
}

}  // namespace meshauth::controllers
