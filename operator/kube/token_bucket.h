// So many a second on average, so many at once.
#pragma once

#include <algorithm>
#include <chrono>

#include "operator/kube/clock.h"

namespace meshauth::kube {

/// Not for several threads at once. What is larger than the whole bucket may pass when the bucket is full, and is paid
/// back: nothing waits forever.
class TokenBucket {
 public:
  /// A rate of 0: no limit.
  TokenBucket(double per_second, double burst) : per_second_(per_second), burst_(burst), tokens_(burst) {}

  /// How long until take(amount) is due; 0: now.
  std::chrono::nanoseconds delay(double amount, Clock::Time now) {
    if (per_second_ <= 0) return {};
    refill(now);
    const double missing = std::min(amount, burst_) - tokens_;
    if (missing <= kTiny) return {};
    return std::chrono::nanoseconds(static_cast<std::int64_t>(missing / per_second_ * 1e9) + 1);
  }

  void take(double amount, Clock::Time now) {
    if (per_second_ <= 0) return;
    refill(now);
    tokens_ -= amount;
  }

 private:
  static constexpr double kTiny = 1e-6;  // the dust of rounding

  void refill(Clock::Time now) {
    if (filled_at_ != Clock::Time{}) {
      const std::chrono::duration<double> passed = now - filled_at_;
      tokens_ = std::min(burst_, tokens_ + passed.count() * per_second_);
    }
    filled_at_ = now;
  }

  const double per_second_;
  const double burst_;
  double tokens_;
  Clock::Time filled_at_{};
};

}  // namespace meshauth::kube
