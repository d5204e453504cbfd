#include "operator/kube/clock.h"

namespace meshauth::kube {
namespace {

class SystemClock : public Clock {
 public:
  Time now() const override { return std::chrono::steady_clock::now(); }
  std::chrono::system_clock::time_point wall() const override { return std::chrono::system_clock::now(); }
  bool wait_until(std::unique_lock<std::mutex>& lock, std::condition_variable_any& condition, Time deadline,
                  const std::stop_token& stop, const std::function<bool()>& predicate) override {
    return condition.wait_until(lock, stop, deadline, predicate);
  }
};

}  // namespace

Clock& system_clock() {
  static SystemClock clock;
  return clock;
}

bool Clock::sleep(std::chrono::nanoseconds duration, const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any condition;
  std::unique_lock lock(mutex);
  wait_until(lock, condition, now() + duration, stop, [] { return false; });
  return !stop.stop_requested();
}

Clock::Time FakeClock::now() const {
  const std::lock_guard lock(mutex_);
  return Time(std::chrono::duration_cast<Time::duration>(passed_));
}

std::chrono::system_clock::time_point FakeClock::wall() const {
  const std::lock_guard lock(mutex_);
  return std::chrono::system_clock::time_point(
      std::chrono::duration_cast<std::chrono::system_clock::duration>(passed_ + std::chrono::hours(24 * 365 * 50)));
}

// Whoever moves this clock does not know who waits, so a waiter looks at it every millisecond.
bool FakeClock::wait_until(std::unique_lock<std::mutex>& lock, std::condition_variable_any& condition, Time deadline,
                           const std::stop_token& stop, const std::function<bool()>& predicate) {
  while (!predicate()) {
    if (stop.stop_requested() || now() >= deadline) return predicate();
    condition.wait_for(lock, stop, std::chrono::milliseconds(1), predicate);
  }
  return true;
}

void FakeClock::advance(std::chrono::nanoseconds by) {
  const std::lock_guard lock(mutex_);
  passed_ += by;
}

}  // namespace meshauth::kube
