// A pod, and what is known about where it is to run, to the pod with its sidecar. The webhook and `meshauthctl inject`
// both call this.
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/base/result.h"
#include "core/inject/wishes.h"

namespace meshauth::inject {

/// The same for every pod of the cluster.
struct Settings {
  std::string image;  ///< agent, nginx and module
  std::string pull_policy = "IfNotPresent";
  nlohmann::json resources = default_resources();  ///< as a container's
  std::string operator_url = "https://mesh-auth-operator.mesh-auth-system.svc:8443";
  bool native_sidecars = true;  ///< the server knows init containers with restartPolicy Always (1.29)

  static nlohmann::json default_resources();
};

/// Settings that would make no pod are refused here, once, and not with each pod.
Status check(const Settings& settings);

/// Of one pod.
struct Place {
  std::string ns;
  std::map<std::string, std::string> namespace_labels;
  /// What asked for injection beside the pod's own label: the label of its namespace, or who ran `meshauthctl inject`.
  bool asked = false;
  std::string owner;  ///< name of the Deployment or the like whose template this is; empty: the pod's ownerReferences
};

struct Injection {
  nlohmann::json pod;  ///< as it came where it is not injected
  bool injected = false;
  std::string workload;
  Wishes wishes;
};

/// Errors: a sentence that names the field, label or annotation, what was found and what would be right. A pod that has
/// our sidecar gets it anew: inject(inject(pod)) is inject(pod).
Result<Injection> inject(const nlohmann::json& pod, const Place& place, const Settings& settings);

/// From one to the other, as JSON Patch (RFC 6902).
nlohmann::json patch_between(const nlohmann::json& before, const nlohmann::json& after);

/// Lets in what comes for the sidecar of an injected workload, and nothing else (networking.k8s.io/v1 NetworkPolicy).
/// ns: empty where it is not known.
nlohmann::json network_policy(const Injection& injection, const std::string& ns);

}  // namespace meshauth::inject
