#include "sidecar/agent/drain.h"

#include <signal.h>

#include <charconv>
#include <system_error>

#include "core/base/text.h"
#include "sidecar/agent/folder.h"

namespace meshauth::agent {

std::string pid_file(const std::string& work_dir) {
  return work_dir + "/agent.pid";
}

Status ask_to_drain(const std::string& file) {
  constexpr std::size_t kMostBytes = 16;
  const auto text = read_file(file, kMostBytes);
  if (!text) return fail("--drain: {}; is the agent running?", text.error().message);
  pid_t pid = 0;
  const auto end = text->data() + text->size();
  const auto parsed = std::from_chars(text->data(), end, pid);
  // Never a group of processes, which is what 0 and less mean.
  if (parsed.ec != std::errc() || parsed.ptr != end || pid < 1)
    return fail("--drain: {} holds {}; a process id would be right", file, in_quotes(*text));
  if (::kill(pid, SIGUSR1) != 0)
    return fail("--drain: process {} cannot be told: {}", pid, std::generic_category().message(errno));
  return {};
}

}  // namespace meshauth::agent
