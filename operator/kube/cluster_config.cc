#include "operator/kube/cluster_config.h"

#include <unistd.h>

#include <cstdlib>

#include "core/base/text.h"
#include "operator/kube/read_file.h"

namespace meshauth::kube {
namespace {

constexpr std::size_t kMaxCaBytes = std::size_t{1} << 20;
constexpr std::size_t kMaxNamespaceBytes = 256;

}  // namespace

Environment system_environment() {
  return [](const std::string& name) -> std::optional<std::string> {
    const char* value = std::getenv(name.c_str());
    if (value == nullptr || *value == '\0') return std::nullopt;
    return value;
  };
}

Result<ClusterConfig> load_in_cluster(const Environment& environment, const std::string& directory, Clock& clock) {
  const auto host = environment("KUBERNETES_SERVICE_HOST");
  const auto port = environment("KUBERNETES_SERVICE_PORT");
  if (!host || !port) return fail("KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set: this is no pod");
  ClusterConfig config;
  const bool ipv6 = host->find(':') != std::string::npos;
  // cpprest connects to no IPv6 literal. The name is in every API server's certificate (kubeadm, managed clusters).
  config.server = fmt::format("https://{}:{}", ipv6 ? "kubernetes.default.svc" : *host, *port);
  auto ca = read_file(directory + "/ca.crt", kMaxCaBytes);
  if (!ca) {
    return fail("in this pod {}; is automountServiceAccountToken switched off?", ca.error().message);
  }
  config.tls.ca_pem = std::move(*ca);
  config.credentials = file_credentials({.token_path = directory + "/token"}, {}, clock);
  if (const auto auth = config.credentials->get(); !auth) {
    return fail("in this pod {}; is automountServiceAccountToken switched off?", auth.error().message);
  }
  if (auto ns = read_file(directory + "/namespace", kMaxNamespaceBytes)) {
    while (!ns->empty() && ns->back() == '\n') ns->pop_back();
    config.ns = std::move(*ns);
  }
  return config;
}

Result<ClusterConfig> load_cluster_config(const ConfigSource& source, const Environment& environment, Clock& clock) {
  if (!source.kubeconfig.empty()) return load_kubeconfig({source.kubeconfig}, source.context, clock);
  if (environment("KUBERNETES_SERVICE_HOST")) {
    return load_in_cluster(environment, "/var/run/secrets/kubernetes.io/serviceaccount", clock);
  }
  std::vector<std::string> paths;
  if (const auto listed = environment("KUBECONFIG")) {
    for (const std::string_view path : split(*listed, ':')) {
      // As kubectl does, files of the list that do not exist are passed over.
      if (!path.empty() && ::access(std::string(path).c_str(), F_OK) == 0) paths.emplace_back(path);
    }
    if (paths.empty()) return fail("KUBECONFIG is {}, but no such file exists", in_quotes(*listed, 200));
  } else if (const auto home = environment("HOME")) {
    paths.push_back(*home + "/.kube/config");
  }
  if (paths.empty() || ::access(paths.front().c_str(), F_OK) != 0) {
    return fail(
        "no cluster is named: give --kubeconfig FILE, set KUBECONFIG, or run in a pod ({} does not exist and "
        "KUBERNETES_SERVICE_HOST is not set)",
        paths.empty() ? "~/.kube/config" : paths.front());
  }
  return load_kubeconfig(paths, source.context, clock);
}

}  // namespace meshauth::kube
