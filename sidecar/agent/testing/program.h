// The program mesh-auth-agent with a real nginx and our module, before a small application, for tests.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "sidecar/agent/testing/temporary.h"

namespace meshauth::agent::testing {

struct HttpAnswer {
  int status = 0;  ///< 0: no connection, or no answer
  std::string body;
  std::string head;
};

/// One request with `Connection: close`; header lines each end in CR LF.
HttpAnswer http_get(std::uint16_t port, const std::string& path, const std::string& headers = "");
/// A port on loopback that was free just now.
std::uint16_t free_port();

/// Answers 200 to everything with the request's head as the body; to /slow not before finish_slow().
class Application {
 public:
  Application();
  ~Application();
  std::uint16_t port() const;
  /// Until a request for /slow has come.
  bool await_slow();
  void finish_slow();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// The nginx module: MESH_AUTH_MODULE, else this build's. A sanitized one cannot be loaded into the plain nginx.
std::string module_path();

/// The agent as a child process; its folder outlives it, so that it can be started again.
class Program {
 public:
  Program(std::string operator_url, std::string token_file, std::string trust_file, std::uint16_t application,
          std::vector<std::string> more_flags = {});
  ~Program();

  void start();
  /// Sends the signal and waits. The exit code; 128 and the signal's number if a signal ended it.
  int stop(int signal);
  /// The exit code, waited for at most kPatience; -1 if it still runs.
  int await_exit();

  HttpAnswer get(const std::string& path = "/", const std::string& headers = "") const {
    return http_get(port_, path, headers);
  }
  /// Until a request is answered like this.
  bool await_status(int status, const std::string& path = "/") const;
  bool await_ready(bool ready) const;
  bool await_started() const;
  bool await_refused() const { return await_status(0); }  ///< nobody listens
  HttpAnswer health(const std::string& path) const { return http_get(health_port_, path); }
  std::string status() const { return http_get(health_port_, "/status").body; }
  std::string current_revision() const;
  std::string bundle_dir() const { return folder_.path() + "/bundle"; }
  std::string work_dir() const { return folder_.path() + "/nginx"; }
  std::string log() const;
  /// Until it has said this.
  bool await_log(const std::string& text) const;
  int pid() const { return pid_; }
  std::uint16_t port() const { return port_; }
  std::vector<int> worker_pids() const;
  int nginx_pid() const;
  bool await_new_nginx(int before) const;
  bool await_workers_gone(const std::vector<int>& pids) const;

 private:
  TemporaryFolder folder_;
  std::vector<std::string> argv_;
  std::uint16_t port_ = free_port();
  std::uint16_t health_port_ = free_port();
  int pid_ = -1;
};

}  // namespace meshauth::agent::testing
