// The operator: there, of this release, leading; and the clocks.
#include "cli/check/examine.h"

namespace meshauth::cli::check {
namespace {

using nlohmann::json;

constexpr const char* kOperatorName = "mesh-auth-operator";

std::string ahead_or_behind(Seconds skew, std::string_view whom) {
  return fmt::format("{} {} {}", format_duration(std::chrono::abs(skew)), skew.count() > 0 ? "ahead of" : "behind",
                     whom);
}

/// When the Lease was renewed last, if somebody holds it.
std::optional<Time> renewal(const World& world) {
  if (!world.lease.value || text_at(*world.lease.value, {"spec", "holderIdentity"}).empty()) return std::nullopt;
  return time_at(*world.lease.value, {"spec", "renewTime"});
}

Seconds lease_duration(const World& world) {
  constexpr std::int64_t kUsual = 15;
  const auto said = number_at(*world.lease.value, {"spec", "leaseDurationSeconds"});
  return Seconds(std::clamp<std::int64_t>(said.value_or(kUsual), 1, 3600));
}

bool is_led(const World& world) {
  const auto renewed = renewal(world);
  return renewed && world.cluster_now() <= *renewed + lease_duration(world) + kClockGrace;
}

void examine_deployment(const World& world, Findings& findings) {
  if (!world.deployment.read) return;
  const ObjectName object{"Deployment", world.operator_ns, kOperatorName};
  if (!world.deployment.value) {
    const bool led = is_led(world);
    findings.add(Id::OperatorMissing, object,
                 led ? "it is not there; yet somebody renews the operator's Lease" : "it is not there",
                 led ? Severity::Warning : Severity::Error);
    return;
  }
  const json& deployment = *world.deployment.value;
  if (number_at(deployment, {"status", "availableReplicas"}).value_or(0) < 1) {
    const json& why = entry_at(deployment, {"status", "conditions"}, "type", "Available");
    findings.add(Id::OperatorUnavailable, object,
                 fmt::format("{} replicas are wanted, none is available{}{}",
                             number_at(deployment, {"spec", "replicas"}).value_or(1), why.is_null() ? "" : ": ",
                             text_at(why, {"message"})));
  }
  const std::string version = text_at(deployment, {"metadata", "labels", "app.kubernetes.io/version"});
  if (!version.empty() && version != world.program_version) {
    findings.add(Id::OperatorVersion, object,
                 fmt::format("it is of release {}, this program of {}", version, world.program_version));
  }
}

void examine_lease(const World& world, Findings& findings) {
  if (!world.lease.read) return;
  const ObjectName object{"Lease", world.operator_ns, kOperatorName};
  if (!world.lease.value) {
    findings.add(Id::LeaseMissing, object, "it is not there");
    return;
  }
  const std::string holder = text_at(*world.lease.value, {"spec", "holderIdentity"});
  const auto renewed = renewal(world);
  if (holder.empty()) {
    findings.add(Id::LeaseUnheld, object, "nobody holds it");
  } else if (!renewed) {
    findings.add(Id::LeaseExpired, object, fmt::format("{} holds it and never renewed it", holder));
  } else if (!is_led(world)) {
    findings.add(Id::LeaseExpired, object,
                 fmt::format("{} holds it and renewed it {} ago; it is good for {}", holder,
                             age_text(world.cluster_now() - *renewed), format_duration(lease_duration(world))));
  }
}

void examine_clocks(const World& world, Findings& findings) {
  if (!world.skew) return;
  if (std::chrono::abs(*world.skew) > kClockGrace + world.skew_error) {
    findings.add(Id::ClockSkewLocal, {"Clock", "", "this machine"},
                 "it is " + ahead_or_behind(-*world.skew, "the API server's"));
  }
  // The Lease says the operator's time at its last renewal; that lies in the future only by a clock that is ahead.
  std::optional<Seconds> off;
  if (world.fleet) off = world.fleet->time - world.cluster_now();
  if (const auto renewed = renewal(world); !off && renewed && *renewed > world.cluster_now()) {
    off = *renewed - world.cluster_now();
  }
  if (off && std::chrono::abs(*off) > kClockGrace + world.skew_error) {
    findings.add(Id::ClockSkewOperator, {"Clock", "", "the operator's node"},
                 "it is " + ahead_or_behind(*off, "the API server's"));
  }
}

/// Renewed at two thirds of their life, by the operator and by cert-manager.
void examine_certificates(const World& world, Findings& findings) {
  if (!world.fleet) return;
  const Time now = world.cluster_now();
  for (const FleetCertificate& certificate : world.fleet->certificates) {
    const ObjectName object{"Certificate", world.operator_ns, certificate.listener};
    if (now > certificate.until || now < certificate.from) {
      findings.add(
          Id::CertificateExpired, object,
          fmt::format("it is valid from {} to {}", format_time(certificate.from), format_time(certificate.until)));
    } else if ((now - certificate.from) * 6 > (certificate.until - certificate.from) * 5) {
      findings.add(Id::CertificateExpiring, object, "it ends at " + format_time(certificate.until));
    }
  }
}

}  // namespace

void examine_operator(const World& world, Findings& findings) {
  examine_deployment(world, findings);
  examine_lease(world, findings);
  examine_clocks(world, findings);
  examine_certificates(world, findings);
}

}  // namespace meshauth::cli::check
