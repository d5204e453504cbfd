// Connections of the development identity provider: TLS, HTTP/1.1, bounded in count, bytes and time.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "cli/dev_idp/provider.h"
#include "operator/http/certificate.h"

namespace meshauth::dev_idp {

/// Where to listen, of "ADDRESS:PORT", "[ADDRESS]:PORT" or ":PORT" (127.0.0.1).
struct ListenAddress {
  std::string host = "127.0.0.1";
  std::uint16_t port = 0;  ///< 0: any free one

  static Result<ListenAddress> parse(std::string_view text);
};

class HttpsServer {
 public:
  using Handler = std::function<Answer(const Ask&)>;

  /// Binds at once; nothing is answered before run().
  static Result<std::unique_ptr<HttpsServer>> bind(const ListenAddress& address);
  ~HttpsServer();

  std::uint16_t port() const;

  /// Answers in the calling thread until stop(), or SIGINT or SIGTERM where until_signal is set.
  Status run(const http::Credentials& credentials, Handler handler, bool until_signal);
  /// From any thread.
  void stop();

 private:
  struct Impl;
  explicit HttpsServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace meshauth::dev_idp
