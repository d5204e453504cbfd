#include "operator/app/health.h"

#include <nlohmann/json.hpp>

#include "core/base/duration.h"
#include "operator/kube/object.h"

namespace meshauth::app {

void FleetPage::show(std::function<nlohmann::json()> state) {
  const std::lock_guard lock(mutex_);
  state_ = std::move(state);
}

void FleetPage::set_certificate(const std::string& name, const std::string& certificate_pem) {
  const auto validity = fleet::validity_of(certificate_pem);
  if (!validity) return;  // no listener took it
  const std::lock_guard lock(mutex_);
  certificates_[name] = *validity;
}

http::Answer FleetPage::answer() const {
  const std::lock_guard lock(mutex_);
  if (!state_) return {.status = 503, .body = "this operator does not lead the fleet\n"};
  nlohmann::json page = state_();
  page["certificates"] = nlohmann::json::array();
  for (const auto& [name, validity] : certificates_) {
    page["certificates"].push_back(
        {{"name", name}, {"notBefore", format_time(validity.from)}, {"notAfter", format_time(validity.until)}});
  }
  return {200, "application/json", kube::dump_json(page)};
}

Result<std::unique_ptr<http::Listener>> start_health(const std::string& address, http::Metrics& metrics,
                                                     const FleetPage& fleet, std::function<std::string()> trouble) {
  auto listener = http::Listener::open({.address = address});
  if (!listener) return fail("--metrics-listen={}: {}", address, listener.error().message);
  (*listener)->handle("/metrics", [&metrics] {
    return http::Answer{200, http::Metrics::kContentType, metrics.text()};
  });
  (*listener)->handle("/fleet", [&fleet] { return fleet.answer(); });
  (*listener)->handle("/healthz", [] { return http::Answer{.body = "ok\n"}; });
  (*listener)->handle("/readyz", [trouble = std::move(trouble)] {
    const std::string why = trouble();
    return why.empty() ? http::Answer{.body = "ok\n"} : http::Answer{.status = 503, .body = why + "\n"};
  });
  (*listener)->start();
  return listener;
}

}  // namespace meshauth::app
