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
  std::chrono::nanoseconds delay(double amount, Clock::Time now) const {
    if (per_second_ <= 0) return {};
    const double missing = std::min(amount, burst_) - tokens_at(now);
    if (missing <= kTiny) return {};
    return std::chrono::nanoseconds(static_cast<std::int64_t>(missing / per_second_ * 1e9) + 1);
  }

  void take(double amount, Clock::Time now) {
    if (per_second_ <= 0) return;
    tokens_ = tokens_at(now) - amount;
    counted_at_ = now;
  }

 private:
  static constexpr double kTiny = 1e-6;  // the dust of rounding

  double tokens_at(Clock::Time now) const {
    if (counted_at_ == Clock::Time{}) return tokens_;
    const std::chrono::duration<double> passed = now - counted_at_;
    return std::min(burst_, tokens_ + passed.count() * per_second_);
  }

  const double per_second_;
  const double burst_;
  double tokens_;  // at counted_at_
  Clock::Time counted_at_{};
};

}  // namespace meshauth::kube
