#include <nlohmann/json.hpp>
#include <variant>

#include "core/plan/status.h"

namespace meshauth::plan {
namespace {

using nlohmann::json;

std::size_t usable_keys(const ProviderFacts& facts, Time now) {
  return facts.history ? facts.history->key_set(now).keys.size() : 0;
}

bool needs_discovery(const model::IdentityProvider& provider) {
  return std::holds_alternative<model::Discovery>(provider.keys);
}

Condition accepted(const ProviderFacts& facts) {
  if (facts.provider.errors.empty()) return condition("Accepted", true, "Accepted", "the provider is valid");
  return condition("Accepted", false, "Invalid",
                   model::to_message(facts.provider.errors) + " (the last good form of this provider stays in force)");
}

/// A discovery document of another issuer is refused for this provider alone: its key source may serve others.
bool foreign(const ProviderFacts& facts) {
  return facts.provider.value && facts.history &&
         foreign_issuer(*facts.provider.value, facts.history->discovered_issuer);
}

Condition discovered(const ProviderFacts& facts) {
  constexpr std::string_view kType = "Discovered";
  if (!facts.provider.value) return unknown_condition(kType, "Invalid", "the provider's spec is refused");
  if (!needs_discovery(*facts.provider.value))
    return condition(kType, true, "NotNeeded", "the keys are named by the resource");
  if (facts.fetch.discovery_failed) {
    return condition(kType, false, facts.fetch.error_reason, facts.fetch.error_message);
  }
  if (!facts.history) return unknown_condition(kType, "Pending", "the discovery document was not fetched yet");
  if (foreign(facts)) {
    return condition(
        kType, false, "IssuerMismatch",
        fmt::format("the discovery document is of issuer {}; spec.issuer is {}: they must be equal byte for byte",
                    facts.history->discovered_issuer, facts.provider.value->settings.issuer));
  }
  return condition(kType, true, "Discovered", "keys are at " + facts.history->jwks_uri);
}

Condition keys_fresh(const ProviderFacts& facts, std::size_t keys, Time now) {
  constexpr std::string_view kType = "KeysFresh";
  const bool failing = !facts.fetch.error_reason.empty();
  const std::string failure = failing ? "the last fetch failed: " + facts.fetch.error_message : std::string();
  if (keys == 0) {
    if (failing) return condition(kType, false, facts.fetch.error_reason, failure);
    if (!facts.history) return unknown_condition(kType, "Pending", "the keys were not fetched yet");
    return condition(kType, false, "KeysMissing", "the provider lists no key that can be used; see status.skippedKeys");
  }
  const auto& value = facts.provider.value;
  const auto stale = value ? value->settings.max_stale : std::nullopt;
  if (stale && facts.history->last_good && *facts.history->last_good + *stale < now) {
    return condition(
        kType, false, "KeysStale",
        fmt::format("the last good fetch was at {}, more than maxStale {} ago; tokens of this provider are "
                    "answered 503. {}",
                    format_time(*facts.history->last_good), format_duration(*stale), failure));
  }
  if (failing) return condition(kType, true, facts.fetch.error_reason, failure + ". The last good keys stay in use");
  return condition(kType, true, "KeysFresh", fmt::format("{} {}", keys, keys == 1 ? "key" : "keys"));
}

Condition ready(const ProviderFacts& facts, const Condition& accepted, const Condition& discovered,
                const Condition& fresh) {
  const auto as = [](const Condition& why, bool unknown = false) {
    return unknown ? unknown_condition("Ready", why.reason, why.message)
                   : condition("Ready", false, why.reason, why.message);
  };
  if (accepted.status != "True") return as(accepted);
  if (fresh.status == "False") return as(fresh);
  const bool lasting = facts.fetch.consecutive_failures >= kFailuresThatNeedAPerson || foreign(facts);
  if (discovered.status == "False" && lasting) return as(discovered);
  if (fresh.status == "Unknown") return as(fresh, true);
  if (discovered.status == "Unknown") return as(discovered, true);
  if (lasting) return condition("Ready", false, fresh.reason, fresh.message);
  return condition("Ready", true, "Ready", "nobody needs to act");
}

json paths(const std::vector<ClaimPath>& list) {
  json out = json::array();
  for (const ClaimPath& path : list) out.push_back({{"path", path}});
  return out;
}

json effective(const model::IdentityProvider& provider) {
  const ProviderSettings& s = provider.settings;
  json sources = json::array(), required = json::array();
  for (const TokenSource& source : s.token_sources) {
    json item = json::object();
    if (!source.header.empty()) item["header"] = source.header;
    if (!source.scheme.empty()) item["scheme"] = source.scheme;
    if (!source.cookie.empty()) item["cookie"] = source.cookie;
    sources.push_back(std::move(item));
  }
  for (const ClaimCondition& c : s.required_claims) {
    required.push_back({{"path", c.path}, {"operator", claim_operator_name(c.op)}, {"values", c.values}});
  }
  std::vector<std::string> types;
  types.reserve(s.token_types.size());
  for (const std::string& type : s.token_types) types.push_back(type.empty() ? "(none)" : type);
  json out{{"issuerAliases", s.issuer_aliases},
           {"audienceClaim", s.audience_claim},
           {"algorithms", s.algorithms.names()},
           {"tokenTypes", types},
           {"clockSkew", format_duration(s.clock_skew)},
           {"tokenSources", sources},
           {"requiredClaims", required},
           {"claimMappings",
            {{"subject", {{"path", s.mappings.subject}}},
             {"client", paths(s.mappings.client)},
             {"scopes", paths(s.mappings.scopes)},
             {"groups", paths(s.mappings.groups)},
             {"roles", paths(s.mappings.roles)}}},
           {"rotation",
            {{"refreshInterval", format_duration(provider.rotation.refresh_interval)},
             {"minRefetchInterval", format_duration(provider.rotation.min_refetch_interval)},
             {"overlap", format_duration(provider.rotation.overlap)},
             {"maxStale", format_duration(provider.rotation.max_stale)}}}};
  if (s.max_token_lifetime) out["maxTokenLifetime"] = format_duration(*s.max_token_lifetime);
  return out;
}

json keys_json(const KeyHistory& history) {
  json out = json::array();
  for (const TrackedKey& tracked : history.keys) {
    json key{{"kty", tracked.key.kty},
             {"thumbprint", tracked.key.thumbprint},
             {"state", tracked.retire ? "Retiring" : "Active"},
             {"firstSeenTime", format_time(tracked.first_seen)},
             {"lastSeenTime", format_time(tracked.last_seen)}};
    if (!tracked.key.kid.empty()) key["kid"] = tracked.key.kid;
    if (!tracked.key.alg.empty()) key["alg"] = tracked.key.alg;
    if (tracked.retire) key["retireTime"] = format_time(*tracked.retire);
    out.push_back(std::move(key));
  }
  return out;
}

json skipped_json(const ProviderFacts& facts, Time now) {
  json out = json::array();
  const auto set = facts.history->key_set(now);
  for (const auto& skipped : set.skipped) out.push_back({{"kid", skipped.kid}, {"reason", skipped.reason}});
  for (const auto& kid : set.ambiguous_kids) {
    out.push_back({{"kid", kid}, {"reason", "two different keys with this kid could both verify: neither is used"}});
  }
  return out;
}

}  // namespace

json provider_status(const ProviderFacts& facts, const json& previous, Time now) {
  const std::size_t keys = usable_keys(facts, now);
  const Condition a = accepted(facts), d = discovered(facts), f = keys_fresh(facts, keys, now);
  const std::int64_t generation = facts.provider.meta.generation;
  json out{
      {"observedGeneration", generation},
      {"conditions", conditions_to_json({a, d, f, ready(facts, a, d, f)}, generation,
                                        previous.is_object() ? previous.value("conditions", json()) : json(), now)},
      {"keyCount", keys},
      {"consecutiveFailures", facts.fetch.consecutive_failures}};
  if (facts.provider.value) {
    out["issuer"] = facts.provider.value->settings.issuer;
    out["effective"] = effective(*facts.provider.value);
  }
  if (facts.history) {
    if (!facts.history->jwks_uri.empty()) out["jwksUri"] = facts.history->jwks_uri;
    if (facts.history->last_good) out["lastFetchTime"] = format_time(*facts.history->last_good);
    out["keys"] = keys_json(*facts.history);
    out["skippedKeys"] = skipped_json(facts, now);
  }
  if (facts.fetch.next_fetch) out["nextFetchTime"] = format_time(*facts.fetch.next_fetch);
  return out;
}

}  // namespace meshauth::plan
