#include "core/policy/engine.h"

#include <algorithm>
#include <array>
#include <bit>

#include "core/policy/compiled_rules.h"
#include "core/policy/match.h"
#include "core/policy/route_filter.h"
#include "core/policy/route_index.h"

namespace meshauth::policy {
namespace {

/// Enforced policies alone, or together with those in audit.
struct View {
  bool audit = false;
  std::uint32_t first = kNone;  ///< the first identity that counts here; kNone: no principal
};

/// What of a request is found once and used for every rule.
struct Lookup {
  Lookup(const Request& asked, const CompiledRules& rules, const RouteIndex& index, const RouteFilter& filter)
      : request(asked),
        headers(asked, rules.headers()),
        method(filter.method(asked.method)),
        port(filter.port(asked.port)) {
    index.find(asked.host, *asked.path, places);
  }

  const Request& request;
  HeaderLines headers;
  RouteFilter::Allowed method, port;
  Places places;
};

/// How path variables are judged.
enum class Claims : std::uint8_t {
  Known,    ///< compared with the principal's
  Missing,  ///< no principal: no comparison holds
  Unknown,  ///< could a token make them hold?
};

bool variables_hold(const RuleMatch& rule, const Route& route, const Path& path, const Match& match, Claims claims) {
  for (std::size_t i = 0; i < rule.variables.size(); ++i) {
    const std::uint16_t segment = route.variables[i];
    if (segment == Route::kUnbound || claims == Claims::Missing) return false;
    if (claims == Claims::Unknown) continue;
    const std::uint32_t claim = rule.variables[i].claim;
    if (claim >= match.texts.size() || match.texts[claim] != path.segments[segment]) return false;
  }
  return true;
}

}  // namespace

struct Engine::Impl {
  explicit Impl(CompiledPolicy given)
      : policy(std::move(given)), rules(policy), index(rules), filter(rules, index.routes()) {
    for (const auto& entry : policy.policies) {
      (entry.mode == model::Mode::Audit ? has_audit : has_enforced) = true;
    }
    takes_tokens.resize((index.routes().size() + 63) / 64);
    for (std::size_t i = 0; i < index.routes().size(); ++i) {
      const RuleMatch& rule = rules.rules()[index.routes()[i].rule];
      has_class[static_cast<std::size_t>(class_of(rule))] = true;
      if (rule.takes_tokens) set_bit(takes_tokens, i);
      if (rule.takes_tokens && !rule.deny && !rule.audit) token_helps = true;
    }
  }

  Decision decide(const Match& match, const Request& request) const;
  bool fits(const Route& route, Lookup& lookup, const Match& match, Claims claims) const;
  std::uint32_t first_in(std::size_t begin, std::size_t end, Lookup& lookup, const RouteBits& bits, const Match& match,
                         Claims claims, std::uint32_t best) const;
  std::uint32_t first_rule(Lookup& lookup, RouteClass route_class, const RouteBits& bits, const Match& match,
                           Claims claims, std::uint32_t best) const;
  std::uint32_t first_rule(Lookup& lookup, bool deny, const View& view, const RouteBits& bits, const Match& match,
                           Claims claims) const;
  Verdict judge(Lookup& lookup, const View& view, const Match& match) const;
  Verdict decided_by(std::uint32_t rule, const View& view, const Match& match) const;
  Verdict refuse(Lookup& lookup, const View& view, const Match& match) const;
  std::vector<std::string> missing_scopes(std::uint32_t rule, const Match& match) const;

  CompiledPolicy policy;
  CompiledRules rules;
  RouteIndex index;
  RouteFilter filter;
  RouteBits takes_tokens;  ///< routes of rules that a token could fit
  std::array<bool, kRouteClasses> has_class{};
  bool has_enforced = false, has_audit = false, token_helps = false;
};

bool Engine::Impl::fits(const Route& route, Lookup& lookup, const Match& match, Claims claims) const {
  if (route.to != kNone) {
    const ToMatch& to = rules.tos()[route.to];
    const Request& request = lookup.request;
    if (!lookup.method.exact && !method_allowed(*to.to, request.method)) return false;
    if (!lookup.port.exact && !port_allowed(*to.to, request.port)) return false;
    if (to.excludes(request)) return false;
  }
  const RuleMatch& rule = rules.rules()[route.rule];
  return variables_hold(rule, route, *lookup.request.path, match, claims) &&
         rule.conditions_hold(lookup.request, lookup.headers);
}

/// The first rule below `best` with a route in [begin, end) whose bit is set and that fits; else `best`.
std::uint32_t Engine::Impl::first_in(std::size_t begin, std::size_t end, Lookup& lookup, const RouteBits& bits,
                                     const Match& match, Claims claims, std::uint32_t best) const {
  const RouteBits& method = *lookup.method.bits;
  const RouteBits& port = *lookup.port.bits;
  for (std::size_t word = begin / 64; word * 64 < end; ++word) {
    std::uint64_t left = bits[word] & method[word] & port[word];
    if (word == begin / 64) left &= ~std::uint64_t{0} << (begin % 64);
    for (; left != 0; left &= left - 1) {
      const std::size_t i = word * 64 + static_cast<std::size_t>(std::countr_zero(left));
      if (i >= end) return best;
      const Route& route = index.routes()[i];
      if (route.rule >= best) return best;  // the routes of a place are in order of their rules
      if (fits(route, lookup, match, claims)) return route.rule;
    }
  }
  return best;
}

std::uint32_t Engine::Impl::first_rule(Lookup& lookup, RouteClass route_class, const RouteBits& bits,
                                       const Match& match, Claims claims, std::uint32_t best) const {
  if (bits.empty() || !has_class[static_cast<std::size_t>(route_class)]) return best;
  for (std::size_t p = 0; p < lookup.places.size(); ++p) {
    const Place& place = lookup.places[p];
    const auto at = static_cast<std::size_t>(route_class);
    if (place.begin[at] == place.begin[at + 1]) continue;
    best = first_in(place.begin[at], place.begin[at + 1], lookup, bits, match, claims, best);
  }
  return best;
}

std::uint32_t Engine::Impl::first_rule(Lookup& lookup, bool deny, const View& view, const RouteBits& bits,
                                       const Match& match, Claims claims) const {
  const auto enforced = deny ? RouteClass::Deny : RouteClass::Allow;
  const std::uint32_t best = first_rule(lookup, enforced, bits, match, claims, kNone);
  if (!view.audit) return best;
  return first_rule(lookup, deny ? RouteClass::AuditDeny : RouteClass::AuditAllow, bits, match, claims, best);
}

Verdict Engine::Impl::decided_by(std::uint32_t rule, const View& view, const Match& match) const {
  const RuleMatch& by = rules.rules()[rule];
  Verdict verdict;
  verdict.allow = !by.deny;
  verdict.reason = by.deny ? Reason::denied_by_rule : Reason::none;
  verdict.policy = by.policy->id;
  verdict.rule = by.rule->name;
  std::uint32_t provider = view.first;
  if (!by.anyone && !match.provider_of_rule.empty()) provider = match.provider_of_rule[rule];
  if (provider != kNone) verdict.provider = rules.providers()[provider];
  return verdict;
}

std::vector<std::string> Engine::Impl::missing_scopes(std::uint32_t rule, const Match& match) const {
  const auto at = std::lower_bound(match.scope_entries.begin(), match.scope_entries.end(), std::pair{rule, 0U});
  const FromMatch& entry = rules.rules()[rule].from[at->second];
  const auto scopes = std::find_if(match.scopes.begin(), match.scopes.end(),
                                   [&](const auto& given) { return given.first == entry.provider; });
  return missing(entry.from->scopes, scopes->second);
}

Verdict Engine::Impl::refuse(Lookup& lookup, const View& view, const Match& match) const {
  Verdict verdict;
  if (view.first == kNone) {
    const bool helps = first_rule(lookup, false, view, takes_tokens, match, Claims::Unknown) != kNone;
    verdict.reason = helps ? Reason::token_missing : Reason::no_rule_matched;
    return verdict;
  }
  const std::uint32_t rule = first_rule(lookup, false, view, match.scope_only, match, Claims::Known);
  if (rule == kNone) return verdict;
  verdict.reason = Reason::scope_insufficient;
  verdict.missing_scopes = missing_scopes(rule, match);
  return verdict;
}

Verdict Engine::Impl::judge(Lookup& lookup, const View& view, const Match& match) const {
  if (!has_enforced && !(view.audit && has_audit)) {
    Verdict verdict;
    verdict.allow = policy.default_action == model::Action::Allow;
    verdict.reason = verdict.allow ? Reason::none : Reason::no_policy;
    return verdict;
  }
  const Claims claims = view.first == kNone ? Claims::Missing : Claims::Known;
  for (const bool deny : {true, false}) {
    const std::uint32_t rule = first_rule(lookup, deny, view, match.from, match, claims);
    if (rule != kNone) return decided_by(rule, view, match);
  }
  return refuse(lookup, view, match);
}

Decision Engine::Impl::decide(const Match& match, const Request& request) const {
  Lookup lookup(request, rules, index, filter);
  Decision decision{judge(lookup, {false, match.first_enforced}, match), std::nullopt};
  if (!has_audit) return decision;
  Verdict with_audit = judge(lookup, {true, match.first}, match);
  if (with_audit.allow != decision.enforced.allow) decision.audit = std::move(with_audit);
  return decision;
}

Engine::Engine(CompiledPolicy policy) : impl_(std::make_unique<const Impl>(std::move(policy))) {}
Engine::~Engine() = default;

const CompiledPolicy& Engine::policy() const {
  return impl_->policy;
}
bool Engine::selected() const {
  return impl_->has_enforced;
}
bool Engine::token_could_help() const {
  return impl_->token_helps;
}

const std::vector<std::string>& Engine::condition_headers() const {
  return impl_->rules.headers().all();
}

bool Engine::enforced_provider(std::string_view id) const {
  const std::uint32_t provider = impl_->rules.providers().find(id);
  return provider != kNone && impl_->rules.enforced(provider);
}

bool Engine::names_provider(std::string_view id) const {
  return impl_->rules.providers().find(id) != kNone;
}

std::shared_ptr<const Match> Engine::match(const Principal& principal) const {
  auto match = make_match(impl_->rules, impl_->index.routes(), principal);
  match->engine = impl_.get();
  return match;
}

Decision Engine::decide(const Match& match, const Request& request) const {
  if (match.engine != impl_.get() || request.path == nullptr) {
    Verdict verdict;
    verdict.reason = Reason::internal;  // a caller's mistake: closed
    return {verdict, std::nullopt};
  }
  return impl_->decide(match, request);
}

Decision Engine::decide(const Principal& principal, const Request& request) const {
  return decide(*match(principal), request);
}

}  // namespace meshauth::policy
