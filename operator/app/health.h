// /metrics, /healthz, /readyz and /fleet of the operator.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "operator/http/listener.h"
#include "operator/http/metrics.h"

namespace meshauth::app {

/// GET /fleet: what the fleet is doing, while this operator leads it; else 503.
class FleetPage {
 public:
  /// state: JSON, called in the listener's thread until hide() has returned.
  void show(std::function<std::string()> state);
  void hide() { show({}); }
  http::Answer answer() const;

 private:
  mutable std::mutex mutex_;
  std::function<std::string()> state_;  // guarded by mutex_
};

/// trouble: empty when ready, else why not, which /readyz answers with 503. metrics and fleet outlive it. Errors: the
/// address.
Result<std::unique_ptr<http::Listener>> start_health(const std::string& address, http::Metrics& metrics,
                                                     const FleetPage& fleet, std::function<std::string()> trouble);

}  // namespace meshauth::app
