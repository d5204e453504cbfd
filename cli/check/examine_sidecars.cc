// Sidecars: connected, and of the current revision.
#include "cli/check/examine.h"
#include "core/inject/names.h"

namespace meshauth::cli::check {
namespace {

using nlohmann::json;

std::string short_revision(const std::string& revision) {
  return revision.empty() ? "none" : revision.substr(0, 12);
}

/// Both the pod and the operator have had time to get to know each other.
bool has_settled(const World& world, const json& pod) {
  const auto created = time_at(pod, {"metadata", "creationTimestamp"});
  const auto led = world.lease.value ? time_at(*world.lease.value, {"spec", "acquireTime"}) : std::nullopt;
  const Time since = std::max(created.value_or(Time{}), led.value_or(Time{}));
  return text_at(pod, {"status", "phase"}) == "Running" && world.cluster_now() - since >= kStartGrace;
}

void examine_state(const World& world, const Sidecar& sidecar, const json& pod, Findings& findings) {
  const ObjectName name{"Pod", sidecar.ns, sidecar.pod};
  const Time now = world.fleet->time;
  const auto workload = world.fleet->workloads.find(sidecar.ns + "/" + sidecar.workload);
  switch (sidecar.state) {
    case State::Refused:
      findings.add(Id::SidecarRefused, name,
                   fmt::format("it refused revision {}: {}", short_revision(sidecar.current_revision), sidecar.detail));
      break;
    case State::Disconnected:
      findings.add(Id::SidecarDisconnected, name,
                   "its stream is closed" +
                       (sidecar.connection ? " for " + age_text(now - *sidecar.connection) : std::string()));
      break;
    case State::NeverConnected:
      if (has_settled(world, pod))
        findings.add(Id::SidecarNeverConnected, name, "it has not connected to the operator that leads");
      break;
    case State::Behind: {
      const bool known = workload != world.fleet->workloads.end() && workload->second.published;
      const Time published = known ? *workload->second.published : now;  // without a bundle nobody can be behind
      const bool new_stream = sidecar.connection && now - *sidecar.connection < kRolloutGrace;
      if (now - published < kRolloutGrace || new_stream) break;
      findings.add(Id::SidecarBehind, name,
                   fmt::format("it runs revision {}; current for {} is {}{}{}", short_revision(sidecar.revision),
                               age_text(now - published), short_revision(sidecar.current_revision),
                               sidecar.detail.empty() ? "" : ": ", sidecar.detail));
      break;
    }
    case State::Current:
    case State::Unknown:
      break;
  }
  if (sidecar.skew && std::abs(*sidecar.skew) > kSidecarSkew) {
    findings.add(Id::ClockSkewSidecar, name,
                 fmt::format("the clock of node {} is {:.0f} s {} the operator's", sidecar.node,
                             std::abs(*sidecar.skew), *sidecar.skew > 0 ? "ahead of" : "behind"));
  }
}

std::string sidecar_image(const json& pod) {
  for (const char* list : {"containers", "initContainers"}) {
    const json& container = entry_at(pod, {"spec", list}, "name", inject::kSidecarName);
    if (!container.is_null()) return text_at(container, {"image"});
  }
  return "";
}

}  // namespace

void examine_fleet_page(const World& world, Findings& findings) {
  if (!world.fleet_problem.empty()) {
    findings.add(Id::FleetUnreadable, {"Service", world.operator_ns, "mesh-auth-operator-metrics"},
                 "the operator's sidecars: " + world.fleet_problem);
  }
  if (world.fleet && world.fleet->truncated) {
    findings.add(Id::ListCut, {},
                 fmt::format("more than is read: sidecars ({} were told)", world.fleet->sidecars.size()));
  }
}

void examine_sidecars(const World& world, Findings& findings) {
  std::map<std::string, const json*> pods;
  const auto wanted = operator_flag(world, "--sidecar-image");
  for (const json& pod : world.pods.value) {
    if (!is_live(pod)) continue;
    const std::string ns = text_at(pod, {"metadata", "namespace"}), name = text_at(pod, {"metadata", "name"});
    pods[ns + "/" + name] = &pod;
    const std::string image = sidecar_image(pod);
    if (wanted && !image.empty() && image != *wanted) {
      findings.add(Id::SidecarImage, {"Pod", ns, name},
                   fmt::format("its sidecar is {}, new pods get {}", image, *wanted));
    }
  }
  examine_fleet_page(world, findings);
  if (!world.fleet) return;
  for (const Sidecar& sidecar : sidecars_of(world)) {
    examine_state(world, sidecar, *pods.at(sidecar.ns + "/" + sidecar.pod), findings);
  }
}

}  // namespace meshauth::cli::check
