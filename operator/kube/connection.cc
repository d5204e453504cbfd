#include "operator/kube/connection.h"

#include <mutex>

#include "operator/http/cpprest_client.h"

namespace meshauth::kube {
namespace {

class Connection : public http::Client {
 public:
  Connection(const ClusterConfig& config, ClientFactory factory)
      : server_(config.server), tls_(config.tls), credentials_(config.credentials), factory_(std::move(factory)) {}

  Result<http::Response> send(const http::Request& request, const http::SendOptions& options,
                              std::stop_token stop) override {
    return with_auth<http::Response>(request, [&](http::Client& client, const http::Request& signed_request) {
      return client.send(signed_request, options, stop);
    });
  }

  Result<http::StreamResult> stream_lines(const http::Request& request, const http::StreamOptions& options,
                                          const http::LineCallback& on_line, std::stop_token stop) override {
    return with_auth<http::StreamResult>(request, [&](http::Client& client, const http::Request& signed_request) {
      return client.stream_lines(signed_request, options, on_line, stop);
    });
  }

  // The transport with that certificate; the old one lives on for requests that are under way.
  Result<std::shared_ptr<http::Client>> client_for(const Auth& auth) {
    const std::lock_guard lock(mutex_);
    if (client_ && tls_.certificate_pem == auth.certificate_pem && tls_.key_pem == auth.key_pem) return client_;
    tls_.certificate_pem = auth.certificate_pem;
    tls_.key_pem = auth.key_pem;
    auto made = factory_(server_, tls_);
    if (!made) {
      client_.reset();
      return tl::unexpected(made.error());
    }
    client_ = std::move(*made);
    return client_;
  }

 private:
  template <class Answer, class Call>
  Result<Answer> with_auth(const http::Request& request, const Call& call) {
    auto answer = once<Answer>(request, call);
    if (answer && answer->status == 401 && credentials_->refused()) return once<Answer>(request, call);
    return answer;
  }

  template <class Answer, class Call>
  Result<Answer> once(const http::Request& request, const Call& call) {
    const auto auth = credentials_->get();
    if (!auth) return tl::unexpected(auth.error());
    const auto client = client_for(*auth);
    if (!client) return tl::unexpected(client.error());
    http::Request out = request;
    if (!auth->bearer.empty()) out.headers.emplace_back("Authorization", "Bearer " + auth->bearer);
    return call(**client, out);
  }

  const std::string server_;
  http::TlsOptions tls_;
  const std::shared_ptr<Credentials> credentials_;
  const ClientFactory factory_;
  std::mutex mutex_;
  std::shared_ptr<http::Client> client_;  // guarded by mutex_, as are tls_'s certificate and key
};

}  // namespace

ClientFactory cpprest_factory() {
  return [](const std::string& server, const http::TlsOptions& tls) {
    return http::make_cpprest_client({.base_url = server, .tls = tls});
  };
}

Result<std::shared_ptr<http::Client>> connect(const ClusterConfig& config, const ClientFactory& factory) {
  // Not with the credentials, which may take long to get: but what is wrong with the rest is said now.
  if (auto made = factory(config.server, config.tls); !made) return tl::unexpected(made.error());
  return std::make_shared<Connection>(config, factory);
}

std::string host_of(const std::string& server) {
  const std::size_t scheme = server.find("://");
  const std::size_t start = scheme == std::string::npos ? 0 : scheme + 3;
  return server.substr(start, server.find('/', start) - start);
}

}  // namespace meshauth::kube
