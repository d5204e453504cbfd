#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/plan/status.h"

namespace meshauth::plan {
namespace {

constexpr std::size_t kMostWaysText = 2048;  // of a message; then the rest is counted

Condition accepted(const PolicyFacts& facts) {
  if (facts.policy.errors.empty()) return condition("Accepted", true, "Accepted", "the policy is valid");
  return condition("Accepted", false, "Invalid",
                   model::to_message(facts.policy.errors) + " (the last good form of this policy stays in force)");
}

std::string why_unresolved(const UnresolvedRef& ref, const std::string& policy_namespace) {
  if (ref.state == RefState::NotShared) {
    return fmt::format("IdentityProvider {} is not shared with namespace {}: set its spec.allowedNamespaces",
                       ref.provider, policy_namespace);
  }
  if (ref.state == RefState::NotWatched) {
    return fmt::format(
        "IdentityProvider {} is in a namespace that this operator does not watch: add it to --watch-namespace "
        "(watchNamespaces of the chart), or correct from.identityProvider",
        ref.provider);
  }
  return fmt::format(
      "IdentityProvider {} does not exist or was never valid: create it, or correct from.identityProvider",
      ref.provider);
}

Condition resolved_refs(const PolicyFacts& facts) {
  if (facts.unresolved.empty()) return condition("ResolvedRefs", true, "ResolvedRefs", "every provider is there");
  std::string message;
  bool missing = false;
  for (const UnresolvedRef& ref : facts.unresolved) {
    missing = missing || ref.state != RefState::NotShared;
    message += (message.empty() ? "" : "; ") + why_unresolved(ref, facts.policy.meta.ns);
  }
  message += ". Until then Allow entries with it match nobody and Deny entries with it match every caller";
  return condition("ResolvedRefs", false, missing ? "ProviderNotFound" : "ProviderNotShared", message);
}

template <class Test>
const WorkloadProgress* first(const PolicyFacts& facts, Test test) {
  const auto it = std::find_if(facts.workloads.begin(), facts.workloads.end(), test);
  return it == facts.workloads.end() ? nullptr : &*it;
}

Condition programmed(const PolicyFacts& facts, std::size_t total, std::size_t done) {
  const auto no = [](std::string_view reason, std::string message) {
    return condition("Programmed", false, reason, std::move(message));
  };
  if (const auto* w = first(facts, [](auto& p) { return p.flavour_conflict; })) {
    return no("FlavourConflict",
              "pods of workload " + w->id + " carry different values of label meshauth.dev/flavour; give them one");
  }
  if (const auto* w = first(facts, [](auto& p) { return !p.flavour_limit.empty(); })) {
    return no("FlavourLimit", "workload " + w->id + ": " + w->flavour_limit + " (its last good bundle stays in force)");
  }
  if (const auto* w = first(facts, [](auto& p) { return !p.bundle_error.empty(); })) {
    return no("BundleFailed", "workload " + w->id + ": " + w->bundle_error + " (its last good bundle stays in force)");
  }
  if (const auto* w = first(facts, [](auto& p) { return !p.refused.empty(); })) {
    return no("BundleRefused", "a sidecar of workload " + w->id + " refused the bundle: " + w->refused);
  }
  if (total == 0) return no("NoSidecars", "no sidecar runs yet; any that starts gets this policy first");
  if (done < total) {
    return no("SidecarsPending", fmt::format("{} of {} sidecars run the current revision", done, total));
  }
  if (const auto* w = first(facts, [](auto& p) { return !p.record_error.empty(); })) {
    return no("RecordFailed", "ConfigMap of workload " + w->id + ": " + w->record_error);
  }
  if (const auto* w = first(facts, [](auto& p) { return !p.recorded; })) {
    return no("RecordPending", "the ConfigMap of workload " + w->id + " is not yet written");
  }
  return condition("Programmed", true, "Programmed",
                   fmt::format("{} of {} sidecars run the current revision", done, total));
}

/// Abnormal where it is True: absent or False is good. It says nothing about Ready: the policy is in force wherever the
/// sidecar is asked, a Service is often somebody else's, and one that goes past a sidecar may be meant to (metrics).
Condition bypassable(const PolicyFacts& facts, std::size_t total) {
  std::string message;
  std::size_t more = 0;
  for (const WorkloadProgress& workload : facts.workloads) {
    for (const std::string& way : workload.ways_past) {
      if (message.size() < kMostWaysText) {
        message += (message.empty() ? "" : ". ") + fmt::format("Workload {}: {}", workload.id, way);
      } else {
        ++more;
      }
    }
  }
  if (more > 0) message += fmt::format(". And {} more", more);
  if (!message.empty()) return condition("Bypassable", true, "ServiceReachesApplication", message);
  if (const auto* w = first(facts, [](auto& p) { return !p.ports_unknown.empty(); })) {
    return unknown_condition("Bypassable", "PortsUnknown", "workload " + w->id + ": " + w->ports_unknown);
  }
  if (total == 0) return condition("Bypassable", false, "NoSidecars", "no sidecar runs yet that could be passed");
  return condition("Bypassable", false, "SidecarOwnsPorts",
                   "no Service leads to a port of these pods that their sidecars do not hold");
}

/// Does a person need to act? A pod that has not yet connected needs none.
Condition ready(const Condition& accepted, const Condition& refs, const Condition& programmed) {
  const auto no = [](const Condition& why) { return condition("Ready", false, why.reason, why.message); };
  if (accepted.status != "True") return no(accepted);
  if (refs.status != "True") return no(refs);
  const bool waiting = programmed.reason == "SidecarsPending" || programmed.reason == "RecordPending";
  if (programmed.status != "True" && !waiting && programmed.reason != "NoSidecars") return no(programmed);
  if (programmed.reason == "NoSidecars") return condition("Ready", true, "NoSidecars", programmed.message);
  return condition("Ready", true, "Ready", "nobody needs to act");
}

std::string target(const PolicyFacts& facts) {
  if (facts.policy.meta.ns == facts.root_namespace) return "every workload of the mesh";
  if (!facts.policy.value) return "";
  const auto& names = facts.policy.value->workloads;
  if (!names) return "every workload of " + facts.policy.meta.ns;
  std::string out;
  for (const std::string& name : *names) {
    if (out.size() + name.size() > 200) return out + ", ...";
    out += (out.empty() ? "" : ", ") + name;
  }
  return out;
}

/// A number of a status, which anybody who may write statuses may have written.
std::uint64_t audit_count(const nlohmann::json& counts, const char* name) {
  const auto found = counts.find(name);
  if (found == counts.end() || !found->is_number_unsigned()) return 0;
  return std::min(found->get<std::uint64_t>(), AuditCounts::kMost);
}

}  // namespace

void AuditCounts::add(const AuditCounts& more) {
  would_deny += std::min(more.would_deny, kMost - would_deny);
  would_allow += std::min(more.would_allow, kMost - would_allow);
}

AuditCounts audit_counts(const nlohmann::json& status) {
  if (!status.is_object()) return {};
  const auto counts = status.find("audit");
  if (counts == status.end() || !counts->is_object()) return {};
  return {audit_count(*counts, "wouldDeny"), audit_count(*counts, "wouldAllow")};
}

nlohmann::json policy_status(const PolicyFacts& facts, const nlohmann::json& previous, Time now) {
  std::size_t total = 0, done = 0;
  for (const WorkloadProgress& workload : facts.workloads) {
    total += workload.sidecars;
    done += workload.programmed;
  }
  const Condition a = accepted(facts), r = resolved_refs(facts), p = programmed(facts, total, done);
  const std::int64_t generation = facts.policy.meta.generation;
  return {{"observedGeneration", generation},
          {"conditions",
           conditions_to_json({a, r, p, bypassable(facts, total), ready(a, r, p)}, generation,
                              previous.is_object() ? previous.value("conditions", nlohmann::json()) : nlohmann::json(),
                              now)},
          {"workloads", facts.workloads.size()},
          {"target", target(facts)},
          {"sidecars", {{"total", total}, {"programmed", done}}},
          {"sidecarSummary", fmt::format("{}/{}", done, total)},
          {"audit", {{"wouldDeny", facts.audit.would_deny}, {"wouldAllow", facts.audit.would_allow}}}};
}

}  // namespace meshauth::plan
