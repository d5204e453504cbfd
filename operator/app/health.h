// /metrics, /healthz and /readyz of the operator.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "operator/http/listener.h"
#include "operator/http/metrics.h"

namespace meshauth::app {

/// trouble: empty when ready, else why not, which /readyz answers with 503. Errors: the address.
Result<std::unique_ptr<http::Listener>> start_health(const std::string& address, http::Metrics& metrics,
                                                     std::function<std::string()> trouble);

}  // namespace meshauth::app
