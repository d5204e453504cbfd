#include "operator/controllers/controllers.h"

#include <algorithm>
#include <utility>

#include "core/base/base64.h"
#include "core/base/digest.h"
#include "core/base/text.h"

namespace meshauth::controllers {

namespace {

/// Over the stream a revision takes milliseconds; whoever has not acknowledged it after this long is not reached so.
constexpr std::chrono::seconds kTouchGrace{2};
/// After a restart the streams come back first: an agent tries again at least every 10 s.
constexpr std::chrono::seconds kReconnectGrace{15};

}  // namespace

Controllers::Controllers(Index& index, World& world, Queue queue, DecisionMetrics& decisions, bundle::SigningKey key,
                         std::uint64_t term, std::vector<std::string> earlier)
    : index_(index),
      world_(world),
      queue_(std::move(queue)),
      trust_([&] {
        earlier.insert(earlier.begin(), key.public_key());
        return bundle::Trust{std::move(earlier), {}};
      }()),
      term_(term),
      decisions_(decisions),
      key_(std::move(key)) {}

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

// ---- workloads

namespace {

/// labels: every value of label meshauth.dev/flavour among the pods.
Result<plan::WorkloadPlan> plan_of_flavour(plan::WorkloadView& view, const plan::MeshSettings& mesh,
                                           const std::set<std::string>& labels) {
  if (labels.size() > 1) return fail("");  // a condition of its own
  const std::string label = labels.empty() ? "" : *labels.begin();
  const auto flavour = model::parse_flavour(label);
  if (!flavour) {
    return fail("label meshauth.dev/flavour is {}; {} would be right", in_quotes(label), model::kFlavourNames);
  }
  view.flavour = *flavour;
  auto plan = plan::plan_workload(view, mesh);
  if (plan && plan->flavour_limit.empty() && *flavour == model::Flavour::NginxPlus) {
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
  std::map<std::string, std::shared_ptr<const model::AccessPolicy>> planned;
  for (const plan::HeldPolicy& policy : view.policies) planned.emplace(policy.meta.id(), policy.value);
  sign_current_anew(id);
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
    state.planned = std::move(planned);
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
  const bundle::SigningKey key = signing_key();
  auto made = bundle::make_bundle(std::move(files), id, {term_, ++sequence_}, key);
  if (!made) return tl::unexpected(made.error());
  const auto bundle = std::make_shared<const bundle::Bundle>(std::move(*made));
  const plan::Time now = world_.now();
  std::set<std::string> marked;
  for (const Pod& pod : index_.pods(id)) {
    if (pod.touched == bundle->manifest.revision) marked.insert(pod.id);
  }
  change(id, [&](WorkloadState& state) {
    state.current = bundle;
    state.signed_by = key.public_key();
    state.published = true;
    state.published_at = now;
    // Where an edit is taken back, what was said and marked the first time says nothing of the second.
    for (auto& [pod, sidecar] : state.sidecars) sidecar.is_ack_old = true;
    state.marked_before = std::move(marked);
    state.touched.clear();
  });
  world_.publish(id, bundle);
  auto previous = read_previous(*bundle);
  change(id, [&](WorkloadState& state) {
    decisions_.keep(id, previous);
    state.previous = std::move(previous);
  });
  return {};
}

/// After another key took over, also where a restart came between.
void Controllers::sign_current_anew(const std::string& id) {
  const bundle::SigningKey key = signing_key();
  std::shared_ptr<const bundle::Bundle> anew;
  change(id, [&](WorkloadState& state) {
    if (!state.current || state.signed_by == key.public_key()) return;
    const auto bundle = std::make_shared<const bundle::Bundle>(bundle::sign_anew(*state.current, key));
    state.current = bundle;
    state.signed_by = key.public_key();
    if (state.published) anew = bundle;
  });
  if (anew) world_.publish(id, anew);
}

bundle::SigningKey Controllers::signing_key() const {
  const std::lock_guard lock(mutex_);
  return key_;
}

void Controllers::set_signing_key(bundle::SigningKey key) {
  std::vector<std::string> ids;
  {
    const std::lock_guard lock(mutex_);
    key_ = std::move(key);
    ids.reserve(states_.size());
    for (const auto& [id, state] : states_) ids.push_back(id);
  }
  for (const std::string& id : ids) queue_.add({Kind::Workload, id});
}

std::vector<std::string> Controllers::unrecorded() const {
  std::vector<std::pair<std::string, std::shared_ptr<const bundle::Bundle>>> held;
  std::vector<std::string> out;
  {
    const std::lock_guard lock(mutex_);
    const std::string ours = key_.public_key();
    for (const auto& [id, state] : states_) {
      if (state.current && state.signed_by == ours) held.emplace_back(id, state.current);
      if (state.current && state.signed_by != ours) out.push_back(id);
    }
  }
  for (const auto& [id, bundle] : held) {
    if (!world_.record_holds(id, *bundle)) out.push_back(id);
  }
  std::sort(out.begin(), out.end());
  return out;
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
  decisions_.forget(id);
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
  const bundle::SigningKey key = signing_key();
  change(id, [&](WorkloadState& state) {
    changed = state.fresh_json != json || state.fresh_signed_by != key.public_key();
    state.fresh_json = json;
    state.fresh_signed_by = key.public_key();
    state.fresh_renewal = renewal;
  });
  if (changed) world_.set_fresh(id, json, base64_encode(key.sign(json)));
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
  if (world_.record_holds(id, *record.bundle) && !renew) {
    change(id, [&](WorkloadState& state) { state.recorded = record.bundle->manifest.revision; });
    return;
  }
  if (!record.fresh_json.empty()) record.fresh_signature = base64_encode(signing_key().sign(record.fresh_json));
  change(id, [&](WorkloadState& state) { state.fresh_recorded = now; });
  world_.record(id, std::move(record));
}

void Controllers::on_recorded(const std::string& workload, const std::string& revision, const Status& outcome) {
  bool touch = false, overdue = false;
  change(workload, [&](WorkloadState& state) {
    if (outcome) state.recorded = revision;
    state.record_error = outcome ? "" : outcome.error().message;
    touch = outcome && state.touched != revision;
    if (!touch) return;
    state.touched = revision;
    overdue = state.touch_due != plan::Time{} && state.touch_due <= world_.now();
    // Edits without end put nothing off, nor does what a restart waits for.
    const auto due = world_.now() + kTouchGrace;
    if (state.touch_due == plan::Time{} || state.touch_due > due) state.touch_due = due;
  });
  if (overdue) queue_.add({Kind::Workload, workload});
  if (touch && !overdue) queue_.add_after({Kind::Workload, workload}, kTouchGrace);
  enqueue(index_.policies_of_workload(workload));
}

/// Pods that have not said by now that they run what the record holds may be cut off from the stream. One that bears
/// the revision was touched for it, by this operator or by the one before.
void Controllers::touch_silent_pods(const std::string& id) {
  check_last_touch(id);
  const auto pods = index_.pods(id);
  std::vector<std::pair<std::string, std::string>> silent;  // with the mark that each gets
  {
    const std::lock_guard lock(mutex_);
    WorkloadState& state = states_[id];
    if (state.touch_due == plan::Time{} || world_.now() < state.touch_due) return;
    if (state.touched.empty()) return;  // a newer one is on its way into the record: once it is there
    state.touch_due = {};
    const std::string& revision = state.touched;
    for (const Pod& pod : pods) {
      const auto sidecar = state.sidecars.find(pod.id);
      if (pod.deleting || (sidecar != state.sidecars.end() && sidecar->second.has_answered(revision))) continue;
      if (pod.touched != revision) {
        silent.emplace_back(pod.id, revision);
      } else if (state.marked_before.erase(pod.id) > 0) {
        // The same mark again would change nothing, and the node would not look.
        silent.emplace_back(pod.id, sha256_hex(state.current->manifest_json));
      }
    }
  }
  for (const auto& [pod, mark] : silent) world_.touch(pod, mark);
}

/// Whoever recorded what was adopted may have ended before it touched anybody.
void Controllers::check_last_touch(const std::string& id) {
  bool check = false;
  change(id, [&](WorkloadState& state) {
    check = std::exchange(state.adopted, false) && state.touch_due == plan::Time{};
    if (check) state.touch_due = world_.now() + kReconnectGrace;
  });
  if (check) queue_.add_after({Kind::Workload, id}, kReconnectGrace);
}

void Controllers::adopt(const std::string& workload, std::string manifest_json, std::string signature,
                        bundle::Files files) {
  queue_.add({Kind::Workload, workload});  // nobody may want it any more: then its record goes
  auto opened = bundle::open_bundle(std::move(manifest_json), std::move(signature), std::move(files), trust_, workload);
  if (!opened) return;
  auto bundle = std::make_shared<const bundle::Bundle>(std::move(*opened));
  auto previous = read_previous(*bundle);
  change(workload, [&](WorkloadState& state) {
    state.touched = bundle->manifest.revision;
    state.adopted = true;
    state.signed_by = bundle::signer_of(*bundle, trust_).value_or("");
    state.current = std::move(bundle);
    state.previous = std::move(previous);
  });
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
  for (const std::string& workload : index_.selected_workloads(*held)) {
    facts.workloads.push_back(progress(workload));
    // Whoever runs the current revision does not run this edit yet.
    if (!is_planned(workload, *held)) facts.workloads.back().programmed = 0;
  }
  const auto before = index_.status_of(Kind::Policy, id);
  facts.audit = audit(*held, before, {});
  write_status(Kind::Policy, id, plan::policy_status(facts, before, world_.now()), before);
  return true;
}

}  // namespace meshauth::controllers
