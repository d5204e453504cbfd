// Child processes: started, told apart, and reaped, orphans too, so that the agent can be a container's first process.
#pragma once

#include <sys/types.h>

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "core/base/result.h"
#include "operator/asio/asio.h"

namespace meshauth::agent {

/// "exit code 1" or "signal 9 (Killed)", of a status of waitpid.
std::string describe_status(int status);

/// On the thread of the io_context. There may be one per process: it waits for every child.
class Processes {
 public:
  using Exited = std::function<void(int status)>;

  explicit Processes(net::asio::io_context& io);

  /// Starts argv[0] with our standard streams; `errors`, if not -1, takes the place of standard output and error.
  /// The child gets SIGTERM when we die. Exited is called later, never from within start.
  Result<pid_t> start(const std::vector<std::string>& argv, int errors, Exited exited);

  /// Runs a program to its end; done gets its status and what it said, at most kMaxOutput of it. After the limit it is
  /// killed.
  void run(const std::vector<std::string>& argv, std::chrono::milliseconds limit,
           std::function<void(int status, std::string output)> done);

 private:
  static constexpr std::size_t kMaxOutput = 8 * 1024;
  struct Run;

  void wait_for_signal();
  void reap();
  void read_output(const std::shared_ptr<Run>& run);

  net::asio::io_context& io_;
  net::asio::signal_set signals_;
  std::map<pid_t, Exited> children_;
};

}  // namespace meshauth::agent
