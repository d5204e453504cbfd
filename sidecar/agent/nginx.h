// nginx as the agent's child: its folder, its configuration test, its life.
#pragma once

#include <functional>
#include <string>

#include "core/base/result.h"
#include "operator/asio/asio.h"
#include "sidecar/agent/nginx_conf.h"
#include "sidecar/agent/options.h"
#include "sidecar/agent/processes.h"

namespace meshauth::agent {

class Nginx {
 public:
  /// ended: nginx has ended although nobody asked it to; it is started again after a pause.
  Nginx(net::asio::io_context& io, Processes& processes, const Options& options, std::function<void()> ended);

  /// Makes the folders. Errors: a folder that cannot be made, a template or a value that cannot be rendered.
  Status prepare();

  /// nginx -t on a copy of the whole configuration with this auth.conf. done gets what nginx said if it failed.
  void test(const std::string& auth_conf, std::function<void(Status)> done);
  /// What nginx reads with its next start or reload.
  Status install(const std::string& auth_conf);
  /// bundle::auth_conf_digest of that.
  const std::string& installed() const { return installed_; }
  /// Since the machine's start: a worker that started before this has another one.
  std::chrono::milliseconds installed_since() const { return installed_since_; }

  void start();
  /// A new generation of workers, with what is installed; starts nginx if it does not run.
  void reload();
  /// From now on each answer ends its connection, so that clients go elsewhere; those that are idle end at once.
  Status drain();
  /// done once nginx has ended. Graceful: requests are finished first, at most for `limit`.
  void stop(bool graceful, std::chrono::milliseconds limit, std::function<void()> done);

  bool running() const { return pid_ > 0; }
  pid_t pid() const { return pid_; }
  std::string agent_socket() const { return options_.work_dir + "/agent.sock"; }
  std::string decision_socket() const { return options_.work_dir + "/decide.sock"; }

 private:
  Status write_folder(const std::string& folder) const;
  Status write_auth_conf(const std::string& folder, const std::string& auth_conf) const;
  std::vector<std::string> command(const std::string& folder) const;
  void exited(int status);
  bool takes_signals() const;
  void signal_reload();

  const Options& options_;
  Processes& processes_;
  std::function<void()> on_end_;
  std::function<void()> on_stopped_;
  net::asio::steady_timer restart_;
  net::asio::steady_timer signal_;
  net::asio::steady_timer limit_;
  std::chrono::milliseconds pause_;
  std::chrono::steady_clock::time_point started_{};
  std::string installed_;
  std::chrono::milliseconds installed_since_{0};
  pid_t pid_ = -1;
  bool is_draining_ = false;
  bool is_to_reload_ = false;  // but its pid file is not there yet
};

}  // namespace meshauth::agent
