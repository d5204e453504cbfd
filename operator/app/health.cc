#include "operator/app/health.h"

namespace meshauth::app {

Result<std::unique_ptr<http::Listener>> start_health(const std::string& address, http::Metrics& metrics,
                                                     std::function<std::string()> trouble) {
  auto listener = http::Listener::open({.address = address});
  if (!listener) return fail("--metrics-listen={}: {}", address, listener.error().message);
  (*listener)->handle("/metrics", [&metrics] {
    return http::Answer{200, http::Metrics::kContentType, metrics.text()};
  });
  (*listener)->handle("/healthz", [] { return http::Answer{.body = "ok\n"}; });
  (*listener)->handle("/readyz", [trouble = std::move(trouble)] {
    const std::string why = trouble();
    return why.empty() ? http::Answer{.body = "ok\n"} : http::Answer{.status = 503, .body = why + "\n"};
  });
  (*listener)->start();
  return listener;
}

}  // namespace meshauth::app
