#include "cli/check/sidecars.h"

#include <algorithm>
#include <tuple>

#include "core/inject/names.h"

namespace meshauth::cli::check {
namespace {

using nlohmann::json;

State state_of(const FleetSidecar* known, const std::string& current) {
  if (known == nullptr || (!known->connected && !known->connection && known->ack_revision.empty()))
    return State::NeverConnected;
  if (!known->connected) return State::Disconnected;
  if (known->outcome == "refused" && known->ack_revision == current) return State::Refused;
  if (known->outcome == "applied" && known->ack_revision == current) return State::Current;
  return State::Behind;
}

Sidecar sidecar_of(const World& world, const json& pod) {
  Sidecar out;
  out.ns = text_at(pod, {"metadata", "namespace"});
  out.workload = text_at(pod, {"metadata", "labels", inject::kWorkloadLabel});
  out.pod = text_at(pod, {"metadata", "name"});
  out.node = text_at(pod, {"spec", "nodeName"});
  if (!world.fleet) return out;
  const auto workload = world.fleet->workloads.find(out.ns + "/" + out.workload);
  if (workload != world.fleet->workloads.end()) out.current_revision = workload->second.revision;
  const auto found = world.fleet->sidecars.find(out.ns + "/" + out.pod);
  const FleetSidecar* known = found == world.fleet->sidecars.end() ? nullptr : &found->second;
  if (known == nullptr && world.fleet->truncated) return out;
  out.state = state_of(known, out.current_revision);
  if (known == nullptr) return out;
  out.revision = known->revision;
  out.acked = known->acked;
  out.connection = known->connection;
  out.detail = known->detail;
  out.skew = known->skew;
  return out;
}

}  // namespace

std::string_view to_string(State state) {
  switch (state) {
    case State::Current:
      return "Current";
    case State::Behind:
      return "Behind";
    case State::Refused:
      return "Refused";
    case State::Disconnected:
      return "Disconnected";
    case State::NeverConnected:
      return "NeverConnected";
    case State::Unknown:
      return "Unknown";
  }
  return "";
}

bool is_live(const json& pod) {
  const std::string phase = text_at(pod, {"status", "phase"});
  return text_at(pod, {"metadata", "deletionTimestamp"}).empty() && phase != "Succeeded" && phase != "Failed";
}

std::vector<Sidecar> sidecars_of(const World& world) {
  std::vector<Sidecar> out;
  for (const json& pod : world.pods.value) {
    if (is_live(pod)) out.push_back(sidecar_of(world, pod));
  }
  const auto key = [](const Sidecar& s) { return std::tie(s.ns, s.workload, s.pod); };
  std::sort(out.begin(), out.end(), [&](const Sidecar& a, const Sidecar& b) { return key(a) < key(b); });
  return out;
}

}  // namespace meshauth::cli::check
