// Conditions as the Kubernetes API conventions and GEP-713 have them, and the one table of their reasons.
#pragma once

#include <chrono>
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/duration.h"

namespace meshauth::plan {

using Time = std::chrono::sys_seconds;

// X(reason, what it means and what to do). docs/conditions.md is made from it.
#define MESH_AUTH_CONDITION_REASONS(X)                                                                               \
  X(Accepted, "The resource is valid.")                                                                              \
  X(Invalid, "A field is refused; the message names it and what would be right. The last good form stays in force.") \
  X(ResolvedRefs, "Every provider that the policy names exists and may be used.")                                    \
  X(ProviderNotFound,                                                                                                \
    "A provider that the policy names does not exist, or is in a namespace that is not watched. Its Allow entries "  \
    "match nobody, its Deny entries match every caller.")                                                            \
  X(ProviderNotShared, "A provider does not share itself with the policy's namespace (spec.allowedNamespaces).")     \
  X(Programmed, "Every sidecar of the selected workloads runs the current revision, and the record holds it.")       \
  X(NoSidecars, "No sidecar runs yet; any that starts gets this revision first.")                                    \
  X(SidecarsPending, "Some sidecars have not yet confirmed the current revision.")                                   \
  X(BundleRefused, "A sidecar refused the bundle and goes on with the one before; the message says why.")            \
  X(BundleFailed, "No bundle could be made (too large, or a template is broken); the one before stays in force.")    \
  X(RecordPending, "The bundle's ConfigMap is not yet written.")                                                     \
  X(RecordFailed, "The bundle's ConfigMap cannot be written; the message says why. Connected sidecars have it.")     \
  X(FlavourConflict, "Pods of one workload carry different flavours; one workload has one.")                         \
  X(FlavourLimit,                                                                                                    \
    "A policy asks for what nginx of the workload's flavour cannot do exactly; the message names the policy, the "   \
    "rule and the field, and what would be right. The bundle before stays in force.")                                \
  X(Ready, "Nobody needs to act.")                                                                                   \
  X(SidecarOwnsPorts, "Whatever a Service leads to in the pods of these workloads is a port of their sidecars.")     \
  X(ServiceReachesApplication,                                                                                       \
    "A Service leads to a port of a pod that its sidecar does not hold, where no policy counts; the message names "  \
    "the Service, its port, where that leads, and what would be right.")                                             \
  X(PortsUnknown,                                                                                                    \
    "Pods of the workload do not say which ports their sidecars hold: they were not injected, so nothing is known "  \
    "about Services that go past them.")                                                                             \
  X(Discovered, "The provider's discovery document was read, and its issuer is ours.")                               \
  X(NotNeeded, "The keys are named by the resource; no discovery takes place.")                                      \
  X(KeysFresh, "The last fetch of the keys succeeded, or is younger than maxStale.")                                 \
  X(KeysStale, "The last good fetch is older than maxStale: tokens of this provider are answered 503.")              \
  X(KeysMissing, "No keys were ever fetched: tokens of this provider are refused.")                                  \
  X(Pending, "Not looked at yet.")                                                                                   \
  X(FetchFailed, "The provider's document or keys could not be fetched; the last good keys stay in use.")

struct Condition {
  std::string type;
  std::string status;  ///< True, False, Unknown
  std::string reason;
  std::string message;
  std::int64_t observed_generation = 0;
  Time last_transition{};

  friend bool operator==(const Condition&, const Condition&) = default;
};

Condition condition(std::string_view type, bool holds, std::string_view reason, std::string message);
Condition unknown_condition(std::string_view type, std::string_view reason, std::string message);

/// Sets the generation, and the transition times: that of `previous` (status.conditions of the object as it is) where
/// the status is the same, else now.
nlohmann::json conditions_to_json(const std::vector<Condition>& conditions, std::int64_t generation,
                                  const nlohmann::json& previous, Time now);

/// A reason and its meaning, as the docs list them.
std::vector<std::pair<std::string_view, std::string_view>> condition_reasons();

}  // namespace meshauth::plan
