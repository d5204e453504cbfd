// What the operator knows, indexed by what a reconcile asks for. Each change answers with the keys that it touches, so
// that nothing walks the whole cluster for one change.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>

#include "core/inject/services.h"
#include "core/plan/status.h"
#include "core/plan/workload_plan.h"
#include "operator/controllers/key.h"

namespace meshauth::controllers {

/// A pod that carries label meshauth.dev/workload and is not Succeeded or Failed.
struct Pod {
  std::string id;  ///< namespace/name
  std::string uid;
  std::string workload;  ///< namespace/value of the label
  std::string flavour;   ///< value of label meshauth.dev/flavour; empty: Module
  bool deleting = false;
  std::map<std::string, std::string> labels = {};        ///< what Services select by
  std::optional<inject::PodPorts> ports = std::nullopt;  ///< of an injected pod
  std::string ports_unknown = {};                        ///< why there are none; empty where nobody said there were
  std::string touched = {};  ///< the revision that it was touched for last; see World::touch

  friend bool operator==(const Pod&, const Pod&) = default;
};

/// How callers may get past the sidecars of one workload, by the Services of its namespace.
struct Bypasses {
  std::vector<std::string> ways;  ///< a sentence each, which names the Service; at most kMostWays, each once
  std::string unknown;            ///< a sentence about a pod that does not say which ports its sidecar holds

  static constexpr std::size_t kMostWays = 64;
};

/// A key source as its providers want it.
struct SourceWish {
  model::KeyOrigin origin;
  std::string ca_bundle;
  std::set<std::string> issuers;  ///< that its discovery document may have
  model::Rotation rotation;       ///< the shortest intervals, the longest overlap and maxStale
};

/// Thread-safe: one mutex, held only for map operations and parsing one object.
class Index {
 public:
  explicit Index(plan::MeshSettings mesh) : mesh_(std::move(mesh)) {}

  const plan::MeshSettings& mesh() const { return mesh_; }

  // Objects as the API server or a folder has them.
  Keys put_policy(const nlohmann::json& object);
  Keys remove_policy(const std::string& id);
  Keys put_provider(const nlohmann::json& object);
  Keys remove_provider(const std::string& id);
  Keys put_namespace(const std::string& name, std::map<std::string, std::string> labels);
  Keys remove_namespace(const std::string& name);
  Keys put_pod(Pod pod);
  Keys remove_pod(const std::string& id);
  /// nullopt: it leads to no pods. The keys are the workloads that it led to, or leads to now.
  Keys put_service(const std::string& id, std::optional<inject::Service> service);
  Keys remove_service(const std::string& id) { return put_service(id, std::nullopt); }

  // Key sources.
  Keys put_history(const std::string& source, plan::KeyHistory history);
  Keys put_fetch(const std::string& source, plan::FetchState fetch);
  std::optional<plan::KeyHistory> history(const std::string& source) const;
  /// The source has an active key of that kid.
  bool has_key(const std::string& source, const std::string& kid) const;
  /// nullopt: no valid provider uses it (any more).
  std::optional<SourceWish> wish(const std::string& source) const;

  /// The key sources that the workload's bundle in force uses; empty once it has none.
  void put_plan(const std::string& workload, std::set<std::string> sources);

  // What a reconcile reads.
  bool workload_wanted(const std::string& id) const;  ///< has pods, or an accepted policy names it
  std::vector<Pod> pods(const std::string& workload) const;
  std::optional<Pod> pod(const std::string& id) const;
  Bypasses bypasses(const std::string& workload) const;
  std::vector<Pod> all_pods() const;
  plan::WorkloadView workload_view(const std::string& id, plan::Time now) const;
  std::optional<plan::HeldPolicy> policy(const std::string& id) const;
  std::optional<plan::HeldProvider> provider(const std::string& id) const;
  nlohmann::json status_of(Kind kind, const std::string& id) const;  ///< as the object had it when last seen
  std::string uid_of(Kind kind, const std::string& id) const;
  std::vector<plan::UnresolvedRef> unresolved(const plan::HeldPolicy& policy) const;
  std::vector<std::string> selected_workloads(const plan::HeldPolicy& policy) const;
  plan::FetchState fetch(const std::string& source) const;
  /// The source of a provider; where its spec is refused now, the one it had.
  std::string source_of(const std::string& provider) const;
  std::set<std::string> providers_of(const std::string& source) const;
  std::set<std::string> workloads_of_source(const std::string& source) const;
  Keys policies_of_workload(const std::string& workload) const;
  Keys everything() const;
  /// nullopt: there is no such namespace, as far as is known.
  std::optional<std::map<std::string, std::string>> namespace_labels(const std::string& ns) const;

 private:
  struct PolicyEntry {
    plan::HeldPolicy held;
    std::set<std::string> providers;  ///< ids that its rules name; refused now: that they named
    std::set<std::string> workloads;  ///< ids that it names; refused now: that it named
    std::shared_ptr<const nlohmann::json> object;
  };
  struct ProviderEntry {
    plan::HeldProvider held;
    std::string source;  ///< of the last valid form
    std::shared_ptr<const nlohmann::json> object;
  };
  struct WorkloadEntry {
    std::set<std::string> pods;
    std::size_t named = 0;  ///< accepted policies that name it
    bool empty() const { return pods.empty() && named == 0; }
  };

  // All of these want the mutex held.
  void touch_policy(const PolicyEntry& entry, Keys& keys) const;
  void touch_provider(const std::string& id, Keys& keys) const;
  std::vector<std::string> selected_locked(const plan::HeldPolicy& policy) const;
  void count_names(const PolicyEntry& policy, bool add, Keys& keys);
  void drop_policy(const std::string& id, Keys& keys);
  WorkloadEntry& workload(const std::string& id, Keys& keys);
  void drop_if_empty(const std::string& id);
  void touch_selected(const std::string& ns, const inject::Service& service, Keys& keys) const;
  std::map<std::string, std::string> labels_locked(const std::string& ns) const;

  const plan::MeshSettings mesh_;
  mutable std::mutex mutex_;
  // Guarded by mutex_ from here on. Sorted maps: a namespace is a range of ids.
  std::map<std::string, PolicyEntry> policies_;
  std::map<std::string, ProviderEntry> providers_;
  std::map<std::string, WorkloadEntry> workloads_;
  std::map<std::string, inject::Service> services_;
  std::unordered_map<std::string, Pod> pods_;
  std::unordered_map<std::string, std::map<std::string, std::string>> namespaces_;
  std::unordered_map<std::string, plan::KeyHistory> histories_;
  std::unordered_map<std::string, plan::FetchState> fetches_;
  std::unordered_map<std::string, std::set<std::string>> policies_by_provider_;
  std::unordered_map<std::string, std::set<std::string>> providers_by_source_;
  std::unordered_map<std::string, std::set<std::string>> sources_by_workload_;
  std::unordered_map<std::string, std::set<std::string>> workloads_by_source_;
};

}  // namespace meshauth::controllers
