// HTTP/1.1 over a unix socket for a stock nginx that asks about each request. On one thread of its own, since a
// decision takes microseconds: so there is one cache and no lock, and the agent's other work, which may take
// milliseconds (TLS, disks, parsing a bundle), never delays one.
#pragma once

#include <functional>
#include <string>
#include <thread>

#include "core/base/result.h"
#include "operator/asio/asio.h"
#include "sidecar/agent/decider.h"

namespace meshauth::agent {

class DecisionServer {
 public:
  using Reports = std::function<void(std::vector<engine::WorkerReport>)>;

  /// reports: called on the server's thread.
  DecisionServer(const DeciderOptions& options, Reports reports);
  ~DecisionServer();

  /// Listens and starts the thread. Errors: a path that is too long or cannot be bound.
  Status start(const std::string& path);

  /// Runs work on the decider, on its thread.
  void post(std::function<void(Decider&)> work);

 private:
  using Socket = net::asio::local::stream_protocol::socket;
  net::Task<> accept();
  net::Task<> serve(Socket socket);
  net::Task<> answer_all(Socket& socket);
  net::Task<> report();

  net::asio::io_context io_{1};
  net::asio::local::stream_protocol::acceptor acceptor_{io_};
  net::asio::steady_timer room_{io_};  ///< expires when a connection ends
  Decider decider_;
  Reports reports_;
  std::size_t connections_ = 0;
  std::string path_;
  std::thread thread_;
};

}  // namespace meshauth::agent
