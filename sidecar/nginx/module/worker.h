// One worker process: the snapshot in force, the watch over the bundle's folder, and the reports to the agent.
// Everything here happens on the event loop, but load_in_thread and retire_in_thread.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/engine/answer_cache.h"
#include "core/engine/decide.h"
#include "core/engine/worker_report.h"
#include "sidecar/nginx/bundle_folder.h"
#include "sidecar/nginx/counters.h"
#include "sidecar/nginx/kid_reports.h"
#include "sidecar/nginx/module/config.h"
#include "sidecar/nginx/reporter.h"
#include "sidecar/nginx/watched.h"

namespace meshauth::nginx {

struct Answered {
  std::shared_ptr<const engine::Outcome> outcome;  ///< null where `again` is set
  /// As lately to the same request: allowed, nothing to log, and without a header of ours.
  engine::AnswerCache::Ref again{};
  std::uint64_t microseconds = 0;  ///< that it took; 0 where it was there
};

class Worker {
 public:
  Worker(const MainConf& conf, ngx_cycle_t* cycle);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  /// The one of this process; null in the master, in helpers, and where nothing is configured.
  static Worker* get() noexcept { return current_; }

  /// Loads `current` once (in place: no request waits yet), begins to watch, says hello. False: no memory.
  bool start();

  /// Decides, or gives the answer of lately again; counts, and reports a key that nobody knows.
  Answered decide(const engine::HttpRequest& request, const engine::Options& options);

  const engine::Snapshot* snapshot() const { return snapshot_.get(); }

  /// For the field lines of the request that is decided next: empty, but its memory is kept.
  std::vector<engine::Header>& no_headers() {
    headers_.clear();
    return headers_;
  }

 private:
  // One look at the folder: what was there, and what came of it.
  struct Look {
    std::optional<BundleStamp> bundle;  // set: look at it
    std::optional<FreshStamp> fresh;
    LoadedBundle loaded;
    std::optional<Result<bundle::Fresh>> loaded_fresh;
  };

  static void load_in_thread(void* data, ngx_log_t* log) noexcept;
  static void on_loaded(ngx_event_t* event) noexcept;
  static void retire_in_thread(void* data, ngx_log_t* log) noexcept;
  static void on_retired(ngx_event_t* event) noexcept;
  static void on_timer(ngx_event_t* event) noexcept;
  static void on_inotify(ngx_event_t* event) noexcept;
  static void on_drain(ngx_event_t* event) noexcept;

  bool look_is_due();
  void load(Look& look) const;
  void look_again();
  void apply(Look& look);
  void apply_bundle(const BundleStamp& stamp, LoadedBundle loaded);
  void swap(std::unique_ptr<engine::Snapshot> next);
  void retire(std::unique_ptr<engine::Snapshot> old);
  void decide_anew(Answered& out, const engine::HttpRequest& request, const engine::Options& options, double at);
  bool fits(const engine::Snapshot& snapshot) const;
  void settle_answers();
  void drained();
  void apply_fresh(const FreshStamp& stamp, Result<bundle::Fresh> loaded);
  void watch();
  void unwatch();
  void tick();
  engine::WorkerReport report(engine::WorkerEvent event) const;
  void say(engine::WorkerReport report);
  void say_pending();
  void say_counters();
  void refused(std::string what, std::string detail);
  void tell_lasting_failure();
  void report_unknown_kid(std::string source, std::string kid);
  void report_waiting_kids();

  static Worker* current_;

  ngx_cycle_t* cycle_;
  ngx_thread_pool_t* pool_;
  BundleFolder folder_;
  Reporter reporter_;
  engine::TokenCache cache_;
  Counters counters_;
  engine::AnswerCache answers_;
  std::int64_t started_;
  std::string auth_conf_;  // digest of the one that nginx was started with; empty: any bundle fits

  std::vector<engine::Header> headers_;
  std::unique_ptr<engine::Snapshot> snapshot_;
  std::shared_ptr<const std::string> revision_;
  std::unique_ptr<engine::Snapshot> next_;  // does not fit: for the workers that nginx starts after us
  bundle::Fresh fresh_;
  Watched<BundleStamp> watched_bundle_;
  Watched<FreshStamp> watched_fresh_;
  Look look_;
  std::vector<std::unique_ptr<engine::Snapshot>> waiting_, retired_;  // the latter: the thread has them

  struct Failure {
    std::string detail;
    double since = 0;  // unix seconds
  };
  std::optional<Failure> fresh_failure_;  // not told yet

  std::deque<engine::WorkerReport> pending_;  // state that the agent has not taken yet
  double heartbeat_ = 0;                      // unix seconds of the last counters report
  KidReports kid_reports_;

  ngx_thread_task_t *task_ = nullptr, *retire_task_ = nullptr;
  ngx_event_t timer_{}, drain_timer_{};
  ngx_connection_t dumb_{};  // nginx logs the fd of a timer's connection
  ngx_connection_t* inotify_ = nullptr;
  int watch_ = -1;
  bool fits_ = false;      // snapshot_ does
  bool looking_ = false;   // the thread has look_
  bool retiring_ = false;  // the thread frees retired_
  bool drained_ = false;   // nginx has taken the listening sockets from us
};

/// Unix seconds, from nginx's cached time.
double now() noexcept;

}  // namespace meshauth::nginx
