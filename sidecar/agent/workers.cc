#include "sidecar/agent/workers.h"

#include <algorithm>

namespace meshauth::agent {
namespace {

constexpr std::size_t kMostWorkers = 1024;  // a bound on what strangers could make us remember

}  // namespace

void Workers::note(const engine::WorkerReport& report, std::chrono::steady_clock::time_point now) {
  const std::pair key(report.pid, report.started);
  if (report.event == engine::WorkerEvent::bye) {
    workers_.erase(key);
    return;
  }
  if (workers_.size() >= kMostWorkers && !workers_.contains(key)) return;
  auto& worker = workers_[key];
  worker.pid = report.pid;
  worker.started = report.started;
  worker.revision = report.revision;
  worker.auth_conf = report.auth_conf;
  worker.draining = report.draining;
  worker.heard = now;
  if (report.event == engine::WorkerEvent::swapped) worker.swap_ms = report.swap_ms;
}

void Workers::drop_dead() {
  std::erase_if(workers_, [this](const auto& item) { return !alive_(item.second.pid); });
}

std::string Workers::missing(const Wanted& wanted) {
  drop_dead();
  std::size_t running = 0;
  std::int64_t old = 0;
  for (const auto& [key, worker] : workers_) {
    if (worker.draining) continue;
    if (worker.auth_conf != wanted.auth_conf) {
      old = worker.pid;
      continue;
    }
    if (worker.revision != wanted.revision) {
      return fmt::format("worker {} {}", worker.pid,
                         worker.revision.empty() ? std::string("has no valid bundle")
                                                 : fmt::format("still runs {}", worker.revision.substr(0, 12)));
    }
    ++running;
  }
  if (running < wanted.count) return fmt::format("{} of {} workers have started", running, wanted.count);
  return old == 0 ? std::string() : fmt::format("worker {} of before the reload still takes requests", old);
}

bool Workers::all_run(const Wanted& wanted) {
  return missing(wanted).empty();
}

bool Workers::all_run_something(std::size_t count) {
  drop_dead();
  std::size_t running = 0;
  for (const auto& [key, worker] : workers_) {
    if (worker.draining) continue;
    if (worker.revision.empty()) return false;
    ++running;
  }
  return running >= count;
}

std::optional<double> Workers::swap_ms(const std::string& revision) {
  std::optional<double> longest;
  for (const auto& [key, worker] : workers_) {
    if (worker.revision == revision && worker.swap_ms > 0) longest = std::max(longest.value_or(0), worker.swap_ms);
  }
  return longest;
}

std::vector<WorkerView> Workers::view() {
  drop_dead();
  std::vector<WorkerView> out;
  out.reserve(workers_.size());
  for (const auto& [key, worker] : workers_) out.push_back(worker);
  return out;
}

}  // namespace meshauth::agent
