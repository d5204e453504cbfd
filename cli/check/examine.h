// From what was read of a cluster to what is wrong with it. Pure: the world holds the time.
#pragma once

#include <vector>

#include "cli/check/findings.h"
#include "cli/check/sidecars.h"
#include "cli/check/world.h"

namespace meshauth::cli::check {

std::vector<Finding> examine(const World& world);

// Its parts. What was not read gives no finding beside that it was not read.
void examine_reads(const World& world, Findings& findings);
void examine_kinds(const World& world, Findings& findings);     ///< CRDs, names shared with other groups
void examine_operator(const World& world, Findings& findings);  ///< Deployment, Lease, clocks
void examine_webhook(const World& world, Findings& findings);   ///< and pods that should have been injected
void examine_trust(const World& world, Findings& findings);
void examine_providers(const World& world, Findings& findings);
void examine_policies(const World& world, Findings& findings);
void examine_fleet_page(const World& world, Findings& findings);  ///< what the operator tells of its sidecars
void examine_sidecars(const World& world, Findings& findings);

/// A certificate that ends sooner than this is told.
constexpr std::chrono::hours kExpiring{24 * 30};
/// Less than this a clock may be off.
constexpr Seconds kClockGrace{5};
/// A sidecar's clock may be off by half of the default clockSkew (30 s), less how exactly it is known.
constexpr double kSidecarSkew = 10;
/// How long after its start a sidecar, or an operator, may be busy with it.
constexpr Seconds kStartGrace{60};
/// How long a revision may take to every sidecar: usually milliseconds.
constexpr Seconds kRolloutGrace{10};
/// How long after its time a fetch may begin.
constexpr Seconds kFetchGrace{120};

/// The value of a flag of the operator's container; nullopt: there is no such flag, or it is not known.
std::optional<std::string> operator_flag(const World& world, std::string_view flag);

}  // namespace meshauth::cli::check
