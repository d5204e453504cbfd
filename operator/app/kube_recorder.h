// Records, keys and statuses in the API server: server-side apply as our field manager, forced on what is ours.
#pragma once

#include <functional>
#include <mutex>
#include <nlohmann/json_fwd.hpp>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/bundle/keys.h"
#include "operator/app/ready_news.h"
#include "operator/controllers/recorder.h"
#include "operator/kube/api_client.h"
#include "operator/kube/apply_queue.h"
#include "operator/kube/events.h"
#include "operator/kube/store.h"

namespace meshauth::app {

/// Label of every ConfigMap that we write; without it a ConfigMap is not ours and is never touched.
inline constexpr std::string_view kRecordLabel = "meshauth.dev/record";
inline constexpr std::string_view kBundleRecord = "bundle";
inline constexpr std::string_view kKeysRecord = "keys";
inline constexpr std::string_view kTrustRecord = "trust";
inline constexpr std::string_view kRevisionAnnotation = "meshauth.dev/revision";
/// Of a pod: its change makes kubelet look at the pod's volumes at once. The chart's admission policy lets the operator
/// change nothing else of a pod.
inline constexpr std::string_view kTouchAnnotation = "meshauth.dev/recorded";

/// ConfigMap names.
std::string bundle_record_name(std::string_view workload);  ///< of namespace/name
std::string keys_record_name(std::string_view source);
inline constexpr std::string_view kTrustName = "meshauth.trust";

class KubeRecorder final : public controllers::Recorder {
 public:
  /// The ConfigMaps of a namespace that carry kRecordLabel, metadata only.
  using Records = std::function<const kube::Store&(const std::string& ns)>;

  /// All outlive the recorder.
  KubeRecorder(const kube::ApiClient& api, Records records, const controllers::Index& index,
               kube::EventRecorder& events, std::string ns, bundle::Trust trust, Done done);
  /// What waits is not written any more; Done does not run after it, and nothing else may be called.
  void stop();

  void record(const std::string& workload, controllers::Record record) override;
  void erase_record(const std::string& workload) override;
  bool record_holds(const std::string& workload, const bundle::Bundle& bundle) const override;
  void touch(const std::string& pod, const std::string& revision) override;
  Status record_keys(const std::string& source, const std::string& json) override;
  Status erase_keys(const std::string& source) override;
  void write_status(controllers::Kind kind, const std::string& id, const nlohmann::json& status) override;
  void keep_status(controllers::Kind kind, const std::string& id) override;

  /// From now on each meshauth.trust is to hold this.
  void set_trust(bundle::Trust trust);
  /// Writes each meshauth.trust of ours that does not hold it yet. What could not be written, and why.
  std::vector<std::string> publish_trust();
  /// A namespace's meshauth.trust was changed or removed by a hand: put it back.
  void restore_trust(const std::string& ns);
  /// Is the object, as the store saw it, what we wrote last?
  bool is_ours(const std::string& key, const std::string& resource_version) const;

 private:
  struct Written {
    std::string signature, resource_version;  ///< signature: of the bundle's manifest
  };

  void written(const std::string& key, const std::string& signature, const kube::ApiResult<kube::Object>& outcome);
  Status ensure_trust(const std::string& ns);
  Status check_ours(const std::string& ns, const std::string& name);

  const kube::ApiClient& api_;
  const Records records_;
  const controllers::Index& index_;
  kube::EventRecorder& events_;
  const std::string ns_;
  const Done done_;

  mutable std::mutex mutex_;
  std::unordered_map<std::string, Written> written_;  // guarded by mutex_; by "namespace/name" of the ConfigMap
  bundle::Trust trust_;                               // guarded by mutex_
  std::set<std::string> trusted_;                     // guarded by mutex_; namespaces whose meshauth.trust holds trust_
  std::set<std::string> outdated_;                    // guarded by mutex_; namespaces where it held another one of ours
  ReadyNews news_;
  std::unique_ptr<kube::ApplyQueue> bundles_;
  std::unique_ptr<kube::ApplyQueue> statuses_;
  std::unique_ptr<kube::ApplyQueue> touches_;
};

}  // namespace meshauth::app
