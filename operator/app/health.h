// /metrics, /healthz, /readyz and /fleet of the operator.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "operator/fleet/pki.h"
#include "operator/http/listener.h"
#include "operator/http/metrics.h"

namespace meshauth::app {

/// GET /fleet: what the fleet is doing, while this operator leads it; else 503.
class FleetPage {
 public:
  /// state: a JSON object, called in the listener's thread until hide() has returned.
  void show(std::function<nlohmann::json()> state);
  void hide() { show({}); }
  /// name: of the listener that shows the certificate from now on, `fleet` or `webhook`. Its dates are told.
  void set_certificate(const std::string& name, const std::string& certificate_pem);
  http::Answer answer() const;

 private:
  mutable std::mutex mutex_;
  // Guarded by mutex_ from here on.
  std::function<nlohmann::json()> state_;
  std::map<std::string, fleet::Validity> certificates_;
};

/// trouble: empty when ready, else why not, which /readyz answers with 503. metrics and fleet outlive it. Errors: the
/// address.
Result<std::unique_ptr<http::Listener>> start_health(const std::string& address, http::Metrics& metrics,
                                                     const FleetPage& fleet, std::function<std::string()> trouble);

}  // namespace meshauth::app
