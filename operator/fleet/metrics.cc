#include "operator/fleet/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

namespace meshauth::fleet {
namespace {

using prometheus::Counter;
using prometheus::Gauge;
using prometheus::Histogram;
using prometheus::Labels;
using prometheus::Registry;

Gauge& gauge(Registry& registry, const char* name, const char* help) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(registry).Add({});
}

Counter& counter(Registry& registry, const char* name, const char* help, const Labels& labels = {}) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(registry).Add(labels);
}

Histogram& seconds(Registry& registry, const char* name, const char* help) {
  const Histogram::BucketBoundaries bounds{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 30};
  return prometheus::BuildHistogram().Name(name).Help(help).Register(registry).Add({}, bounds);
}

constexpr const char* kEvents = "mesh_auth_fleet_events_total";
constexpr const char* kEventsHelp = "Events written to streams.";

}  // namespace

FleetMetrics::FleetMetrics(Registry& registry)
    : connections(gauge(registry, "mesh_auth_fleet_connections", "Connections to the fleet port.")),
      streams(gauge(registry, "mesh_auth_fleet_streams", "Open streams, one per connected sidecar.")),
      bundle_events(counter(registry, kEvents, kEventsHelp, {{"event", "bundle"}})),
      ping_events(counter(registry, kEvents, kEventsHelp, {{"event", "ping"}})),
      sent_bytes(counter(registry, "mesh_auth_fleet_sent_bytes_total", "Bytes of events written to streams.")),
      reports(counter(registry, "mesh_auth_fleet_reports_total", "Reports received from sidecars.")),
      push_seconds(seconds(registry, "mesh_auth_fleet_push_seconds",
                           "From publishing a bundle to the end of writing it to a stream.")),
      enforced_seconds(seconds(registry, "mesh_auth_fleet_enforced_seconds",
                               "From publishing a bundle to a sidecar's ack that every worker runs it.")) {
  for (const char* outcome : {"applied", "refused", "timeout"}) {
    acks_[outcome] =
        &counter(registry, "mesh_auth_fleet_acks_total", "Acks received from sidecars.", {{"outcome", outcome}});
  }
  for (const char* result : {"known", "unknown", "error", "cached"}) {
    reviews_[result] =
        &counter(registry, "mesh_auth_fleet_authentications_total",
                 "How callers' tokens were judged: by a review, or from the cache.", {{"result", result}});
  }
  for (const char* status : {"400", "401", "403", "404", "405", "413", "503"}) {
    refused_[status] = &counter(registry, "mesh_auth_fleet_refused_total", "Requests to the fleet port that failed.",
                                {{"code", status}});
  }
}

Counter& FleetMetrics::refused(int status) {
  const auto found = refused_.find(std::to_string(status));
  return found == refused_.end() ? *refused_.find("400")->second : *found->second;
}

}  // namespace meshauth::fleet
