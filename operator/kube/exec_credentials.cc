#include <nlohmann/json.hpp>

#include "core/base/duration.h"
#include "core/base/text.h"
#include "operator/kube/credentials.h"
#include "operator/kube/object.h"
#include "operator/kube/subprocess.h"

namespace meshauth::kube {
namespace {

// A token is asked for anew a little before it ends, so that it does not end under way.
constexpr std::chrono::seconds kAheadOfExpiry{10};

struct Given {
  Auth auth;
  std::optional<std::chrono::system_clock::time_point> expires;
};

std::string text(const nlohmann::json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

// client.authentication.k8s.io/v1, ExecCredential.
Result<Given> read_credential(const ExecPlugin& plugin, const std::string& out) {
  const auto parsed = parse_json(out);
  if (!parsed || !parsed->is_object() || text(*parsed, "kind") != "ExecCredential") {
    return fail("{} did not print an ExecCredential in JSON", plugin.command);
  }
  if (text(*parsed, "apiVersion") != plugin.api_version) {
    return fail("{} printed an ExecCredential of {}; the kubeconfig asks for {}", plugin.command,
                in_quotes(text(*parsed, "apiVersion")), plugin.api_version);
  }
  const auto status = parsed->find("status");
  if (status == parsed->end() || !status->is_object()) return fail("{} printed no status", plugin.command);
  Given given;
  given.auth = {text(*status, "token"), text(*status, "clientCertificateData"), text(*status, "clientKeyData")};
  if (given.auth.bearer.empty() && given.auth.certificate_pem.empty()) {
    return fail("{} printed neither a token nor a client certificate", plugin.command);
  }
  if (const std::string expiry = text(*status, "expirationTimestamp"); !expiry.empty()) {
    const auto time = parse_time(expiry);
    if (!time)
      return fail("{} printed the expirationTimestamp {}; it should be RFC 3339", plugin.command, in_quotes(expiry));
    given.expires = *time;
  }
  return given;
}

class ExecCredentials : public Credentials {
 public:
  ExecCredentials(ExecPlugin plugin, Clock& clock) : plugin_(std::move(plugin)), clock_(clock) {}

  // One run at a time: whoever comes meanwhile waits for its outcome.
  Result<Auth> get() override {
    const std::lock_guard lock(mutex_);
    const bool fresh = given_ && (!given_->expires || clock_.wall() + kAheadOfExpiry < *given_->expires);
    if (fresh) return given_->auth;
    auto ran = run();
    if (!ran) return tl::unexpected(ran.error());
    given_ = std::move(*ran);
    return given_->auth;
  }

  bool refused() override {
    const std::lock_guard lock(mutex_);
    given_.reset();
    return true;
  }

 private:
  Result<Given> run() const {
    nlohmann::json info = {
        {"apiVersion", plugin_.api_version}, {"kind", "ExecCredential"}, {"spec", {{"interactive", false}}}};
    if (!plugin_.cluster_info_json.empty()) {
      info["spec"]["cluster"] = nlohmann::json::parse(plugin_.cluster_info_json, nullptr, false);
    }
    Command command{plugin_.command, plugin_.arguments, plugin_.environment, plugin_.deadline};
    command.environment.emplace_back("KUBERNETES_EXEC_INFO", dump_json(info));
    const auto finished = run_command(command);
    const std::string hint = plugin_.install_hint.empty() ? "" : "; " + plugin_.install_hint;
    if (!finished) return fail("the kubeconfig's exec plugin: {}{}", finished.error().message, hint);
    if (finished->exit_code != 0) {
      return fail("the kubeconfig's exec plugin {} ended with exit code {}{}", plugin_.command, finished->exit_code,
                  hint);
    }
    return read_credential(plugin_, finished->out);
  }

  const ExecPlugin plugin_;
  Clock& clock_;
  std::mutex mutex_;
  std::optional<Given> given_;  // guarded by mutex_
};

}  // namespace

std::shared_ptr<Credentials> exec_credentials(ExecPlugin plugin, Clock& clock) {
  return std::make_shared<ExecCredentials>(std::move(plugin), clock);
}

}  // namespace meshauth::kube
