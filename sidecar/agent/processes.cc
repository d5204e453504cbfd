#include "sidecar/agent/processes.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <optional>

#include "operator/log/log.h"

namespace meshauth::agent {
namespace {

using net::error_code;

// Between fork and exec only what POSIX calls async-signal-safe: the resolver of Asio may have made a thread.
[[noreturn]] void become(char* const* argv, int errors, pid_t parent) {
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (::getppid() != parent) ::_exit(127);
  // A reload that is asked for before nginx has its handlers would end it. Held back, it is taken up when nginx's
  // master first waits: that is with all signals open (sigsuspend), and its workers open them for themselves.
  sigset_t held;
  sigemptyset(&held);
  sigaddset(&held, SIGHUP);
  ::sigprocmask(SIG_SETMASK, &held, nullptr);
  ::signal(SIGPIPE, SIG_DFL);
  if (errors >= 0) {
    ::dup2(errors, STDOUT_FILENO);
    ::dup2(errors, STDERR_FILENO);
  }
  ::execv(argv[0], argv);
  ::_exit(127);
}

}  // namespace

std::string describe_status(int status) {
  if (WIFEXITED(status)) return fmt::format("exit code {}", WEXITSTATUS(status));
  if (WIFSIGNALED(status)) return fmt::format("signal {} ({})", WTERMSIG(status), ::strsignal(WTERMSIG(status)));
  return fmt::format("status {}", status);
}

Processes::Processes(net::asio::io_context& io) : io_(io), signals_(io, SIGCHLD) {
  wait_for_signal();
}

Result<pid_t> Processes::start(const std::vector<std::string>& argv, int errors, Exited exited) {
  std::vector<char*> raw;
  raw.reserve(argv.size() + 1);
  for (const auto& word : argv) raw.push_back(const_cast<char*>(word.c_str()));
  raw.push_back(nullptr);
  const pid_t parent = ::getpid();
  const pid_t child = ::fork();
  if (child < 0) return fail("{} cannot be started: {}", argv[0], std::strerror(errno));
  if (child == 0) become(raw.data(), errors, parent);
  children_[child] = std::move(exited);
  return child;
}

void Processes::wait_for_signal() {
  signals_.async_wait([this](error_code error, int) {
    if (error) return;
    reap();
    wait_for_signal();
  });
}

void Processes::reap() {
  int status = 0;
  pid_t child = 0;
  while ((child = ::waitpid(-1, &status, WNOHANG)) > 0) {
    const auto known = children_.extract(child);
    if (!known.empty() && known.mapped()) known.mapped()(status);
  }
}

// A program whose output we read: done when it has ended and its output too.
struct Processes::Run {
  explicit Run(net::asio::io_context& io) : output_end(io), limit(io) {}
  net::asio::posix::stream_descriptor output_end;
  net::asio::steady_timer limit;
  pid_t pid = -1;
  std::optional<int> status;
  bool output_done = false;
  std::string output;
  char part[1024];
  std::function<void(int, std::string)> done;

  void finish_if_done() {
    if (!status || !output_done || !done) return;
    limit.cancel();
    std::exchange(done, nullptr)(*status, std::move(output));
  }
};

void Processes::run(const std::vector<std::string>& argv, std::chrono::milliseconds limit,
                    std::function<void(int, std::string)> done) {
  constexpr int kNotRun = 127 << 8;
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return done(kNotRun, std::strerror(errno));
  const auto run = std::make_shared<Run>(io_);
  run->output_end.assign(ends[0]);
  run->done = std::move(done);
  const auto child = start(argv, ends[1], [run](int status) {
    run->status = status;
    run->finish_if_done();
  });
  ::close(ends[1]);
  if (!child) return std::exchange(run->done, nullptr)(kNotRun, child.error().message);
  run->pid = *child;
  run->limit.expires_after(limit);
  run->limit.async_wait([run](error_code error) {
    if (error || run->status) return;
    run->output += "\nit took too long and was ended";
    ::kill(run->pid, SIGKILL);
  });
  read_output(run);
}

void Processes::read_output(const std::shared_ptr<Run>& run) {
  run->output_end.async_read_some(net::asio::buffer(run->part), [this, run](error_code error, std::size_t size) {
    if (error) {
      run->output_done = true;
      return run->finish_if_done();
    }
    if (run->output.size() < kMaxOutput) run->output.append(run->part, size);
    read_output(run);
  });
}

}  // namespace meshauth::agent
