// What a reconcile reads from the index.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "operator/controllers/index.h"

namespace meshauth::controllers {
namespace {

/// Of several providers on one source: the most eager refresh, the longest patience.
void widen(SourceWish& wish, const model::IdentityProvider& provider) {
  const model::Rotation& r = provider.rotation;
  wish.rotation.refresh_interval = std::min(wish.rotation.refresh_interval, r.refresh_interval);
  wish.rotation.min_refetch_interval = std::min(wish.rotation.min_refetch_interval, r.min_refetch_interval);
  wish.rotation.overlap = std::max(wish.rotation.overlap, r.overlap);
  wish.rotation.max_stale = std::max(wish.rotation.max_stale, r.max_stale);
}

}  // namespace

std::optional<plan::KeyHistory> Index::history(const std::string& source) const {
  const std::lock_guard lock(mutex_);
  const auto it = histories_.find(source);
  return it == histories_.end() ? std::nullopt : std::optional(it->second);
}

bool Index::has_key(const std::string& source, const std::string& kid) const {
  const std::lock_guard lock(mutex_);
  const auto it = histories_.find(source);
  if (it == histories_.end()) return false;
  const auto& keys = it->second.keys;
  return std::any_of(keys.begin(), keys.end(), [&](const auto& held) { return held.key.kid == kid && !held.retire; });
}

std::optional<SourceWish> Index::wish(const std::string& source) const {
  const std::lock_guard lock(mutex_);
  std::optional<SourceWish> wish;
  const auto users = providers_by_source_.find(source);
  if (users == providers_by_source_.end()) return wish;
  for (const std::string& id : users->second) {
    const auto entry = providers_.find(id);
    if (entry == providers_.end() || !entry->second.held.value) continue;
    const model::IdentityProvider& provider = *entry->second.held.value;
    if (!wish) {
      wish = SourceWish{provider.keys, provider.ca_bundle, {}, provider.rotation};
    } else {
      widen(*wish, provider);
    }
    wish->issuers.insert(provider.settings.issuer);
  }
  return wish;
}

bool Index::workload_wanted(const std::string& id) const {
  const std::lock_guard lock(mutex_);
  const auto it = workloads_.find(id);
  return it != workloads_.end() && (!it->second.pods.empty() || it->second.named > 0);
}

std::vector<Pod> Index::pods(const std::string& workload) const {
  const std::lock_guard lock(mutex_);
  std::vector<Pod> out;
  const auto it = workloads_.find(workload);
  if (it == workloads_.end()) return out;
  out.reserve(it->second.pods.size());
  for (const std::string& id : it->second.pods) out.push_back(pods_.at(id));
  return out;
}

std::vector<Pod> Index::all_pods() const {
  const std::lock_guard lock(mutex_);
  std::vector<Pod> out;
  out.reserve(pods_.size());
  for (const auto& [id, pod] : pods_) out.push_back(pod);
  std::sort(out.begin(), out.end(), [](const Pod& a, const Pod& b) { return a.id < b.id; });
  return out;
}

std::optional<Pod> Index::pod(const std::string& id) const {
  const std::lock_guard lock(mutex_);
  const auto it = pods_.find(id);
  return it == pods_.end() ? std::nullopt : std::optional(it->second);
}

std::optional<std::map<std::string, std::string>> Index::namespace_labels(const std::string& ns) const {
  const std::lock_guard lock(mutex_);
  const auto it = namespaces_.find(ns);
  return it == namespaces_.end() ? std::nullopt : std::optional(it->second);
}

std::map<std::string, std::string> Index::labels_locked(const std::string& ns) const {
  const auto it = namespaces_.find(ns);
  return it == namespaces_.end() ? std::map<std::string, std::string>() : it->second;
}

plan::WorkloadView Index::workload_view(const std::string& id, plan::Time now) const {
  plan::WorkloadView view;
  view.ns = namespace_of(id);
  view.name = id.substr(view.ns.size() + 1);
  {
    const std::lock_guard lock(mutex_);
    const auto add_namespace = [&](const std::string& ns) {
      const std::string prefix = ns + "/";
      for (auto it = policies_.lower_bound(prefix); it != policies_.end() && it->first.starts_with(prefix); ++it) {
        view.policies.push_back(it->second.held);
      }
    };
    add_namespace(view.ns);
    if (view.ns != mesh_.root_namespace) add_namespace(mesh_.root_namespace);
  }
  view.provider = [this](const std::string& provider_id) { return provider(provider_id); };
  view.namespace_labels = [this](const std::string& ns) {
    const std::lock_guard lock(mutex_);
    return labels_locked(ns);
  };
  view.keys = [this, now](const std::string& source) -> std::optional<plan::SourceKeys> {
    const auto known = history(source);
    if (!known) return std::nullopt;
    return plan::SourceKeys{known->key_set(now), known->discovered_issuer};
  };
  return view;
}

std::optional<plan::HeldPolicy> Index::policy(const std::string& id) const {
  const std::lock_guard lock(mutex_);
  const auto it = policies_.find(id);
  return it == policies_.end() ? std::nullopt : std::optional(it->second.held);
}

std::optional<plan::HeldProvider> Index::provider(const std::string& id) const {
  const std::lock_guard lock(mutex_);
  const auto it = providers_.find(id);
  return it == providers_.end() ? std::nullopt : std::optional(it->second.held);
}

nlohmann::json Index::status_of(Kind kind, const std::string& id) const {
  std::shared_ptr<const nlohmann::json> object;
  {
    const std::lock_guard lock(mutex_);
    if (kind == Kind::Policy) {
      const auto it = policies_.find(id);
      if (it != policies_.end()) object = it->second.object;
    } else if (kind == Kind::Provider) {
      const auto it = providers_.find(id);
      if (it != providers_.end()) object = it->second.object;
    }
  }
  return object && object->contains("status") ? object->at("status") : nlohmann::json::object();
}

std::string Index::uid_of(Kind kind, const std::string& id) const {
  if (kind == Kind::Policy) {
    const auto held = policy(id);
    return held ? held->meta.uid : "";
  }
  const auto held = provider(id);
  return held ? held->meta.uid : "";
}

std::vector<plan::UnresolvedRef> Index::unresolved(const plan::HeldPolicy& policy) const {
  std::vector<plan::UnresolvedRef> out;
  std::set<std::string> named;
  const std::lock_guard lock(mutex_);
  const auto entry = policies_.find(policy.meta.id());
  if (entry != policies_.end()) named = entry->second.providers;
  for (const std::string& id : named) {
    const auto it = providers_.find(id);
    const auto held = it == providers_.end() ? std::nullopt : std::optional(it->second.held);
    // Refused now, but it had a source: its last good form goes on.
    const bool had_form = it != providers_.end() && !it->second.source.empty();
    auto state = plan::resolve(held, had_form ? std::optional(ProviderSettings{}) : std::nullopt, policy.meta.ns,
                               labels_locked(policy.meta.ns));
    if (!held && !mesh_.watches(namespace_of(id))) state = plan::RefState::NotWatched;
    if (state != plan::RefState::Resolved) out.push_back({id, state});
  }
  return out;
}

std::vector<std::string> Index::selected_workloads(const plan::HeldPolicy& policy) const {
  const std::lock_guard lock(mutex_);
  return selected_locked(policy);
}

plan::FetchState Index::fetch(const std::string& source) const {
  const std::lock_guard lock(mutex_);
  const auto it = fetches_.find(source);
  return it == fetches_.end() ? plan::FetchState{} : it->second;
}

std::string Index::source_of(const std::string& provider) const {
  const std::lock_guard lock(mutex_);
  const auto it = providers_.find(provider);
  return it == providers_.end() ? std::string() : it->second.source;
}

std::set<std::string> Index::providers_of(const std::string& source) const {
  const std::lock_guard lock(mutex_);
  const auto it = providers_by_source_.find(source);
  return it == providers_by_source_.end() ? std::set<std::string>() : it->second;
}

std::set<std::string> Index::workloads_of_source(const std::string& source) const {
  const std::lock_guard lock(mutex_);
  const auto it = workloads_by_source_.find(source);
  return it == workloads_by_source_.end() ? std::set<std::string>() : it->second;
}

void Index::put_plan(const std::string& workload, std::set<std::string> sources) {
  const std::lock_guard lock(mutex_);
  auto& held = sources_by_workload_[workload];
  for (const std::string& source : held) {
    auto& users = workloads_by_source_[source];
    users.erase(workload);
    if (users.empty()) workloads_by_source_.erase(source);
  }
  for (const std::string& source : sources) workloads_by_source_[source].insert(workload);
  held = std::move(sources);
  if (held.empty()) sources_by_workload_.erase(workload);
}

Keys Index::policies_of_workload(const std::string& id) const {
  Keys keys;
  const std::string ns = namespace_of(id), name = id.substr(ns.size() + 1);
  const std::lock_guard lock(mutex_);
  for (const std::string& place : {ns, mesh_.root_namespace}) {
    const std::string prefix = place + "/";
    for (auto it = policies_.lower_bound(prefix); it != policies_.end() && it->first.starts_with(prefix); ++it) {
      const auto& value = it->second.held.value;
      if (!value || plan::selects(*value, ns, name, mesh_.root_namespace)) keys.push_back({Kind::Policy, it->first});
    }
    if (ns == mesh_.root_namespace) break;
  }
  return keys;
}

Keys Index::everything() const {
  const std::lock_guard lock(mutex_);
  Keys keys;
  for (const auto& [source, users] : providers_by_source_) keys.push_back({Kind::Source, source});
  for (const auto& [id, entry] : providers_) keys.push_back({Kind::Provider, id});
  for (const auto& [id, entry] : workloads_) keys.push_back({Kind::Workload, id});
  for (const auto& [id, entry] : policies_) keys.push_back({Kind::Policy, id});
  return keys;
}

}  // namespace meshauth::controllers
