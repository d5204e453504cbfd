#include "operator/kube/subprocess.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>

extern char** environ;

namespace meshauth::kube {
namespace {

using std::chrono::steady_clock;

std::vector<std::string> environment_of(const Command& command) {
  std::vector<std::string> entries;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string text = *entry;
    const std::string name = text.substr(0, text.find('='));
    bool replaced = false;
    for (const auto& [key, value] : command.environment) replaced = replaced || key == name;
    if (!replaced) entries.push_back(text);
  }
  for (const auto& [key, value] : command.environment) entries.push_back(key + "=" + value);
  return entries;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> out;
  out.reserve(texts.size() + 1);
  for (std::string& text : texts) out.push_back(text.data());
  out.push_back(nullptr);
  return out;
}

// Its own process group, signals as they are by default, standard input from nothing, standard output into the pipe.
int spawn(const Command& command, int output, pid_t& pid) {
  std::vector<std::string> arguments{command.program};
  arguments.insert(arguments.end(), command.arguments.begin(), command.arguments.end());
  std::vector<std::string> environment = environment_of(command);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none;
  sigset_t all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  const int problem = posix_spawnp(&pid, command.program.c_str(), &actions, &attributes, pointers(arguments).data(),
                                   pointers(environment).data());
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  return problem;
}

Status drain(const Command& command, int input, steady_clock::time_point deadline, std::string& out) {
  char buffer[4096];
  for (;;) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - steady_clock::now()).count();
    pollfd entry{input, POLLIN, 0};
    const int ready = left > 0 ? ::poll(&entry, 1, static_cast<int>(left)) : 0;
    if (ready < 0 && errno == EINTR) continue;
    if (ready == 0) return fail("{} did not finish within {} ms", command.program, command.deadline.count());
    const ssize_t n = ready < 0 ? -1 : ::read(input, buffer, sizeof buffer);
    if (n < 0) return fail("the output of {} cannot be read: {}", command.program, std::strerror(errno));
    if (n == 0) return {};
    out.append(buffer, static_cast<std::size_t>(n));
    if (out.size() > command.max_output)
      return fail("{} printed more than {} bytes", command.program, command.max_output);
  }
}

// It closed its output; that it also ends is waited for no longer than until the deadline.
bool ended(pid_t pid, steady_clock::time_point deadline, int& state) {
  for (;;) {
    const pid_t done = ::waitpid(pid, &state, WNOHANG);
    if (done == pid || (done < 0 && errno != EINTR)) return true;
    if (steady_clock::now() >= deadline) return false;
    ::usleep(2000);
  }
}

}  // namespace

Result<Finished> run_command(const Command& command) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return fail("no pipe for {}: {}", command.program, std::strerror(errno));
  const auto deadline = steady_clock::now() + command.deadline;
  pid_t pid = -1;
  const int problem = spawn(command, ends[1], pid);
  ::close(ends[1]);
  if (problem != 0) {
    ::close(ends[0]);
    return fail("{} cannot be started: {}", command.program, std::strerror(problem));
  }
  Finished finished;
  Status read = drain(command, ends[0], deadline, finished.out);
  ::close(ends[0]);
  int state = 0;
  if (read && !ended(pid, deadline, state)) {
    read = fail("{} did not finish within {} ms", command.program, command.deadline.count());
  }
  if (!read) {
    ::kill(-pid, SIGKILL);
    while (::waitpid(pid, &state, 0) < 0 && errno == EINTR) {
    }
    return tl::unexpected(read.error());
  }
  finished.exit_code = WIFSIGNALED(state) ? 128 + WTERMSIG(state) : WEXITSTATUS(state);
  return finished;
}

}  // namespace meshauth::kube
