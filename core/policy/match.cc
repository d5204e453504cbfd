#include "core/policy/match.h"

#include <algorithm>
#include <map>

namespace meshauth::policy {
namespace {

bool among(const std::vector<std::string>& list, std::string_view text) {
  return std::find(list.begin(), list.end(), text) != list.end();
}

/// The identities whose provider some rule names; of two with one provider the first.
std::map<std::uint32_t, const Identity*> known_identities(const CompiledRules& rules, const Principal& principal) {
  std::map<std::uint32_t, const Identity*> out;
  for (const Identity& identity : principal.identities) {
    const std::uint32_t provider = rules.providers().find(identity.provider);
    if (provider != kNone) out.emplace(provider, &identity);
  }
  return out;
}

struct RuleResult {
  FromResult result = FromResult::Fails;
  std::uint32_t provider = kNone;     ///< the first that matched
  std::uint32_t scope_entry = kNone;  ///< the first entry that fails by scopes alone
};

RuleResult compare_rule(const RuleMatch& rule, const std::map<std::uint32_t, const Identity*>& identities,
                        const Principal& principal) {
  RuleResult out;
  for (std::uint32_t i = 0; i < rule.from.size(); ++i) {
    const FromMatch& entry = rule.from[i];
    if (entry.kind == FromMatch::Kind::Anyone) out.result = FromResult::Holds;
    if (entry.kind != FromMatch::Kind::Provider) continue;
    const auto identity = identities.find(entry.provider);
    if (identity == identities.end()) continue;
    const FromResult result = compare(*entry.from, *identity->second, principal.claims);
    out.result = std::max(out.result, result);
    if (result == FromResult::Holds) out.provider = std::min(out.provider, entry.provider);
    if (result == FromResult::FailsByScopes) out.scope_entry = std::min(out.scope_entry, i);
  }
  return out;
}

}  // namespace

bool same_match(const Match& a, const Match& b) {
  return a == b;
}

bool holds(const model::ListMatch& wanted, const std::vector<std::string>* given) {
  static const std::vector<std::string> kNothing;
  const auto& have = given == nullptr ? kNothing : *given;
  const auto there = [&](const std::string& text) { return among(have, text); };
  return std::all_of(wanted.all.begin(), wanted.all.end(), there) &&
         (wanted.any.empty() || std::any_of(wanted.any.begin(), wanted.any.end(), there));
}

std::vector<std::string> missing(const model::ListMatch& wanted, const std::vector<std::string>& given) {
  std::vector<std::string> out;
  for (const std::string& scope : wanted.all) {
    if (!among(given, scope)) out.push_back(scope);
  }
  const auto there = [&](const std::string& scope) { return among(given, scope); };
  if (std::none_of(wanted.any.begin(), wanted.any.end(), there))
    out.insert(out.end(), wanted.any.begin(), wanted.any.end());
  return out;
}

FromResult compare(const model::From& from, const Identity& identity,
                   const std::optional<simdjson::dom::element>& claims) {
  const auto fits = [&](const std::string& pattern) { return subject_matches(pattern, identity.subject); };
  if (!from.subjects.empty() && std::none_of(from.subjects.begin(), from.subjects.end(), fits))
    return FromResult::Fails;
  if (!from.clients.empty() && !among(from.clients, identity.client)) return FromResult::Fails;
  if (!holds(from.groups, identity.groups) || !holds(from.roles, identity.roles)) return FromResult::Fails;
  for (const ClaimCondition& condition : from.claims) {
    if (!claims || !meshauth::holds(condition, *claims)) return FromResult::Fails;
  }
  return holds(from.scopes, identity.scopes) ? FromResult::Holds : FromResult::FailsByScopes;
}

std::shared_ptr<Match> make_match(const CompiledRules& rules, const std::vector<Route>& routes,
                                  const Principal& principal) {
  auto match = std::make_shared<Match>();
  const auto identities = known_identities(rules, principal);
  for (const auto& [provider, identity] : identities) {
    if (match->first == kNone) match->first = provider;
    if (match->first_enforced == kNone && rules.enforced(provider)) match->first_enforced = provider;
  }
  std::vector<FromResult> results;
  results.reserve(rules.rules().size());
  if (identities.size() > 1) match->provider_of_rule.reserve(rules.rules().size());
  for (std::uint32_t i = 0; i < rules.rules().size(); ++i) {
    const RuleMatch& rule = rules.rules()[i];
    const RuleResult result = compare_rule(rule, identities, principal);
    if (result.result == FromResult::FailsByScopes && !rule.deny)
      match->scope_entries.emplace_back(i, result.scope_entry);
    results.push_back(result.result);
    if (identities.size() > 1) match->provider_of_rule.push_back(result.provider);
  }
  const std::size_t words = (routes.size() + 63) / 64;
  match->from.resize(words);
  for (std::size_t i = 0; i < routes.size(); ++i) {
    const FromResult result = results[routes[i].rule];
    if (result == FromResult::Holds) set_bit(match->from, i);
    if (result != FromResult::FailsByScopes || rules.rules()[routes[i].rule].deny) continue;
    if (match->scope_only.empty()) match->scope_only.resize(words);
    set_bit(match->scope_only, i);
  }
  if (!match->scope_only.empty()) {
    for (const auto& [provider, identity] : identities) {
      match->scopes.emplace_back(provider,
                                 identity->scopes == nullptr ? std::vector<std::string>() : *identity->scopes);
    }
  }
  if (principal.claims && !identities.empty()) {
    for (const ClaimPath& path : rules.claims()) {
      const auto claim = find_claim(*principal.claims, path);
      match->texts.push_back(claim ? claim_text(*claim) : std::nullopt);
    }
  }
  return match;
}

}  // namespace meshauth::policy
