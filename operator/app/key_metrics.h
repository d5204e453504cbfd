// What /metrics says of the mesh's own keys.
#pragma once

#include <chrono>
#include <string>

#include "operator/app/mesh_keys.h"
#include "operator/http/metrics.h"

namespace prometheus {
class Counter;
class Gauge;
template <class T>
class Family;
}  // namespace prometheus

namespace meshauth::app {

/// mesh_auth_mesh_key_not_after_timestamp_seconds{key}: signing-key, ca, fleet-certificate, webhook-certificate.
void set_not_after(http::Metrics& metrics, const std::string& key, std::chrono::sys_seconds time);

class KeyMetrics {
 public:
  explicit KeyMetrics(http::Metrics& metrics);

  void set_phase(MeshKey key, KeyPhase phase);
  void set_waiting(MeshKey key, std::size_t count);
  void count_switch(MeshKey key, bool forced);

 private:
  prometheus::Family<prometheus::Gauge>& phases_;
  prometheus::Family<prometheus::Gauge>& waiting_;
  prometheus::Family<prometheus::Counter>& switches_;
};

}  // namespace meshauth::app
