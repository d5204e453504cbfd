// What the operator says of its sidecars: GET /fleet of its metrics port. docs/how-to/check-a-mesh.md has the shape.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "cli/check/json_at.h"
#include "core/base/duration.h"
#include "core/base/result.h"

namespace meshauth::cli::check {

struct FleetSidecar {
  bool connected = false;
  std::optional<Time> connection;     ///< when a stream opened or closed last
  std::string revision;               ///< that it said last that it runs
  std::string ack_revision, outcome;  ///< of its last ack; empty: it sent none
  std::optional<Time> acked;
  std::string detail;  ///< for a person
  std::optional<double> skew;
};

struct FleetWorkload {
  std::string revision;
  std::optional<Time> published;
};

struct FleetCertificate {
  std::string listener;  ///< fleet, webhook
  Time from, until;
};

struct Fleet {
  Time time{};  ///< the operator's clock
  bool truncated = false;
  std::vector<FleetCertificate> certificates;
  std::map<std::string, FleetWorkload> workloads;  ///< by namespace/name
  std::map<std::string, FleetSidecar> sidecars;    ///< by namespace/name of the pod
};

constexpr std::size_t kFleetBytes = std::size_t{32} << 20;

/// Members that are missing or of another shape are taken as not said; without `time` it is an error.
Result<Fleet> read_fleet(const std::string& json);

}  // namespace meshauth::cli::check
