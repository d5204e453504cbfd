// The stream from the operator: dialed, read, and dialed again, for ever.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "operator/asio/asio.h"
#include "sidecar/agent/options.h"
#include "sidecar/agent/sse.h"

namespace meshauth::agent {

struct StreamTimes {
  std::chrono::milliseconds silence{45'000};  ///< three pings missed
  std::chrono::milliseconds dial{10'000};     ///< to connect, for the handshake, for the answer's head
  std::chrono::milliseconds first_pause{1'000};
  std::chrono::milliseconds longest_pause{10'000};
};

/// How to reach the operator: what changes is read again for each connection.
class Dialer {
 public:
  explicit Dialer(const Options& options) : options_(options) {}

  using Socket = net::ssl::stream<net::beast::tcp_stream>;
  struct Connected {
    std::shared_ptr<net::ssl::context> tls;
    std::unique_ptr<Socket> socket;
  };
  /// A connection whose other end has proved that it is the operator. Errors name the step.
  net::Task<Result<Connected>> dial(std::chrono::milliseconds limit) const;
  /// Target, host, token and agent of a request; body and the rest are the caller's.
  template <class Body>
  Status prepare(net::http::request<Body>& request, const std::string& verb) const {
    const auto token = read_token();
    if (!token) return tl::unexpected(token.error());
    set_headers(request.base(), *token, verb);
    return {};
  }

 private:
  using Header = net::http::request_header<>;
  Result<std::string> read_token() const;
  void set_headers(Header& header, const std::string& token, const std::string& verb) const;

  const Options& options_;
};

class StreamClient {
 public:
  struct Handlers {
    std::function<std::string()> held;  ///< the revision that is at hand, for Last-Event-ID
    std::function<void(const ServerEvent&)> on_event;
    std::function<void()> on_up;
    std::function<void()> on_down;
  };

  StreamClient(net::asio::io_context& io, const Dialer& dialer, StreamTimes times, Handlers handlers);

  void start();
  void stop();
  /// Ends the connection; the next one says that nothing is held.
  void start_over();
  bool is_up() const { return up_; }
  /// Why the last connection ended or was not made; empty while one is up.
  const std::string& trouble() const { return trouble_; }

 private:
  net::Task<> run();
  net::Task<Status> connect_and_read();
  net::Task<Status> read_events(Dialer::Socket& socket);
  std::chrono::milliseconds next_pause();

  net::asio::io_context& io_;
  const Dialer& dialer_;
  StreamTimes times_;
  Handlers handlers_;
  net::asio::steady_timer pause_timer_;
  Dialer::Connected connection_;
  std::chrono::milliseconds pause_{0};
  bool up_ = false;
  bool stopped_ = false;
  bool forget_held_ = false;
  std::string trouble_;
};

}  // namespace meshauth::agent
