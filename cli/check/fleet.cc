#include "cli/check/fleet.h"

#include <nlohmann/json.hpp>

#include "operator/kube/object.h"

namespace meshauth::cli::check {
namespace {

using nlohmann::json;

bool flag_at(const json& object, Path path) {
  const json& found = at(object, path);
  return found.is_boolean() && found.get<bool>();
}

FleetSidecar fleet_sidecar(const json& object) {
  FleetSidecar out;
  out.connected = flag_at(object, {"connected"});
  out.connection = time_at(object, {"connectionTime"});
  out.revision = text_at(object, {"revision"});
  out.ack_revision = text_at(object, {"ackRevision"});
  out.outcome = text_at(object, {"outcome"});
  out.acked = time_at(object, {"ackTime"});
  out.detail = text_at(object, {"detail"});
  if (const json& skew = at(object, {"skewSeconds"}); skew.is_number()) out.skew = skew.get<double>();
  return out;
}

}  // namespace

Result<Fleet> read_fleet(const std::string& text) {
  const auto parsed = kube::parse_json(text);
  if (!parsed) return tl::unexpected(parsed.error());
  const auto time = time_at(*parsed, {"time"});
  if (!time) return fail("it has no member time; is this the port of the operator's metrics?");
  Fleet out;
  out.time = *time;
  out.truncated = flag_at(*parsed, {"truncated"});
  for (const json& certificate : at(*parsed, {"certificates"})) {
    const auto from = time_at(certificate, {"notBefore"}), until = time_at(certificate, {"notAfter"});
    if (from && until) out.certificates.push_back({text_at(certificate, {"name"}), *from, *until});
  }
  for (const json& workload : at(*parsed, {"workloads"})) {
    const std::string name = text_at(workload, {"name"});
    out.workloads[name] = {text_at(workload, {"revision"}), time_at(workload, {"publishedTime"})};
    const std::string ns = name.substr(0, name.find('/') + 1);
    for (const json& sidecar : at(workload, {"sidecars"})) {
      out.sidecars[ns + text_at(sidecar, {"pod"})] = fleet_sidecar(sidecar);
    }
  }
  return out;
}

}  // namespace meshauth::cli::check
