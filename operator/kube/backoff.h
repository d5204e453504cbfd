// Waiting longer after each failure, and never in step with others.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <random>

namespace meshauth::kube {

/// A number in [0, 1).
using Random = std::function<double()>;

/// Seeded from the system; calls from several threads are fine.
Random system_random();

struct BackoffOptions {
  std::chrono::milliseconds first{200};
  std::chrono::milliseconds longest{30'000};
  double jitter = 0.5;  ///< the delay is drawn from [1 - jitter, 1 + jitter) of its nominal length
};

/// first * 2^failures, at most longest, with jitter.
std::chrono::milliseconds backoff_delay(const BackoffOptions& options, unsigned failures, const Random& random);

}  // namespace meshauth::kube
