// Names that need a visit, handed to workers so that no two of them ever work on one name.
#pragma once

#include <chrono>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <utility>

#include "operator/kube/backoff.h"
#include "operator/kube/clock.h"
#include "operator/kube/queue_metrics.h"

namespace meshauth::kube {

struct WorkQueueOptions {
  std::string name;  ///< the label `name` of the workqueue_* metrics
  BackoffOptions backoff{.first = std::chrono::milliseconds(5), .longest = std::chrono::minutes(5), .jitter = 0.2};
};

/// Key is a small value with <. An item carries no event: whoever gets a key looks at the state. Three sets, as in
/// client-go's workqueue:
///
/// - dirty: the keys that need a visit. Adding a key that is in it does nothing.
/// - processing: the keys that a worker has: got, and not yet done.
/// - queue: the keys of dirty that are not in processing, in the order in which they came.
///
/// So a key that is added while a worker has it is visited once more, after that worker's done() and never beside it;
/// and however often it is added meanwhile, that is one visit. Beside them, `later` holds keys with a time, the
/// earliest of each; they count as added when it comes.
template <class Key>
class WorkQueue {
 public:
  WorkQueue(WorkQueueOptions options, http::Metrics& metrics, Clock& clock = system_clock(),
            Random random = system_random())
      : options_(std::move(options)),
        clock_(clock),
        random_(std::move(random)),
        metrics_(options_.name, metrics, [this] { return busy(); }) {}

  void add(const Key& key) {
    const std::lock_guard lock(mutex_);
    insert(key, clock_.now());
    changed_.notify_one();
  }

  /// Not before that time has passed; at once if it is not positive.
  void add_after(const Key& key, std::chrono::nanoseconds delay) {
    const std::lock_guard lock(mutex_);
    metrics_.retried();
    schedule(key, delay);
  }

  /// After a failure: the delay doubles with each call until forget().
  void add_rate_limited(const Key& key) {
    const std::lock_guard lock(mutex_);
    metrics_.retried();
    schedule(key, backoff_delay(options_.backoff, failures_[key]++, random_));
  }

  /// After a success: the next failure starts with the first delay again.
  void forget(const Key& key) {
    const std::lock_guard lock(mutex_);
    failures_.erase(key);
  }

  unsigned failures(const Key& key) const {
    const std::lock_guard lock(mutex_);
    const auto found = failures_.find(key);
    return found == failures_.end() ? 0 : found->second;
  }

  /// Waits for a key; nullopt after shutdown() or a stop request. done() must follow for every key.
  std::optional<Key> get(const std::stop_token& stop = {}) {
    std::unique_lock lock(mutex_);
    for (;;) {
      const auto now = clock_.now();
      promote(now);
      if (shut_down_ || stop.stop_requested()) return std::nullopt;
      if (!queue_.empty()) return take(now);
      const auto deadline = later_.empty() ? now + std::chrono::hours(1) : later_.begin()->first;
      clock_.wait_until(lock, changed_, deadline, stop, [&] {
        return shut_down_ || !queue_.empty() || (!later_.empty() && later_.begin()->first < deadline);
      });
    }
  }

  void done(const Key& key) {
    const std::lock_guard lock(mutex_);
    const auto found = processing_.find(key);
    if (found == processing_.end()) return;
    metrics_.worked(clock_.now() - found->second);
    processing_.erase(found);
    if (const auto again = dirty_.find(key); again != dirty_.end()) {
      queue_.push_back(key);
      metrics_.depth(queue_.size());
      changed_.notify_one();
    }
  }

  /// Wakes everybody who waits. What is in the queue is not handed out any more; what is added is dropped.
  void shutdown() {
    const std::lock_guard lock(mutex_);
    shut_down_ = true;
    changed_.notify_all();
  }

  std::size_t depth() const {
    const std::lock_guard lock(mutex_);
    return queue_.size();
  }

 private:
  using Time = Clock::Time;

  void insert(const Key& key, Time now) {
    if (shut_down_ || !dirty_.try_emplace(key, now).second) return;
    metrics_.added();
    if (processing_.contains(key)) return;
    queue_.push_back(key);
    metrics_.depth(queue_.size());
  }

  void schedule(const Key& key, std::chrono::nanoseconds delay) {
    const Time now = clock_.now();
    if (delay <= std::chrono::nanoseconds::zero()) {
      insert(key, now);
    } else {
      const Time at = now + std::chrono::duration_cast<Time::duration>(delay);
      const auto [waiting, fresh] = later_of_.try_emplace(key, at);
      if (!fresh) {
        if (waiting->second <= at) return;
        later_.erase({waiting->second, key});
        waiting->second = at;
      }
      later_.emplace(at, key);
    }
    // One waiter is not enough: it may be one whose own deadline was the earliest before.
    changed_.notify_all();
  }

  void promote(Time now) {
    while (!later_.empty() && later_.begin()->first <= now) {
      const Key key = later_.begin()->second;
      later_.erase(later_.begin());
      later_of_.erase(key);
      insert(key, now);
      changed_.notify_one();
    }
  }

  Key take(Time now) {
    Key key = std::move(queue_.front());
    queue_.pop_front();
    const auto added = dirty_.find(key);
    metrics_.waited(now - added->second);
    dirty_.erase(added);
    processing_.emplace(key, now);
    metrics_.depth(queue_.size());
    return key;
  }

  QueueMetrics::Busy busy() const {
    const std::lock_guard lock(mutex_);
    QueueMetrics::Busy busy;
    for (const auto& [key, since] : processing_) {
      const std::chrono::duration<double> seconds = clock_.now() - since;
      busy.unfinished_seconds += seconds.count();
      busy.longest_seconds = std::max(busy.longest_seconds, seconds.count());
    }
    return busy;
  }

  const WorkQueueOptions options_;
  Clock& clock_;
  const Random random_;
  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  // All below: guarded by mutex_. Times in dirty_ and processing_ are when the key came there.
  std::deque<Key> queue_;
  std::map<Key, Time> dirty_;
  std::map<Key, Time> processing_;
  std::set<std::pair<Time, Key>> later_;
  std::map<Key, Time> later_of_;  // the same, by key
  std::map<Key, unsigned> failures_;
  bool shut_down_ = false;
  QueueMetrics metrics_;  // last: its hook looks at all of the above
};

}  // namespace meshauth::kube
