#include "operator/app/key_metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/registry.h>

namespace meshauth::app {

void set_not_after(http::Metrics& metrics, const std::string& key, std::chrono::sys_seconds time) {
  prometheus::BuildGauge()
      .Name("mesh_auth_mesh_key_not_after_timestamp_seconds")
      .Help("When a key or certificate of the mesh itself ends; it is replaced before.")
      .Register(metrics.registry())
      .Add({{"key", key}})
      .Set(static_cast<double>(time.time_since_epoch().count()));
}

KeyMetrics::KeyMetrics(http::Metrics& metrics)
    : phases_(prometheus::BuildGauge()
                  .Name("mesh_auth_mesh_key_rotation_phase")
                  .Help("1 for the phase that a key of the mesh is in: steady, announced or switched.")
                  .Register(metrics.registry())),
      waiting_(prometheus::BuildGauge()
                   .Name("mesh_auth_mesh_key_rotation_waiting")
                   .Help("Sidecars, namespaces and records that the next phase of a key's rotation waits for.")
                   .Register(metrics.registry())),
      switches_(
          prometheus::BuildCounter()
              .Name("mesh_auth_mesh_key_switches_total")
              .Help("Keys of the mesh that were replaced; confirmed: every sidecar had said that it trusts the new "
                    "one.")
              .Register(metrics.registry())) {
  for (const MeshKey key : kMeshKeys) {
    set_phase(key, KeyPhase::Steady);
    set_waiting(key, 0);
    for (const char* confirmed : {"true", "false"})
      switches_.Add({{"key", std::string(to_string(key))}, {"confirmed", confirmed}});
  }
}

void KeyMetrics::set_phase(MeshKey key, KeyPhase phase) {
  const auto gauge = [&](KeyPhase each) -> prometheus::Gauge& {
    return phases_.Add({{"key", std::string(to_string(key))}, {"phase", std::string(to_string(each))}});
  };
  gauge(phase).Set(1);  // before the others: a scrape in between sees two rather than none
  for (const KeyPhase each : {KeyPhase::Steady, KeyPhase::Announced, KeyPhase::Switched}) {
    if (each != phase) gauge(each).Set(0);
  }
}

void KeyMetrics::set_waiting(MeshKey key, std::size_t count) {
  waiting_.Add({{"key", std::string(to_string(key))}}).Set(static_cast<double>(count));
}

void KeyMetrics::count_switch(MeshKey key, bool forced) {
  switches_.Add({{"key", std::string(to_string(key))}, {"confirmed", forced ? "false" : "true"}}).Increment();
}

}  // namespace meshauth::app
