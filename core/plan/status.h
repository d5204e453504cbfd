// What the status of a resource says, from what is known. Pure; the time is a parameter.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "core/plan/conditions.h"
#include "core/plan/rotation.h"
#include "core/plan/workload_plan.h"

namespace meshauth::plan {

/// How far one workload is.
struct WorkloadProgress {
  std::string id;              ///< namespace/name
  std::size_t sidecars = 0;    ///< labelled pods that are not deleting, Succeeded or Failed
  std::size_t programmed = 0;  ///< of these, whose last ack is the current revision
  bool recorded = false;       ///< the record holds the current revision
  std::string record_error;    ///< why it could not be written
  std::string bundle_error;    ///< why no new bundle could be made; the old one stays
  std::string refused;         ///< what a sidecar said when it refused the current revision
  bool flavour_conflict = false;
  std::string flavour_limit;  ///< what the flavour cannot do; the old bundle stays
  /// Where Services lead past its sidecars: a sentence each, which names the Service.
  std::vector<std::string> ways_past;
  std::string ports_unknown;  ///< a sentence about a pod that does not say which ports its sidecar holds
};

/// A reference of the policy that does not resolve.
struct UnresolvedRef {
  std::string provider;
  RefState state = RefState::NotFound;
};

struct AuditCounts {
  static constexpr std::uint64_t kMost = (std::uint64_t{1} << 53) - 1;  ///< every reader of JSON has it exactly

  std::uint64_t would_deny = 0, would_allow = 0;

  /// Never above kMost.
  void add(const AuditCounts& more);
};

/// What a policy's status has; 0 where it has none.
AuditCounts audit_counts(const nlohmann::json& status);

struct PolicyFacts {
  HeldPolicy policy;  ///< errors include what only the operator sees (the root namespace)
  std::string root_namespace;
  std::vector<UnresolvedRef> unresolved;
  std::vector<WorkloadProgress> workloads;
  AuditCounts audit;
};

/// status of an AccessPolicy. `previous`: its status as it is, for transition times.
nlohmann::json policy_status(const PolicyFacts& facts, const nlohmann::json& previous, Time now);

/// How the fetch loop of the provider's key source stands.
struct FetchState {
  std::string error_reason;  ///< empty: the last fetch was good, or none was made yet
  std::string error_message;
  bool discovery_failed = false;  ///< the failure was in the discovery document
  std::uint32_t consecutive_failures = 0;
  std::optional<Time> next_fetch;
};

struct ProviderFacts {
  HeldProvider provider;
  std::optional<KeyHistory> history;  ///< nullopt: nothing fetched yet
  FetchState fetch;
};

nlohmann::json provider_status(const ProviderFacts& facts, const nlohmann::json& previous, Time now);

/// How many failed fetches in a row make Ready False: one alone is a hiccup that the retry mends.
constexpr std::uint32_t kFailuresThatNeedAPerson = 3;

}  // namespace meshauth::plan
