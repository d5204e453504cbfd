#include "cli/dev_idp/dev_idp.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <ostream>
#include <vector>

#include "cli/dev_idp/https_server.h"
#include "cli/dev_idp/key_store.h"
#include "cli/dev_idp/provider.h"
#include "core/base/cidr.h"
#include "core/base/text.h"
#include "operator/http/url.h"

namespace meshauth::dev_idp {
namespace {

std::int64_t unix_now() {
  return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

bool is_unspecified(const std::string& host) {
  return host == "0.0.0.0" || host == "::";
}

std::string own_issuer(const ListenAddress& address, std::uint16_t port) {
  http::Url url;
  url.host = is_unspecified(address.host) ? "127.0.0.1" : address.host;
  url.port = port;
  return url.origin();
}

Status check_issuer(const std::string& issuer) {
  const auto url = http::Url::parse(issuer);
  if (!url) return fail("--issuer: {}", url.error().message);
  if (!url->https) return fail("--issuer {} must be https", in_quotes(issuer));
  if (issuer.find('?') != std::string::npos) return fail("--issuer {} must not have a query", in_quotes(issuer));
  return {};
}

/// Every name that somebody on this machine, or behind this issuer, may ask for.
std::vector<std::string> certificate_names(const ListenAddress& address, const std::string& issuer) {
  std::vector<std::string> names = {"localhost", "127.0.0.1", "::1"};
  const auto add = [&](const std::string& name) {
    if (!name.empty() && std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  };
  if (!is_unspecified(address.host)) add(address.host);
  if (const auto url = http::Url::parse(issuer)) add(url->host);
  std::array<char, 256> host{};
  if (gethostname(host.data(), host.size() - 1) == 0) add(to_lower(host.data()));
  return names;
}

}  // namespace

struct DevIdp::Impl {
  std::unique_ptr<HttpsServer> server;
  http::Credentials credentials;
  std::unique_ptr<Provider> provider;
  std::string ca_pem;
};

DevIdp::DevIdp(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
DevIdp::~DevIdp() = default;

Result<std::unique_ptr<DevIdp>> DevIdp::open(const DevIdpOptions& options) {
  const auto address = ListenAddress::parse(options.listen);
  if (!address) return fail("--listen: {}", address.error().message);
  if (!options.issuer.empty()) {
    if (Status checked = check_issuer(options.issuer); !checked) return tl::unexpected(std::move(checked.error()));
  }
  auto impl = std::make_unique<Impl>();
  auto server = HttpsServer::bind(*address);
  if (!server) return tl::unexpected(std::move(server.error()));
  impl->server = std::move(*server);
  const std::string issuer = options.issuer.empty() ? own_issuer(*address, impl->server->port()) : options.issuer;

  const auto authority = open_authority(options.state);
  if (!authority) return fail("--state: {}", authority.error().message);
  auto keys = KeyStore::open(options.state);
  if (!keys) return fail("--state: {}", keys.error().message);
  impl->credentials = authority->issue({certificate_names(*address, issuer)});
  impl->ca_pem = authority->certificate();
  impl->provider = std::make_unique<Provider>(issuer, std::move(*keys), impl->ca_pem, unix_now);
  return std::unique_ptr<DevIdp>(new DevIdp(std::move(impl)));
}

std::uint16_t DevIdp::port() const {
  return impl_->server->port();
}
const std::string& DevIdp::issuer() const {
  return impl_->provider->issuer();
}
const std::string& DevIdp::ca_pem() const {
  return impl_->ca_pem;
}
void DevIdp::stop() {
  impl_->server->stop();
}

Status DevIdp::run(bool until_signal) {
  return impl_->server->run(
      impl_->credentials, [this](const Ask& ask) { return impl_->provider->answer(ask); }, until_signal);
}

int dev_idp(const DevIdpOptions& options, std::ostream& out, std::ostream& err) {
  const auto provider = DevIdp::open(options);
  if (!provider) {
    err << provider.error().message << "\n";
    return 1;
  }
  err << "*** DEVELOPMENT ONLY: this identity provider signs any claims for anybody who can reach it.\n"
         "*** Never name it in an IdentityProvider of a cluster that matters.\n";
  nlohmann::json ready = {{"issuer", (*provider)->issuer()}, {"listen", options.listen}, {"port", (*provider)->port()}};
  if (options.state.empty()) {
    ready["ca"] = (*provider)->ca_pem();
  } else {
    ready["caFile"] = (std::filesystem::path(options.state) / "ca.pem").string();
  }
  out << ready.dump() << std::endl;
  if (const Status ran = (*provider)->run(true); !ran) {
    err << ran.error().message << "\n";
    return 1;
  }
  return 0;
}

}  // namespace meshauth::dev_idp
