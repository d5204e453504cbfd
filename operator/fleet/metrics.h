// What the fleet server counts, all present at 0 from the start.
#pragma once

#include <map>
#include <string>
#include <string_view>

namespace prometheus {
class Counter;
class Gauge;
class Histogram;
class Registry;
}  // namespace prometheus

namespace meshauth::fleet {

/// The names begin with mesh_auth_fleet_. The registry must live longer.
class FleetMetrics {
 public:
  explicit FleetMetrics(prometheus::Registry& registry);

  prometheus::Gauge& connections;
  prometheus::Gauge& streams;
  prometheus::Counter& bundle_events;
  prometheus::Counter& ping_events;
  prometheus::Counter& sent_bytes;
  prometheus::Counter& reports;
  prometheus::Histogram& push_seconds;      ///< from publish to the last byte given to the stream's socket
  prometheus::Histogram& enforced_seconds;  ///< from publish to the ack that it is applied
  prometheus::Counter& ack(std::string_view outcome) { return *acks_.find(outcome)->second; }
  prometheus::Counter& review(std::string_view result) { return *reviews_.find(result)->second; }
  prometheus::Counter& refused(int status);

 private:
  using Counters = std::map<std::string, prometheus::Counter*, std::less<>>;
  Counters acks_;     ///< applied, refused, timeout
  Counters reviews_;  ///< known, unknown, error, cached
  Counters refused_;  ///< by status
};

}  // namespace meshauth::fleet
