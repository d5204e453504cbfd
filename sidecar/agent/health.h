// The small HTTP listener of the agent: GET /startz, /healthz, /readyz, /status, /probe/. For kubelet and for people,
// on loopback or where --health-listen says; it tells no secret.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "core/base/result.h"
#include "operator/asio/asio.h"

namespace meshauth::agent {

struct HealthAnswer {
  unsigned status = 404;
  std::string body;
  bool json = false;
};

class HealthServer {
 public:
  using Answer = std::function<HealthAnswer(std::string_view path)>;
  /// For /probe/NAME, which somebody else must be asked for.
  using Probe = std::function<net::Task<HealthAnswer>(std::string name)>;

  /// Errors: no ADDRESS:PORT, or a port that is taken.
  static Result<std::unique_ptr<HealthServer>> start(net::asio::io_context& io, const std::string& listen,
                                                     Answer answer, Probe probe);
  void stop();
  std::uint16_t port() const { return port_; }

 private:
  HealthServer(net::asio::io_context& io, Answer answer, Probe probe)
      : io_(io), acceptor_(io), answer_(std::move(answer)), probe_(std::move(probe)) {}
  net::Task<> accept();
  net::Task<> serve(net::tcp::socket socket);
  net::Task<HealthAnswer> answer(bool get, std::string path);

  static constexpr std::size_t kMostConnections = 64;

  net::asio::io_context& io_;
  net::tcp::acceptor acceptor_;
  Answer answer_;
  Probe probe_;
  std::size_t connections_ = 0;
  std::uint16_t port_ = 0;
};

}  // namespace meshauth::agent
