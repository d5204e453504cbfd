// Writes objects by server-side apply, in its own thread, at a bounded rate; the newest of each key wins.
#pragma once

#include <condition_variable>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "operator/kube/api_client.h"
#include "operator/kube/backoff.h"
#include "operator/kube/clock.h"
#include "operator/kube/token_bucket.h"

namespace meshauth::kube {

struct ApplyQueueOptions {
  double writes_per_second = 50;
  double bytes_per_second = 2.0 * 1024 * 1024;
  std::chrono::milliseconds per_key{0};  ///< at least this long between two writes of one key
  BackoffOptions backoff{};              ///< after failures that another try may mend
};

struct ApplyTask {
  Resource resource;
  Object object;              ///< as for ApiClient::apply
  std::string subresource{};  ///< "" or "status"
  /// Each outcome, in the queue's thread, also of a try that will be repeated. May put() again.
  std::function<void(const ApiResult<Object>& outcome)> done{};
};

/// A task that was put while an older one of its key waits takes its place; that older one's done never runs. One of
/// which the write has begun is not recalled: the newer follows it.
class ApplyQueue {
 public:
  ApplyQueue(const ApiClient& api, ApplyQueueOptions options = {}, Clock& clock = system_clock(),
             Random random = system_random());
  /// What waits is not written any more.
  ~ApplyQueue();

  void put(const std::string& key, ApplyTask task);
  /// Takes back what waits for that key.
  void drop(const std::string& key);
  std::size_t pending() const;
  /// True once nothing waits and nothing is being written.
  bool wait_idle(std::chrono::steady_clock::time_point deadline) const;

 private:
  struct Waiting {
    std::string key;
    ApplyTask task;
    double bytes = 0;
    Clock::Time not_before{};
    unsigned failures = 0;
  };
  using Waitings = std::list<Waiting>;

  void run(const std::stop_token& stop);
  /// The first that may go now, or the end and when to look again. mutex_ is held.
  Waitings::iterator pick(Clock::Time now, Clock::Time& next);
  void write(Waiting waiting, const std::stop_token& stop);
  void forget_old_writes(Clock::Time now);

  const ApiClient& api_;
  const ApplyQueueOptions options_;
  Clock& clock_;
  const Random random_;

  mutable std::mutex mutex_;
  mutable std::condition_variable_any changed_;
  // All below: guarded by mutex_.
  Waitings waiting_;  // in the order of their first put; one per key
  std::map<std::string, Waitings::iterator> by_key_;
  std::map<std::string, Clock::Time> written_at_;
  TokenBucket writes_;
  TokenBucket bytes_;
  bool writing_ = false;
  unsigned changes_ = 0;  // counts put() and drop(): the thread looks again
  std::jthread thread_;   // last: it uses all of the above
};

}  // namespace meshauth::kube
