// What the operator says of providers and policies.
#include "cli/check/examine.h"

namespace meshauth::cli::check {
namespace {

using nlohmann::json;

constexpr std::chrono::hours kKeyOld{24 * 365};

ObjectName name_of(const char* kind, const json& object) {
  return {kind, text_at(object, {"metadata", "namespace"}), text_at(object, {"metadata", "name"})};
}

const json& condition_of(const json& object, std::string_view type) {
  return entry_at(object, {"status", "conditions"}, "type", type);
}

bool is(const json& condition, std::string_view status) {
  return text_at(condition, {"status"}) == status;
}

std::string say(const json& condition) {
  return fmt::format("{}={} ({}): {}", text_at(condition, {"type"}), text_at(condition, {"status"}),
                     text_at(condition, {"reason"}), text_at(condition, {"message"}));
}

bool is_new(const World& world, const json& object) {
  const auto created = time_at(object, {"metadata", "creationTimestamp"});
  return created && world.cluster_now() - *created < kRolloutGrace;
}

/// False where there is no status to speak of.
bool visited(const World& world, const ObjectName& name, const json& object, Id unvisited, Id old, Findings& findings) {
  if (at(object, {"status", "conditions"}).empty()) {
    if (!is_new(world, object)) findings.add(unvisited, name, "it has no conditions");
    return false;
  }
  const auto generation = number_at(object, {"metadata", "generation"}).value_or(0);
  const auto observed = number_at(object, {"status", "observedGeneration"}).value_or(0);
  if (observed < generation) {
    findings.add(old, name, fmt::format("its generation is {}, its status is of {}", generation, observed));
  }
  return true;
}

void examine_keys(const World& world, const ObjectName& name, const json& provider, Findings& findings) {
  const json& fresh = condition_of(provider, "KeysFresh");
  const json& discovered = condition_of(provider, "Discovered");
  const auto failures = number_at(provider, {"status", "consecutiveFailures"}).value_or(0);
  if (is(fresh, "False")) {
    findings.add(Id::ProviderKeys, name, say(fresh));
  } else if (is(discovered, "False")) {
    findings.add(Id::ProviderDiscovery, name, say(discovered));
  } else if (failures > 0) {
    findings.add(Id::ProviderFailing, name, fmt::format("{} fetches in a row failed; {}", failures, say(fresh)));
  } else if ((is(fresh, "Unknown") || is(discovered, "Unknown")) && !is_new(world, provider) &&
             !is(condition_of(provider, "Accepted"), "False")) {
    findings.add(Id::ProviderPending, name, say(is(fresh, "Unknown") ? fresh : discovered));
  }
  for (const json& key : at(provider, {"status", "keys"})) {
    const auto since = time_at(key, {"firstSeenTime"});
    if (text_at(key, {"state"}) != "Active" || !since || world.cluster_now() - *since < kKeyOld) continue;
    findings.add(Id::ProviderKeyOld, name,
                 fmt::format("key {} is there for {}", text_at(key, {"kid"}), age_text(world.cluster_now() - *since)));
  }
}

void examine_fetches(const World& world, const ObjectName& name, const json& provider, Findings& findings) {
  const Time now = world.cluster_now();
  const auto next = time_at(provider, {"status", "nextFetchTime"}),
             last = time_at(provider, {"status", "lastFetchTime"});
  if (!next) return;  // keys of the resource itself: nobody fetches
  if (*next + kFetchGrace < now) {
    findings.add(Id::ProviderOverdue, name, fmt::format("the next fetch was due {} ago", age_text(now - *next)));
  }
  const auto most = parse_duration(text_at(provider, {"status", "effective", "rotation", "maxStale"}));
  if (!last || !most || is(condition_of(provider, "KeysFresh"), "False") || now - *last < *most / 2) return;
  findings.add(
      Id::ProviderKeysAging, name,
      fmt::format("the last good fetch was {} ago, maxStale is {}", age_text(now - *last), format_duration(*most)));
}

void examine_programmed(const ObjectName& name, const json& policy, Findings& findings) {
  const json& programmed = condition_of(policy, "Programmed");
  if (!is(programmed, "False")) return;
  const std::string reason = text_at(programmed, {"reason"});
  const bool pending = reason == "SidecarsPending" || reason == "RecordPending";
  findings.add(reason == "NoSidecars" ? Id::PolicyNoSidecars
               : pending              ? Id::PolicyPending
                                      : Id::PolicyNotProgrammed,
               name, say(programmed));
}

}  // namespace

void examine_providers(const World& world, Findings& findings) {
  for (const json& provider : world.providers.value) {
    const ObjectName name = name_of("IdentityProvider", provider);
    if (!visited(world, name, provider, Id::ProviderUnvisited, Id::ProviderStatusOld, findings)) continue;
    const json& accepted = condition_of(provider, "Accepted");
    if (is(accepted, "False")) findings.add(Id::ProviderInvalid, name, say(accepted));
    examine_keys(world, name, provider, findings);
    examine_fetches(world, name, provider, findings);
  }
}

void examine_policies(const World& world, Findings& findings) {
  for (const json& policy : world.policies.value) {
    const ObjectName name = name_of("AccessPolicy", policy);
    if (!visited(world, name, policy, Id::PolicyUnvisited, Id::PolicyStatusOld, findings)) continue;
    const json& accepted = condition_of(policy, "Accepted");
    const json& refs = condition_of(policy, "ResolvedRefs");
    if (is(accepted, "False")) findings.add(Id::PolicyInvalid, name, say(accepted));
    if (is(refs, "False")) findings.add(Id::PolicyUnresolved, name, say(refs));
    examine_programmed(name, policy, findings);
    const json& bypassable = condition_of(policy, "Bypassable");
    if (is(bypassable, "True")) findings.add(Id::PolicyBypassable, name, say(bypassable));
  }
}

}  // namespace meshauth::cli::check
