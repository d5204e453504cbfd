// What the API server has, told to the index: one reflector and one store per kind.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "operator/controllers/index.h"
#include "operator/kube/reflector.h"
#include "operator/kube/store.h"

namespace meshauth::app {

class ClusterSource {
 public:
  struct Handlers {
    std::function<void(const controllers::Keys& keys)> touched;
    std::function<void(const std::string& pod, const std::string& workload)> pod_gone;  ///< or of another workload
    /// One of our ConfigMaps changed or went: its kind (label meshauth.dev/record) and namespace/name.
    std::function<void(const std::string& kind, const std::string& key, const std::string& resource_version)>
        record_changed;
    std::function<void(const std::string& pod, const std::string& message)> pod_refused;
  };

  /// What is looked at: index.mesh().watched, and our ConfigMaps in `ns`, the operator's own namespace.
  ClusterSource(const kube::ApiClient& api, controllers::Index& index, const std::string& ns, Handlers handlers,
                http::Metrics& metrics);
  ~ClusterSource();

  void start();
  void stop();  ///< no handler runs after it
  /// False if stopped before. Says every few seconds what it waits for.
  bool wait_synced(const std::stop_token& stop);
  /// Empty, or why the view of the cluster is not current.
  std::string trouble() const;

  /// Our ConfigMaps in a namespace; nothing is known of those in one that is not watched.
  const kube::Store& records(const std::string& ns) const;

 private:
  struct Followed {
    kube::Store store;
    std::unique_ptr<kube::Reflector> reflector;
    std::string name;
  };

  Followed& follow(kube::ReflectorOptions options, kube::Store::Handler handler);
  void follow_namespaces(const std::string& ns);  // these four: "" is all namespaces
  void follow_resources(const std::string& ns);
  void follow_pods(const std::string& ns);
  void follow_records(const std::string& ns);
  void on_pod(kube::Store::Change change, const std::string& key, const nlohmann::json& now);

  const kube::ApiClient& api_;
  controllers::Index& index_;
  const Handlers handlers_;
  http::Metrics& metrics_;
  std::vector<std::unique_ptr<Followed>> all_;
  std::map<std::string, const kube::Store*> records_;  ///< by namespace; "" is all
  const kube::Store unknown_{};
};

}  // namespace meshauth::app
