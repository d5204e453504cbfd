// Services, as far as they say how callers reach the pods of a workload.
#include <algorithm>

#include "operator/controllers/index.h"

namespace meshauth::controllers {
namespace {

/// The part of a sorted map whose ids begin with `ns/`.
template <class Map>
auto range_of(Map& map, const std::string& ns) {
  return std::pair{map.lower_bound(ns + "/"), map.lower_bound(ns + static_cast<char>('/' + 1))};
}

}  // namespace

/// The workloads of the namespace to whose pods the Service leads.
void Index::touch_selected(const std::string& ns, const inject::Service& service, Keys& keys) const {
  for (auto [it, end] = range_of(workloads_, ns); it != end; ++it) {
    const auto& pods = it->second.pods;
    const bool selected = std::any_of(pods.begin(), pods.end(),
                                      [&](const std::string& pod) { return service.selects(pods_.at(pod).labels); });
    if (selected) keys.push_back({Kind::Workload, it->first});
  }
}

Keys Index::put_service(const std::string& id, std::optional<inject::Service> service) {
  const std::lock_guard lock(mutex_);
  Keys keys;
  const auto old = services_.find(id);
  if (old != services_.end()) {
    if (service && old->second == *service) return keys;
    touch_selected(namespace_of(id), old->second, keys);
    services_.erase(old);
  }
  if (!service) return keys;
  touch_selected(namespace_of(id), *service, keys);
  services_.emplace(id, std::move(*service));
  return keys;
}

Bypasses Index::bypasses(const std::string& workload) const {
  const std::lock_guard lock(mutex_);
  Bypasses out;
  const auto entry = workloads_.find(workload);
  if (entry == workloads_.end()) return out;
  const auto add = [&](std::string way) {
    if (out.ways.size() < Bypasses::kMostWays && std::find(out.ways.begin(), out.ways.end(), way) == out.ways.end())
      out.ways.push_back(std::move(way));
  };
  const auto [begin, end] = range_of(services_, namespace_of(workload));
  const Pod* before = nullptr;  // most are like the one before
  for (const std::string& id : entry->second.pods) {
    const Pod& pod = pods_.at(id);
    if (pod.deleting || (before != nullptr && before->ports == pod.ports && before->labels == pod.labels)) continue;
    before = &pod;
    if (!pod.ports) {
      if (out.unknown.empty())
        out.unknown = "pod " + id + ": " + (pod.ports_unknown.empty() ? "it was not injected" : pod.ports_unknown);
      continue;
    }
    for (auto it = begin; it != end; ++it) {
      if (!it->second.selects(pod.labels)) continue;
      for (const std::string& way : inject::ways_past(it->second, *pod.ports)) add("Service " + it->first + ", " + way);
    }
  }
  return out;
}

}  // namespace meshauth::controllers
