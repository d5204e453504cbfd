// Events about objects (core/v1 Event): what `kubectl describe` shows below an object.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "operator/kube/api_client.h"
#include "operator/kube/clock.h"
#include "operator/kube/token_bucket.h"

namespace meshauth::kube {

/// What an event is about.
struct Subject {
  std::string api_version{};
  std::string kind{};
  std::string ns{};  ///< empty: an object of the cluster; its events lie in `default`
  std::string name{};
  std::string uid{};
  std::string resource_version{};

  static Subject of(const nlohmann::json& object);
};

struct EventOptions {
  std::string component = "mesh-auth-operator";
  std::string instance{};              ///< the pod's name
  std::chrono::minutes aggregate{10};  ///< the same reason for the same object within this time raises a count
  double per_object_burst = 25;
  double per_object_per_second = 1.0 / 300;
  double writes_per_second = 10;
  std::size_t max_waiting = 1000;
  std::size_t max_remembered = 4096;
};

/// emit() never blocks and never fails: events are a courtesy. What is too much is dropped and counted in
/// mesh_auth_events_dropped_total. Messages must not hold secrets; they are cut at 1024 bytes.
class EventRecorder {
 public:
  enum class Type { Normal, Warning };

  EventRecorder(const ApiClient& api, EventOptions options, http::Metrics& metrics, Clock& clock = system_clock());
  /// What waits is not written any more.
  ~EventRecorder();

  void emit(const Subject& subject, Type type, const std::string& reason, const std::string& message);
  bool wait_idle(std::chrono::steady_clock::time_point deadline) const;

 private:
  struct Counters;
  // One Event object: written once, then its count.
  struct Series {
    std::string ns;
    std::string name;
    std::int64_t count = 0;  // as it will be after the next write
    bool waiting = false;    // in waiting_
    bool created = false;
    Clock::Time last{};
    std::chrono::system_clock::time_point first_time{};
    std::chrono::system_clock::time_point last_time{};
    Subject subject;
    Type type = Type::Normal;
    std::string reason;
    std::string message;
  };

  void run(const std::stop_token& stop);
  /// Writes one series' state; true if it is there now.
  bool write(const Series& series, const std::stop_token& stop) const;
  nlohmann::json to_json(const Series& series) const;
  void forget_old(Clock::Time now);  // mutex_ is held

  const ApiClient& api_;
  const EventOptions options_;
  Clock& clock_;
  std::unique_ptr<Counters> counters_;

  mutable std::mutex mutex_;
  mutable std::condition_variable_any changed_;
  // All below: guarded by mutex_.
  std::map<std::string, Series> series_;
  std::map<std::string, TokenBucket> objects_;  // by uid or name
  std::deque<std::string> waiting_;             // keys of series_
  TokenBucket writes_;
  std::uint64_t next_ = 0;
  bool writing_ = false;
  std::jthread thread_;  // last: it uses all of the above
};

}  // namespace meshauth::kube
