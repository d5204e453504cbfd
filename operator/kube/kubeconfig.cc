#include <yaml-cpp/yaml.h>

#include <nlohmann/json.hpp>

#include "core/base/base64.h"
#include "core/base/text.h"
#include "operator/kube/cluster_config.h"
#include "operator/kube/read_file.h"

namespace meshauth::kube {
namespace {

constexpr std::size_t kMaxKubeconfigBytes = std::size_t{1} << 20;
constexpr std::size_t kMaxEmbeddedBytes = std::size_t{1} << 20;

// A node and the folder of the file that it came from.
struct Entry {
  YAML::Node node;
  std::string folder;

  std::string text(const char* name) const {
    const YAML::Node value = node[name];
    return value && value.IsScalar() ? value.Scalar() : std::string();
  }
  bool flag(const char* name) const { return text(name) == "true"; }
  std::string path(const char* name) const {
    const std::string value = text(name);
    return value.empty() || value.front() == '/' ? value : folder + value;
  }
};

struct Files {
  std::vector<Entry> documents;

  // The first entry of that name in clusters, users or contexts; its body.
  std::optional<Entry> find(const char* list, const char* body, const std::string& name) const {
    for (const Entry& document : documents) {
      const YAML::Node entries = document.node[list];
      if (!entries || !entries.IsSequence()) continue;
      for (const YAML::Node& entry : entries) {
        if (!entry.IsMap() || !entry["name"] || !entry["name"].IsScalar() || entry["name"].Scalar() != name) continue;
        const YAML::Node found = entry[body];
        if (found && found.IsMap()) return Entry{found, document.folder};
      }
    }
    return std::nullopt;
  }
  std::string names(const char* list) const {
    std::string out;
    for (const Entry& document : documents) {
      const YAML::Node entries = document.node[list];
      if (!entries || !entries.IsSequence()) continue;
      for (const YAML::Node& entry : entries) {
        if (entry.IsMap() && entry["name"] && entry["name"].IsScalar())
          out += (out.empty() ? "" : ", ") + in_quotes(entry["name"].Scalar());
      }
    }
    return out.empty() ? "none" : out;
  }
};

Result<Files> read_files(const std::vector<std::string>& paths) {
  Files files;
  for (const std::string& path : paths) {
    const auto content = read_file(path, kMaxKubeconfigBytes);
    if (!content) return fail("the kubeconfig {}; check --kubeconfig and KUBECONFIG", content.error().message);
    try {
      const YAML::Node node = YAML::Load(*content);
      if (!node.IsMap() || (node["kind"] && node["kind"].Scalar() != "Config")) {
        return fail("{} is no kubeconfig: it should be a YAML map of kind Config", path);
      }
      const std::size_t slash = path.rfind('/');
      files.documents.push_back({node, slash == std::string::npos ? "" : path.substr(0, slash + 1)});
    } catch (const YAML::Exception& error) {
      return fail("{} is no kubeconfig: line {}: {}", path, error.mark.line + 1, error.msg);
    }
  }
  return files;
}

// NAME-data in base64, or the file NAME.
Result<std::string> data_or_file(const Entry& entry, const std::string& name) {
  if (const std::string data = entry.text((name + "-data").c_str()); !data.empty()) {
    auto bytes = base64_decode(data);
    if (!bytes) return fail("the kubeconfig's {}-data is not base64", name);
    return std::move(*bytes);
  }
  const std::string path = entry.path(name.c_str());
  if (path.empty()) return std::string();
  auto content = read_file(path, kMaxEmbeddedBytes);
  if (!content) return fail("the kubeconfig's {}: {}", name, content.error().message);
  return content;
}

Status read_cluster(const Entry& cluster, const std::string& name, ClusterConfig& config) {
  config.server = cluster.text("server");
  if (config.server.empty()) return fail("the kubeconfig's cluster {} has no server", in_quotes(name));
  while (config.server.ends_with('/')) config.server.pop_back();
  if (!cluster.text("proxy-url").empty()) {
    return fail("the kubeconfig's cluster {} has a proxy-url, which is not supported: reach {} directly",
                in_quotes(name), config.server);
  }
  auto ca = data_or_file(cluster, "certificate-authority");
  if (!ca) return tl::unexpected(ca.error());
  config.tls.ca_pem = std::move(*ca);
  config.tls.insecure_skip_verify = cluster.flag("insecure-skip-tls-verify");
  config.tls.server_name = cluster.text("tls-server-name");
  if (config.tls.insecure_skip_verify && !config.tls.ca_pem.empty()) {
    return fail(
        "the kubeconfig's cluster {} has both certificate-authority and insecure-skip-tls-verify; one of them has to "
        "go",
        in_quotes(name));
  }
  return {};
}

std::string cluster_info(const ClusterConfig& config) {
  nlohmann::json info = {{"server", config.server}};
  if (!config.tls.ca_pem.empty()) info["certificate-authority-data"] = base64_encode(config.tls.ca_pem);
  if (config.tls.insecure_skip_verify) info["insecure-skip-tls-verify"] = true;
  if (!config.tls.server_name.empty()) info["tls-server-name"] = config.tls.server_name;
  return info.dump();
}

Result<ExecPlugin> read_exec(const Entry& exec, const ClusterConfig& config) {
  ExecPlugin plugin;
  plugin.api_version = exec.text("apiVersion");
  if (plugin.api_version != "client.authentication.k8s.io/v1" &&
      plugin.api_version != "client.authentication.k8s.io/v1beta1") {
    return fail("the kubeconfig's exec plugin has apiVersion {}; it should be client.authentication.k8s.io/v1",
                in_quotes(plugin.api_version));
  }
  if (exec.text("interactiveMode") == "Always") {
    return fail("the kubeconfig's exec plugin has interactiveMode Always; this program has no terminal to offer");
  }
  plugin.command = exec.text("command");
  if (plugin.command.empty()) return fail("the kubeconfig's exec plugin has no command");
  // Relative to the kubeconfig only where it is a path and no bare name.
  if (plugin.command.find('/') != std::string::npos) plugin.command = exec.path("command");
  if (const YAML::Node list = exec.node["args"]; list && list.IsSequence()) {
    for (const YAML::Node& argument : list) plugin.arguments.push_back(argument.as<std::string>());
  }
  if (const YAML::Node list = exec.node["env"]; list && list.IsSequence()) {
    for (const YAML::Node& pair : list) {
      plugin.environment.emplace_back(pair["name"].as<std::string>(), pair["value"].as<std::string>());
    }
  }
  plugin.install_hint = exec.text("installHint");
  if (exec.flag("provideClusterInfo")) plugin.cluster_info_json = cluster_info(config);
  return plugin;
}

Result<std::shared_ptr<Credentials>> read_user(const Entry& user, const ClusterConfig& config, Clock& clock) {
  for (const char* unsupported : {"auth-provider", "username", "as"}) {
    if (user.node[unsupported]) {
      return fail(
          "the kubeconfig's user has {}, which is not supported; use a client certificate, a token, tokenFile or exec",
          unsupported);
    }
  }
  if (const YAML::Node exec = user.node["exec"]; exec && exec.IsMap()) {
    auto plugin = read_exec({exec, user.folder}, config);
    if (!plugin) return tl::unexpected(plugin.error());
    return exec_credentials(std::move(*plugin), clock);
  }
  Auth fixed;
  AuthFiles files;
  files.token_path = user.path("tokenFile");  // kubectl prefers the file, since the token may be an old copy of it
  if (files.token_path.empty()) fixed.bearer = user.text("token");
  if (user.text("client-certificate-data").empty()) files.certificate_path = user.path("client-certificate");
  if (user.text("client-key-data").empty()) files.key_path = user.path("client-key");
  for (const auto& [name, path, target] :
       {std::tuple{"client-certificate", &files.certificate_path, &fixed.certificate_pem},
        std::tuple{"client-key", &files.key_path, &fixed.key_pem}}) {
    if (!path->empty()) continue;
    auto bytes = data_or_file(user, name);
    if (!bytes) return tl::unexpected(bytes.error());
    *target = std::move(*bytes);
  }
  const bool any_file = !files.token_path.empty() || !files.certificate_path.empty() || !files.key_path.empty();
  auto credentials =
      any_file ? file_credentials(std::move(files), std::move(fixed), clock) : fixed_credentials(std::move(fixed));
  if (const auto auth = credentials->get(); !auth) return fail("the kubeconfig's user: {}", auth.error().message);
  return credentials;
}

}  // namespace

Result<ClusterConfig> load_kubeconfig(const std::vector<std::string>& paths, const std::string& context, Clock& clock) {
  const auto files = read_files(paths);
  if (!files) return tl::unexpected(files.error());
  try {
    ClusterConfig config;
    config.context = context;
    for (const Entry& document : files->documents) {
      if (config.context.empty()) config.context = document.text("current-context");
    }
    if (config.context.empty()) {
      return fail("{} has no current-context; give --context, one of: {}", paths.front(), files->names("contexts"));
    }
    const auto chosen = files->find("contexts", "context", config.context);
    if (!chosen) {
      return fail("{} has no context {}; it has: {}", paths.front(), in_quotes(config.context),
                  files->names("contexts"));
    }
    config.ns = chosen->text("namespace");
    const auto cluster = files->find("clusters", "cluster", chosen->text("cluster"));
    if (!cluster) {
      return fail("the kubeconfig's context {} names the cluster {}, which is not there", in_quotes(config.context),
                  in_quotes(chosen->text("cluster")));
    }
    if (auto read = read_cluster(*cluster, chosen->text("cluster"), config); !read) return tl::unexpected(read.error());
    const auto user = files->find("users", "user", chosen->text("user"));
    if (!user && !chosen->text("user").empty()) {
      return fail("the kubeconfig's context {} names the user {}, which is not there", in_quotes(config.context),
                  in_quotes(chosen->text("user")));
    }
    auto credentials =
        user ? read_user(*user, config, clock) : Result<std::shared_ptr<Credentials>>(fixed_credentials({}));
    if (!credentials) return tl::unexpected(credentials.error());
    config.credentials = std::move(*credentials);
    return config;
  } catch (const YAML::Exception& error) {
    return fail("{}: {}", paths.front(), error.what());
  }
}

}  // namespace meshauth::kube
