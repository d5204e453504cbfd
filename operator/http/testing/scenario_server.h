// A small HTTPS server on loopback that plays a scenario: it fails on a request that was not expected and on one that
// is missing. For tests of real clients.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "operator/http/testing/pki.h"

struct ssl_ctx_st;
struct ssl_st;

namespace meshauth::http::testing {

/// One step: the request line that must come next, and what is answered, as chunks (chunked encoding).
struct Step {
  std::string request{};           ///< "GET /path?query"
  std::string request_contains{};  ///< of head and body together; empty: any
  int status = 200;
  std::string extra_head{};           ///< further header lines, each with its CR LF
  std::vector<std::string> chunks{};  ///< with plain = true: written as they are, after the head
  enum class After { Finish, Hang, Cut } after = After::Finish;
  ///< Finish: the proper end. Hang: silence until the client goes away. Cut: the connection is closed in the middle.
  bool silent = false;  ///< nothing at all is answered, until the client goes away
};

class ScenarioServer {
 public:
  /// tls: with these certificates, client certificates signed by the same authority asked for but not needed.
  ScenarioServer(const Pki* tls, std::vector<Step> steps, const char* address = "127.0.0.1");
  ~ScenarioServer();

  std::string url(std::string host = {}) const;  ///< host: the address
  /// "" if the scenario was played to its end and nothing else came.
  std::string complaints();
  /// True as soon as a connection of a Hang or silent step has been closed by the client.
  bool wait_client_gone(std::chrono::milliseconds timeout = std::chrono::seconds(30));
  /// Requests as they came: head and body.
  std::vector<std::string> requests();
  /// The subject of the last client certificate, "" if there was none.
  std::string client_subject();

 private:
  struct Connection;
  void accept_loop();
  void serve(int socket);
  bool answer(Connection& connection, const std::string& request);
  void play(Connection& connection, const Step& step);
  void wait_gone(Connection& connection);

  const Pki* tls_;
  const std::string address_;
  ssl_ctx_st* context_ = nullptr;
  int listener_ = -1;
  int port_ = 0;
  std::atomic<bool> stopping_{false};

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Step> steps_;  // guarded by mutex_, as all below
  std::vector<std::string> complaints_;
  std::vector<std::string> requests_;
  std::string client_subject_;
  bool client_gone_ = false;
  std::vector<std::thread> threads_;
  std::thread acceptor_;
};

}  // namespace meshauth::http::testing
