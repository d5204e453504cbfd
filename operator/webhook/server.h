// HTTPS for the API server's admission reviews.
//
//   POST /inject/namespace   pods of namespaces with label meshauth.dev/inject=enabled
//   POST /inject/pod         pods that carry that label themselves
//
// Answers 200 with an AdmissionReview, else one line of text: 400 404 405 413.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "core/base/result.h"
#include "operator/webhook/review.h"

namespace prometheus {
class Registry;
}

namespace meshauth::webhook {

struct ServerOptions {
  std::string listen;  ///< ADDRESS:PORT or [ADDRESS]:PORT; port 0 takes a free one
  std::string certificate_pem;
  std::string key_pem;
  std::size_t max_connections = 256;
  std::chrono::milliseconds request_timeout{
      10'000};  ///< for the handshake, for a request to come, for the answer to go
};

/// One thread. `answer` runs on it: quick.
class Server {
 public:
  using Answer = std::function<Reviewed(std::string_view body, bool asked)>;

  /// Metrics: mesh_auth_admissions_total{outcome}, mesh_auth_admission_seconds. Errors: no address, a port that is
  /// taken, PEM that does not read.
  static Result<std::unique_ptr<Server>> start(ServerOptions options, Answer answer, prometheus::Registry& registry);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  std::uint16_t port() const;
  /// For connections from now on; those that are open end after their request. From any thread. Errors: as in start.
  Status set_certificate(const std::string& certificate_pem, const std::string& key_pem);

 private:
  struct Impl;
  explicit Server(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace meshauth::webhook
