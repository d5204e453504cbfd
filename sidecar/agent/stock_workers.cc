#include "sidecar/agent/stock_workers.h"

#include <time.h>
#include <unistd.h>

#include <fstream>
#include <sstream>

namespace meshauth::agent {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t kMaxBytes = 4096;  // of a title or of stat
constexpr int kStartTime = 22;           // proc(5), /proc/pid/stat

std::string slurp(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::string text(kMaxBytes, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(in.gcount()));
  return text;
}

milliseconds tick() {
  return milliseconds(1000 / ::sysconf(_SC_CLK_TCK));
}

milliseconds start_of(const std::string& process) {
  const std::string stat = slurp(process + "/stat");
  const auto name_end = stat.rfind(')');  // the name may hold blanks
  if (name_end == std::string::npos) return {};
  std::istringstream rest(stat.substr(name_end + 1));
  std::string word;
  for (int field = 3; field < kStartTime; ++field) rest >> word;
  std::int64_t ticks = 0;
  rest >> ticks;
  return ticks * tick();
}

}  // namespace

std::vector<StockWorker> stock_workers(pid_t master, const std::string& proc) {
  std::vector<StockWorker> out;
  const std::string id = std::to_string(master);
  std::istringstream children(slurp(proc + '/' + id + "/task/" + id + "/children"));
  for (pid_t pid = 0; children >> pid;) {
    const std::string process = proc + '/' + std::to_string(pid);
    const std::string title = slurp(process + "/cmdline");
    if (!title.starts_with("nginx: worker process")) continue;  // not yet, or its cache helpers
    const bool draining = title.find("is shutting down") != std::string::npos;
    out.push_back({pid, start_of(process), draining});
  }
  return out;
}

milliseconds since_boot() {
  timespec now{};
  ::clock_gettime(CLOCK_BOOTTIME, &now);
  const auto exact = std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
  return std::chrono::duration_cast<milliseconds>(exact) / tick() * tick();
}

}  // namespace meshauth::agent
