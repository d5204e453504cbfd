// The worker processes of a stock nginx, which tell us nothing: seen by what nginx calls them.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <string>
#include <vector>

namespace meshauth::agent {

struct StockWorker {
  pid_t pid = 0;
  std::chrono::milliseconds started{};  ///< since the machine's start, to 10 ms
  bool draining = false;                ///< a reload has replaced it: it takes no new connections
};

/// The workers of that master; empty if it has ended. proc: where /proc is, for tests.
std::vector<StockWorker> stock_workers(pid_t master, const std::string& proc = "/proc");

/// Now, as `started` counts and as coarse.
std::chrono::milliseconds since_boot();

}  // namespace meshauth::agent
