#include "operator/idp/source_metrics.h"

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/registry.h>

#include "operator/idp/source.h"

namespace meshauth::idp {

SourceMetrics::SourceMetrics(prometheus::Registry& registry) {
  auto& fetches = prometheus::BuildCounter()
                      .Name("mesh_auth_jwks_fetches_total")
                      .Help("Visits to key sources, by what came of them.")
                      .Register(registry);
  const auto add = [&](std::string_view result) {
    fetches_.emplace(result, &fetches.Add({{"result", std::string(result)}}));
  };
  add(kSuccess);
  add(kNotModified);
#define X(name) add(source_fault_name(SourceFault::name));
  MESH_AUTH_SOURCE_FAULTS(X)
#undef X
  age_family_ = &prometheus::BuildGauge()
                     .Name("mesh_auth_jwks_age_seconds")
                     .Help("Time since a key source was last fetched well, or since it is known if it never was.")
                     .Register(registry);
}

void SourceMetrics::count(std::string_view result) {
  fetches_.find(result)->second->Increment();
}

void SourceMetrics::set_age(const std::string& source, double seconds) {
  prometheus::Gauge*& gauge = ages_[source];
  if (gauge == nullptr) gauge = &age_family_->Add({{"source", source}});
  gauge->Set(seconds);
}

void SourceMetrics::forget(const std::string& source) {
  const auto at = ages_.find(source);
  if (at == ages_.end()) return;
  age_family_->Remove(at->second);
  ages_.erase(at);
}

}  // namespace meshauth::idp
