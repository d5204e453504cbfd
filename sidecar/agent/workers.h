// Which nginx workers live, and what each of them runs. From their datagrams alone, and from whether their process is
// still there. Pure: who lives is asked of a function, the time is given.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/engine/worker_report.h"

namespace meshauth::agent {

struct WorkerView {
  std::int64_t pid = 0;
  std::int64_t started = 0;  ///< unix milliseconds
  std::string revision;      ///< empty: none, it answers 503
  std::string auth_conf;     ///< digest of the one that nginx gave it
  bool draining = false;
  double swap_ms = 0;  ///< of its last swap
  std::chrono::steady_clock::time_point heard{};
};

/// What is asked of the workers: that each runs `revision` with the auth.conf of that digest, and that there are
/// `count`. Workers of before a reload have another one: while they take requests, the reload is not done.
struct Wanted {
  std::string revision;
  std::string auth_conf;
  std::size_t count = 1;
};

class Workers {
 public:
  using Alive = std::function<bool(std::int64_t pid)>;
  explicit Workers(Alive alive) : alive_(std::move(alive)) {}

  void note(const engine::WorkerReport& report, std::chrono::steady_clock::time_point now);
  /// nginx as a whole has ended.
  void clear() { workers_.clear(); }

  /// Draining ones take no new connections and are not asked.
  bool all_run(const Wanted& wanted);
  bool all_run_something(std::size_t count);
  /// Why all_run is false, for a person; empty if it is true.
  std::string missing(const Wanted& wanted);
  /// The longest swap to the revision, of live workers.
  std::optional<double> swap_ms(const std::string& revision);
  std::vector<WorkerView> view();

 private:
  void drop_dead();

  Alive alive_;
  std::map<std::pair<std::int64_t, std::int64_t>, WorkerView> workers_;  // by pid and start: pids come again
};

}  // namespace meshauth::agent
