// A small HTTP server for a program's own matters: /metrics, /healthz, /readyz.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "core/base/result.h"

namespace meshauth::http {

struct ListenerOptions {
  std::string address{};             ///< HOST:PORT, [HOST]:PORT or :PORT (all addresses); port 0: any free one
  std::size_t max_connections = 64;  ///< more are closed at once
  std::size_t max_header_bytes = 8 * 1024;
  std::chrono::milliseconds request_deadline{10'000};  ///< for a request to come and for an answer to go
};

struct Answer {
  int status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body{};
};

/// Plain HTTP/1.1, GET and HEAD only (else 405), no request bodies (else 400). Handlers run in the listener's one
/// thread and must not block; what a handler throws is a 500.
class Listener {
 public:
  using Handler = std::function<Answer()>;

  /// Errors name the address and the system's reason.
  static Result<std::unique_ptr<Listener>> open(ListenerOptions options);
  /// Closes all connections.
  virtual ~Listener() = default;

  /// Exact paths, a query is ignored. Before start().
  virtual void handle(std::string path, Handler handler) = 0;
  virtual void start() = 0;
  virtual int port() const = 0;
};

}  // namespace meshauth::http
