#include "operator/kube/backoff.h"

#include <algorithm>
#include <memory>
#include <mutex>

namespace meshauth::kube {

Random system_random() {
  struct State {
    std::mutex mutex;
    std::mt19937_64 engine{std::random_device{}()};  // spread, not secrecy
  };
  return [state = std::make_shared<State>()] {
    const std::lock_guard lock(state->mutex);
    return std::uniform_real_distribution<double>(0.0, 1.0)(state->engine);
  };
}

std::chrono::milliseconds backoff_delay(const BackoffOptions& options, unsigned failures, const Random& random) {
  const double doublings = std::min(failures, 40U);
  const double nominal = std::min(
      static_cast<double>(options.first.count()) * static_cast<double>(1ULL << static_cast<unsigned>(doublings)),
      static_cast<double>(options.longest.count()));
  const double factor = 1.0 - options.jitter + 2.0 * options.jitter * random();
  return std::chrono::milliseconds(static_cast<std::int64_t>(nominal * factor));
}

}  // namespace meshauth::kube
