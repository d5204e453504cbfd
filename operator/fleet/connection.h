// One connection of a sidecar: requests one after the other, then perhaps a stream until it ends.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "operator/asio/asio.h"
#include "operator/fleet/gate.h"
#include "operator/fleet/hub.h"
#include "operator/fleet/metrics.h"
#include "operator/fleet/server.h"

namespace meshauth::fleet {

class Connection;

/// What all connections share. Lives on the server's thread alone, but for what is said otherwise.
struct Shared {
  Shared(net::asio::io_context& io, FleetOptions given, std::shared_ptr<Authenticator> who, FleetHandlers called,
         prometheus::Registry& registry);

  FleetOptions options;
  std::shared_ptr<Authenticator> authenticator;
  FleetHandlers handlers;
  FleetMetrics metrics;
  Hub hub;
  Gate gate;
  bool leader = false;
  std::set<Connection*> connections;
};

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(net::tcp::socket socket, std::shared_ptr<net::ssl::context> tls, Shared& shared);
  ~Connection();

  /// Until the peer, an error or close() ends it. A coroutine begins later than it is called: it holds what it is of.
  static net::Task<> run(std::shared_ptr<Connection> self);
  /// Ends whatever goes on.
  void close();
  /// The pod of the open stream; empty without one.
  const std::string& stream_pod() const { return stream_.pod; }

 private:
  using Request = net::http::request<net::http::string_body>;
  struct Target;

  net::Task<bool> handshake();
  net::Task<std::optional<Request>> read_request();
  net::Task<> drain();
  net::Task<bool> handle(const Request& request);
  net::Task<Verdict> judge(std::string token, std::string instance);
  net::Task<bool> answer(const Request& request, net::http::status status, std::string_view error);
  net::Task<bool> take_ack(const Request& request, const Caller& caller, const std::string& workload);
  net::Task<bool> take_report(const Request& request, const Caller& caller, const std::string& workload);
  net::Task<> serve_stream(const Request& request, const Caller& caller, const std::string& workload);
  net::Task<bool> write_header(const Request& request);
  void end_stream();
  net::Task<> write_events();
  void watch_peer();
  static std::optional<Target> parse_target(std::string_view target);

  std::shared_ptr<net::ssl::context> tls_;  // the one that was current when the connection came
  net::ssl::stream<net::beast::tcp_stream> socket_;
  net::asio::steady_timer timer_;
  Shared& shared_;
  Stream stream_;
  char peer_byte_ = 0;
  bool streaming_ = false;  // the hub knows stream_
  bool closing_ = false;
};

}  // namespace meshauth::fleet
