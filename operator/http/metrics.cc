#include "operator/http/metrics.h"

#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <utility>

namespace meshauth::http {

Metrics::Metrics() : registry_(std::make_shared<prometheus::Registry>()) {}
Metrics::~Metrics() = default;

Metrics::Hook& Metrics::Hook::operator=(Hook&& other) noexcept {
  if (this == &other) return *this;
  reset();
  metrics_ = std::exchange(other.metrics_, nullptr);
  at_ = other.at_;
  return *this;
}

void Metrics::Hook::reset() {
  Metrics* metrics = std::exchange(metrics_, nullptr);
  if (metrics == nullptr) return;
  const std::lock_guard lock(metrics->mutex_);
  metrics->hooks_.erase(at_);
}

Metrics::Hook Metrics::before_scrape(std::function<void()> hook) {
  const std::lock_guard lock(mutex_);
  return Hook(this, hooks_.insert(hooks_.end(), std::move(hook)));
}

std::string Metrics::text() {
  {
    const std::lock_guard lock(mutex_);
    for (const auto& hook : hooks_) hook();
  }
  return prometheus::TextSerializer().Serialize(registry_->Collect());
}

}  // namespace meshauth::http
