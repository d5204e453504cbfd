// Time as a parameter.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <stop_token>

namespace meshauth::kube {

class Clock {
 public:
  using Time = std::chrono::steady_clock::time_point;

  virtual ~Clock() = default;
  virtual Time now() const = 0;
  virtual std::chrono::system_clock::time_point wall() const = 0;

  /// Waits with the lock released until the predicate holds (true), or until deadline or a stop request (the
  /// predicate's last value).
  virtual bool wait_until(std::unique_lock<std::mutex>& lock, std::condition_variable_any& condition, Time deadline,
                          const std::stop_token& stop, const std::function<bool()>& predicate) = 0;

  /// False if stopped before.
  bool sleep(std::chrono::nanoseconds duration, const std::stop_token& stop);
};

/// The real time.
Clock& system_clock();

/// Stands still until it is moved. Waits end when it was moved past their deadline.
class FakeClock : public Clock {
 public:
  Time now() const override;
  std::chrono::system_clock::time_point wall() const override;
  bool wait_until(std::unique_lock<std::mutex>& lock, std::condition_variable_any& condition, Time deadline,
                  const std::stop_token& stop, const std::function<bool()>& predicate) override;
  void advance(std::chrono::nanoseconds by);

 private:
  mutable std::mutex mutex_;
  std::chrono::nanoseconds passed_{std::chrono::hours(1000)};  // guarded by mutex_
};

}  // namespace meshauth::kube
