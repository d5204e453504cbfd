#include "operator/controllers/index.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace meshauth::controllers {
namespace {

using nlohmann::json;
using plan::HeldPolicy;
using plan::HeldProvider;

/// metadata of an object whose spec may be anything.
model::Meta meta_of(const json& object) {
  const json& metadata = object.at("metadata");
  return {metadata.value("namespace", ""), metadata.value("name", ""), metadata.value("uid", ""),
          metadata.value("generation", std::int64_t{0})};
}

/// The entries of a sorted map whose id begins with `ns/`.
template <class Map, class Visit>
void each_in_namespace(Map& map, const std::string& ns, Visit visit) {
  const std::string prefix = ns + "/";
  for (auto it = map.lower_bound(prefix); it != map.end() && it->first.starts_with(prefix); ++it) visit(*it);
}

std::set<std::string> providers_named(const model::AccessPolicy& policy) {
  std::set<std::string> out;
  for (const model::Rule& rule : policy.rules) {
    for (const model::From& from : rule.from) {
      if (from.provider) out.insert(from.provider->id());
    }
  }
  return out;
}

}  // namespace

Keys Index::put_policy(const json& object) {
  const model::Meta meta = meta_of(object);
  PolicyEntry entry{{meta, nullptr, {}}, {}, {}, std::make_shared<const json>(object)};
  auto parsed = model::parse_access_policy(object);
  if (!parsed) {
    entry.held.errors = std::move(parsed.error());
  } else if (auto error = plan::root_namespace_error(*parsed, mesh_.root_namespace)) {
    entry.held.errors = {std::move(*error)};
  } else {
    entry.providers = providers_named(*parsed);
    for (const std::string& name : parsed->workloads.value_or(std::vector<std::string>())) {
      entry.workloads.insert(meta.ns + "/" + name);
    }
    entry.held.value = std::make_shared<const model::AccessPolicy>(std::move(*parsed));
  }
  const std::lock_guard lock(mutex_);
  Keys keys;
  const auto old = policies_.find(meta.id());
  // A status that we wrote comes back as an event: nothing but the status to look at again.
  if (old != policies_.end() && old->second.held.meta == meta && meta.generation > 0) {
    old->second.object = entry.object;
    return {{Kind::Policy, meta.id()}};
  }
  // Refused now: its last good form goes on, and with it the providers and workloads that it names.
  if (old != policies_.end() && !entry.held.value) {
    entry.providers = old->second.providers;
    entry.workloads = old->second.workloads;
  }
  drop_policy(meta.id(), keys);
  count_names(entry, true, keys);
  for (const std::string& provider : entry.providers) policies_by_provider_[provider].insert(meta.id());
  touch_policy(policies_[meta.id()] = std::move(entry), keys);
  return keys;
}

Keys Index::remove_policy(const std::string& id) {
  const std::lock_guard lock(mutex_);
  Keys keys;
  drop_policy(id, keys);
  return keys;
}

void Index::drop_policy(const std::string& id, Keys& keys) {
  const auto it = policies_.find(id);
  if (it == policies_.end()) return;
  touch_policy(it->second, keys);
  count_names(it->second, false, keys);
  for (const std::string& provider : it->second.providers) {
    auto& users = policies_by_provider_[provider];
    users.erase(id);
    if (users.empty()) policies_by_provider_.erase(provider);
  }
  policies_.erase(it);
}

/// A workload that a policy names is known even before its first pod: its record is there when the pod starts.
void Index::count_names(const PolicyEntry& policy, bool add, Keys& keys) {
  for (const std::string& id : policy.workloads) {
    WorkloadEntry& entry = workload(id, keys);
    entry.named = add ? entry.named + 1 : entry.named - std::min<std::size_t>(entry.named, 1);
    keys.push_back({Kind::Workload, id});
    if (!add) drop_if_empty(id);
  }
}

std::vector<std::string> Index::selected_locked(const HeldPolicy& policy) const {
  std::vector<std::string> out;
  const auto add = [&](const auto& entry) { out.push_back(entry.first); };
  if (policy.meta.ns == mesh_.root_namespace) {
    for (const auto& entry : workloads_) add(entry);
  } else if (policy.value && policy.value->workloads) {
    for (const std::string& name : *policy.value->workloads) out.push_back(policy.meta.ns + "/" + name);
  } else {
    each_in_namespace(workloads_, policy.meta.ns, add);
  }
  return out;
}

void Index::touch_policy(const PolicyEntry& entry, Keys& keys) const {
  keys.push_back({Kind::Policy, entry.held.meta.id()});
  for (std::string& id : selected_locked(entry.held)) keys.push_back({Kind::Workload, std::move(id)});
}

Keys Index::put_provider(const json& object) {
  const model::Meta meta = meta_of(object);
  ProviderEntry entry{{meta, nullptr, {}}, "", std::make_shared<const json>(object)};
  auto parsed = model::parse_identity_provider(object);
  if (parsed) {
    entry.source = parsed->settings.key_source;
    entry.held.value = std::make_shared<const model::IdentityProvider>(std::move(*parsed));
  } else {
    entry.held.errors = std::move(parsed.error());
  }
  const std::lock_guard lock(mutex_);
  Keys keys;
  ProviderEntry& held = providers_[meta.id()];
  if (held.object && held.held.meta == meta && meta.generation > 0) {
    held.object = entry.object;
    return {{Kind::Provider, meta.id()}};
  }
  if (!entry.held.value) entry.source = held.source;  // its last good form goes on, and so do its keys
  if (entry.source != held.source && !held.source.empty()) {
    providers_by_source_[held.source].erase(meta.id());
    keys.push_back({Kind::Source, held.source});
  }
  if (!entry.source.empty()) {
    providers_by_source_[entry.source].insert(meta.id());
    keys.push_back({Kind::Source, entry.source});
  }
  held = std::move(entry);
  touch_provider(meta.id(), keys);
  return keys;
}

Keys Index::remove_provider(const std::string& id) {
  const std::lock_guard lock(mutex_);
  Keys keys;
  const auto it = providers_.find(id);
  if (it == providers_.end()) return keys;
  if (!it->second.source.empty()) {
    providers_by_source_[it->second.source].erase(id);
    keys.push_back({Kind::Source, it->second.source});
  }
  providers_.erase(it);
  touch_provider(id, keys);
  return keys;
}

void Index::touch_provider(const std::string& id, Keys& keys) const {
  keys.push_back({Kind::Provider, id});
  const auto users = policies_by_provider_.find(id);
  if (users == policies_by_provider_.end()) return;
  for (const std::string& policy : users->second) {
    const auto entry = policies_.find(policy);
    if (entry != policies_.end()) touch_policy(entry->second, keys);
  }
}

Keys Index::put_namespace(const std::string& name, std::map<std::string, std::string> labels) {
  const std::lock_guard lock(mutex_);
  Keys keys;
  auto& held = namespaces_[name];
  if (held == labels) return keys;
  held = std::move(labels);
  each_in_namespace(policies_, name, [&](const auto& entry) { touch_policy(entry.second, keys); });
  return keys;
}

Keys Index::remove_namespace(const std::string& name) {
  const std::lock_guard lock(mutex_);
  namespaces_.erase(name);
  return {};
}

Index::WorkloadEntry& Index::workload(const std::string& id, Keys& keys) {
  const auto [it, is_new] = workloads_.try_emplace(id);
  if (is_new) {
    // The status of those that select it counts one workload more.
    const auto touch = [&](const auto& entry) { keys.push_back({Kind::Policy, entry.first}); };
    each_in_namespace(policies_, namespace_of(id), touch);
    if (namespace_of(id) != mesh_.root_namespace) each_in_namespace(policies_, mesh_.root_namespace, touch);
  }
  return it->second;
}

void Index::drop_if_empty(const std::string& id) {
  const auto it = workloads_.find(id);
  if (it != workloads_.end() && it->second.empty()) workloads_.erase(it);
}

Keys Index::put_pod(Pod pod) {
  const std::lock_guard lock(mutex_);
  Keys keys;
  const auto old = pods_.find(pod.id);
  if (old != pods_.end()) {
    old->second.touched = pod.touched;  // our own mark: no plan depends on it
    if (old->second == pod) return keys;
    const std::string before = old->second.workload;
    workload(before, keys).pods.erase(pod.id);
    keys.push_back({Kind::Workload, before});
    if (before != pod.workload) drop_if_empty(before);
  }
  workload(pod.workload, keys).pods.insert(pod.id);
  keys.push_back({Kind::Workload, pod.workload});
  pods_[pod.id] = std::move(pod);
  return keys;
}

Keys Index::remove_pod(const std::string& id) {
  const std::lock_guard lock(mutex_);
  Keys keys;
  const auto it = pods_.find(id);
  if (it == pods_.end()) return keys;
  const std::string before = it->second.workload;
  pods_.erase(it);
  workload(before, keys).pods.erase(id);
  keys.push_back({Kind::Workload, before});
  drop_if_empty(before);
  return keys;
}

Keys Index::put_history(const std::string& source, plan::KeyHistory history) {
  {
    const std::lock_guard lock(mutex_);
    histories_[source] = std::move(history);
  }
  Keys keys;
  for (const std::string& provider : providers_of(source)) keys.push_back({Kind::Provider, provider});
  for (const std::string& workload : workloads_of_source(source)) keys.push_back({Kind::Workload, workload});
  return keys;
}

Keys Index::put_fetch(const std::string& source, plan::FetchState fetch) {
  {
    const std::lock_guard lock(mutex_);
    fetches_[source] = std::move(fetch);
  }
  Keys keys;
  for (const std::string& provider : providers_of(source)) keys.push_back({Kind::Provider, provider});
  return keys;
}

}  // namespace meshauth::controllers
