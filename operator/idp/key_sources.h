// The fetch loops of all key sources: threads around Schedule and visit_source.
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "operator/http/metrics.h"
#include "operator/idp/key_fetch.h"
#include "operator/idp/schedule.h"
#include "operator/idp/source.h"

namespace meshauth::idp {

class SourceMetrics;

/// Fetches from construction to destruction; only a leader has one. All calls may come from any thread, also from
/// within on_result.
class KeySources {
 public:
  /// Called without a lock held, from one thread at a time for one source. A call that has begun may outlast remove().
  /// Kinds of calls that come: every good fetch (also one that changed nothing) and every failed one.
  using OnResult = std::function<void(const std::string& id, const SourceResult& result)>;

  struct Options {
    http::FetchGuard guard;          ///< for the built-in fetch
    Fetch fetch;                     ///< empty: the guarded fetch
    FetchClusterKeys cluster_keys;   ///< empty: sources of kind ClusterKeys fail with ClusterFailed
    std::function<double()> random;  ///< in [0, 1), called under the lock; empty: seeded by the system
  };

  KeySources(Options options, OnResult on_result, http::Metrics& metrics);
  /// Ends fetches under way; waits for a callback that is running.
  ~KeySources();
  KeySources(const KeySources&) = delete;
  KeySources& operator=(const KeySources&) = delete;

  /// Adds a source, which is fetched at once, or changes one. `restored` is what was recorded before a restart; it
  /// counts only where the source is new.
  void update(const std::string& id, const SourceSpec& spec, const std::optional<Restored>& restored = std::nullopt);
  void remove(const std::string& id);
  /// For an unknown kid: as soon as min_refetch_interval allows, however many ask.
  void refetch(const std::string& id);

 private:
  using Time = Schedule::Time;

  void work(const std::stop_token& stop);
  std::optional<Schedule::Job> next_job(const std::stop_token& stop);
  void carry_out(const Schedule::Job& job, const std::stop_token& stop);
  std::optional<SourceResult> settle(const Schedule::Job& job, Visit visit);
  void set_ages();

  Fetchers fetchers_;
  OnResult on_result_;
  std::unique_ptr<SourceMetrics> metrics_;

  std::mutex mutex_;
  std::condition_variable_any changed_;
  Schedule schedule_;  // guarded by mutex_
  struct Freshness {
    std::optional<std::chrono::sys_seconds> last_good;
    std::chrono::sys_seconds since;  ///< the age counts from here where there was no good fetch
  };
  std::map<std::string, Freshness> freshness_;  // guarded by mutex_; by source id

  std::vector<std::jthread> threads_;
  http::Metrics::Hook before_scrape_;  // last: goes first, since it calls set_ages
};

}  // namespace meshauth::idp
