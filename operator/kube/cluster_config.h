// Where the API server is and who we are to it: from a kubeconfig, or from the pod that we run in.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/base/result.h"
#include "operator/http/tls.h"
#include "operator/kube/clock.h"
#include "operator/kube/credentials.h"

namespace meshauth::kube {

struct ClusterConfig {
  std::string server{};    ///< base URL
  http::TlsOptions tls{};  ///< without a client certificate: that comes from credentials
  std::string ns{};        ///< of the context or of the pod; "" if neither says
  std::string context{};   ///< of the kubeconfig; "" in a cluster
  std::shared_ptr<Credentials> credentials{};
};

/// Reads the environment; a parameter for tests.
using Environment = std::function<std::optional<std::string>(const std::string& name)>;
Environment system_environment();

struct ConfigSource {
  std::string kubeconfig{};  ///< --kubeconfig: a file; it has to be there
  std::string context{};     ///< --context: instead of current-context
};

/// The first of: the named kubeconfig; the cluster that we run in (KUBERNETES_SERVICE_HOST); the files of KUBECONFIG;
/// ~/.kube/config. Errors say what was looked for and what to do.
Result<ClusterConfig> load_cluster_config(const ConfigSource& source,
                                          const Environment& environment = system_environment(),
                                          Clock& clock = system_clock());

/// The files as kubectl merges them: of two entries with one name the first counts. Paths in a file are relative to it.
Result<ClusterConfig> load_kubeconfig(const std::vector<std::string>& paths, const std::string& context,
                                      Clock& clock = system_clock());

/// The service account of our pod; its token is read again each minute. directory is a parameter for tests.
Result<ClusterConfig> load_in_cluster(const Environment& environment,
                                      const std::string& directory = "/var/run/secrets/kubernetes.io/serviceaccount",
                                      Clock& clock = system_clock());

}  // namespace meshauth::kube
