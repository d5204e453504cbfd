#include "core/policy/explain.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/base/json_doc.h"
#include "core/base/text.h"
#include "core/policy/listed.h"
#include "core/policy/match.h"
#include "core/policy/pattern.h"

namespace meshauth::policy {
namespace {

using Failures = std::vector<Failure>;
constexpr std::size_t kMostWays = 256;            // through one rule; policies have few
constexpr std::size_t kMostTried = 4096;          // of all rules: some milliseconds
constexpr std::size_t kMostClaims = 1024 * 1024;  // of a changed caller

std::string path_text(const Path& path) {
  std::string out;
  for (const std::string& segment : path.segments) out += "/" + segment;
  return in_quotes(out, 200);
}

/// As the policy names it.
std::string shown_id(const model::ProviderRef& provider) {
  std::string id = provider.id();
  if (id.starts_with(kUnresolvedMark)) id.erase(0, kUnresolvedMark.size());
  return in_quotes(id);
}

std::string claim_path_text(const ClaimPath& path) {
  std::string out;
  for (const std::string& name : path) out += (out.empty() ? "" : ".") + name;
  return out;
}

/// What the claim says, for a person.
std::string claim_value(const Principal& principal, const ClaimPath& path) {
  const auto claim = principal.claims ? find_claim(*principal.claims, path) : std::nullopt;
  if (!claim) return "no such claim";
  if (claim->is_object()) return "an object";
  if (claim->is_null()) return "null";
  return claim->is_array() ? "a list of " + listed(claim_texts(*claim)) : in_quotes(claim_text(*claim).value_or(""));
}

class Explainer {
 public:
  Explainer(const Engine& engine, const Principal& principal, const Request& request)
      : engine_(engine), principal_(principal), request_(request) {}

  RuleExplanation rule(const CompiledPolicy::Entry& policy, const model::Rule& rule) const;
  /// Every way through an entry of from and one of to: what fails on it.
  std::vector<Failures> ways(const CompiledPolicy::Entry& policy, const model::Rule& rule) const;

 private:
  bool unresolved(const CompiledPolicy::Entry& policy, const model::ProviderRef& provider) const {
    return policy.unresolved.count(provider.id()) > 0 || engine_.policy().unresolved.count(provider.id()) > 0;
  }
  /// Does some identity of the caller count for policies of this mode?
  bool has_principal(model::Mode mode) const {
    return std::any_of(principal_.identities.begin(), principal_.identities.end(), [&](const Identity& identity) {
      return mode == model::Mode::Audit ? engine_.names_provider(identity.provider)
                                        : engine_.enforced_provider(identity.provider);
    });
  }
  Failures from_entry(const CompiledPolicy::Entry& policy, const model::Rule& rule, std::size_t index) const;
  void identity(const model::From& from, const Identity& identity, std::optional<simdjson::dom::element> claims,
                const std::string& at, Failures& out) const;
  Failures to_entry(const model::To& to, const std::string& at) const;
  void variables(const CompiledPolicy::Entry& policy, const model::Rule& rule, const PathPattern* pattern,
                 Failures& out) const;
  std::vector<Failures> to_ways(const CompiledPolicy::Entry& policy, const model::Rule& rule) const;
  void other_when(const model::Rule& rule, Failures& out) const;

  const Engine& engine_;
  const Principal& principal_;
  const Request& request_;
};

void list_failures(const model::ListMatch& wanted, const std::vector<std::string>* given, const std::string& at,
                   Failures& out) {
  static const std::vector<std::string> kNothing;
  const auto& have = given == nullptr ? kNothing : *given;
  if (!holds({wanted.all, {}}, given)) out.push_back({at + ".all", "all of " + listed(wanted.all), listed(have)});
  if (!holds({{}, wanted.any}, given)) out.push_back({at + ".any", "one of " + listed(wanted.any), listed(have)});
}

void Explainer::identity(const model::From& from, const Identity& identity,
                         std::optional<simdjson::dom::element> claims, const std::string& at, Failures& out) const {
  const auto fits = [&](const std::string& pattern) { return subject_matches(pattern, identity.subject); };
  if (!from.subjects.empty() && std::none_of(from.subjects.begin(), from.subjects.end(), fits)) {
    out.push_back({at + ".subjects", "one of " + listed(from.subjects), in_quotes(identity.subject)});
  }
  if (!from.clients.empty() &&
      std::find(from.clients.begin(), from.clients.end(), identity.client) == from.clients.end()) {
    out.push_back({at + ".clients", "one of " + listed(from.clients), in_quotes(identity.client)});
  }
  list_failures(from.scopes, identity.scopes, at + ".scopes", out);
  list_failures(from.groups, identity.groups, at + ".groups", out);
  list_failures(from.roles, identity.roles, at + ".roles", out);
  for (std::size_t i = 0; i < from.claims.size(); ++i) {
    const ClaimCondition& condition = from.claims[i];
    if (claims && meshauth::holds(condition, *claims)) continue;
    std::string expected = fmt::format("{} {}", claim_path_text(condition.path), claim_operator_name(condition.op));
    if (!condition.values.empty()) expected += " " + listed(condition.values);
    out.push_back({fmt::format("{}.claims[{}]", at, i), std::move(expected), claim_value(principal_, condition.path)});
  }
}

Failures Explainer::from_entry(const CompiledPolicy::Entry& policy, const model::Rule& rule, std::size_t index) const {
  const model::From& from = rule.from[index];
  const std::string at = fmt::format("from[{}]", index);
  if (from.anyone) return {};
  const std::string id = from.provider->id();
  const bool resolves = !unresolved(policy, *from.provider);
  if (!resolves && rule.action == model::Action::Deny) return {};
  const auto& identities = principal_.identities;
  const auto own =
      std::find_if(identities.begin(), identities.end(), [&](const Identity& it) { return it.provider == id; });
  Failures out;
  if (!resolves) {
    out.push_back({at + ".identityProvider", "a provider that exists and is shared with this namespace",
                   shown_id(*from.provider) + " does not resolve"});
  } else if (own == identities.end()) {
    std::vector<std::string> others;
    others.reserve(identities.size());
    for (const Identity& it : identities) others.emplace_back(it.provider);
    out.push_back({at + ".identityProvider", "a valid token of " + in_quotes(id),
                   others.empty() ? "no token" : "a token of " + listed(others)});
  }
  if (own != identities.end()) {
    identity(from, *own, principal_.claims, at, out);
    return out;
  }
  // A token alone would not do: it has to say all that the entry asks of it.
  static const JsonDoc no_claims = JsonDoc::parse("{}").value();
  identity(from, {}, principal_.claims.value_or(no_claims.root()), at, out);
  return out;
}

Failures Explainer::to_entry(const model::To& to, const std::string& at) const {
  Failures out;
  const auto check = [&](const char* name, const auto& list, bool wanted, bool found, const std::string& actual) {
    if (list.empty() || wanted == found) return;
    out.push_back({fmt::format("{}.{}", at, name), (wanted ? "one of " : "none of ") + listed(list), actual});
  };
  const auto among = [](const auto& list, const auto& value) {
    return std::find(list.begin(), list.end(), value) != list.end();
  };
  const auto host_in = [&](const std::vector<std::string>& patterns) {
    return std::any_of(patterns.begin(), patterns.end(),
                       [&](const std::string& p) { return HostPattern(p).matches(request_.host); });
  };
  const auto path_in = [&](const std::vector<std::string>& patterns) {
    return std::any_of(patterns.begin(), patterns.end(),
                       [&](const std::string& p) { return PathPattern(p).matches(*request_.path); });
  };
  check("methods", to.methods, true, among(to.methods, request_.method), in_quotes(request_.method));
  check("notMethods", to.not_methods, false, among(to.not_methods, request_.method), in_quotes(request_.method));
  check("paths", to.paths, true, path_in(to.paths), path_text(*request_.path));
  check("notPaths", to.not_paths, false, path_in(to.not_paths), path_text(*request_.path));
  check("hosts", to.hosts, true, host_in(to.hosts), in_quotes(request_.host));
  check("notHosts", to.not_hosts, false, host_in(to.not_hosts), in_quotes(request_.host));
  check("ports", to.ports, true, among(to.ports, request_.port), fmt::format("{}", request_.port));
  check("notPorts", to.not_ports, false, among(to.not_ports, request_.port), fmt::format("{}", request_.port));
  return out;
}

/// pattern: the one that binds them; null where none matched, and then the path has been told already.
void Explainer::variables(const CompiledPolicy::Entry& policy, const model::Rule& rule, const PathPattern* pattern,
                          Failures& out) const {
  for (std::size_t i = 0; i < rule.when.size(); ++i) {
    const auto* condition = std::get_if<model::PathVariableCondition>(&rule.when[i]);
    if (condition == nullptr) continue;
    const std::string* segment = nullptr;
    if (pattern != nullptr) {
      if (const auto at = pattern->variable(condition->variable)) segment = &request_.path->segments[*at];
    }
    const bool known = has_principal(policy.mode) && principal_.claims;
    const auto claim = known ? find_claim(*principal_.claims, condition->equals_claim) : std::nullopt;
    if (segment != nullptr && claim && claim_text(*claim) == *segment) continue;
    const std::string bound = segment != nullptr ? in_quotes(*segment) : "nothing, since no path matched";
    out.push_back({fmt::format("when[{}]", i),
                   fmt::format("{{{}}} equals claim {}", condition->variable, claim_path_text(condition->equals_claim)),
                   fmt::format("{{{}}} is {}, the claim is {}", condition->variable, bound,
                               known ? claim_value(principal_, condition->equals_claim) : "missing: no token")});
  }
}

std::vector<Failures> Explainer::to_ways(const CompiledPolicy::Entry& policy, const model::Rule& rule) const {
  std::vector<Failures> out;
  for (std::size_t i = 0; i < rule.to.size(); ++i) {
    const Failures base = to_entry(rule.to[i], fmt::format("to[{}]", i));
    bool bound = false;
    for (const std::string& text : rule.to[i].paths) {
      const PathPattern pattern(text);
      if (!pattern.matches(*request_.path)) continue;
      bound = true;
      variables(policy, rule, &pattern, out.emplace_back(base));
    }
    if (!bound) variables(policy, rule, nullptr, out.emplace_back(base));
  }
  if (out.empty()) variables(policy, rule, nullptr, out.emplace_back());
  return out;
}

void Explainer::other_when(const model::Rule& rule, Failures& out) const {
  for (std::size_t i = 0; i < rule.when.size(); ++i) {
    const std::string at = fmt::format("when[{}]", i);
    if (const auto* source = std::get_if<model::SourceIpCondition>(&rule.when[i])) {
      const auto holds = [&](const Cidr& block) { return block.contains(request_.source); };
      if (std::any_of(source->blocks.begin(), source->blocks.end(), holds)) continue;
      std::vector<std::string> blocks;
      blocks.reserve(source->blocks.size());
      for (const Cidr& block : source->blocks) blocks.push_back(block.text());
      out.push_back({at + ".sourceIPs", "an address in " + listed(blocks), request_.source.text()});
    }
    if (const auto* header = std::get_if<model::HeaderCondition>(&rule.when[i])) {
      const auto lines = request_.headers ? request_.headers(header->name) : std::vector<std::string_view>();
      const bool deny = rule.action == model::Action::Deny;
      if (header_holds(header->values, lines, deny)) continue;
      // What a header says may be a secret; that it is there, or twice, is not.
      const std::string actual = lines.empty()               ? "no such header"
                                 : lines.size() > 1 && !deny ? "the header twice"
                                                             : "another value";
      out.push_back(
          {at + ".header", fmt::format("header {} with one of {}", header->name, listed(header->values)), actual});
    }
  }
}

std::vector<Failures> Explainer::ways(const CompiledPolicy::Entry& policy, const model::Rule& rule) const {
  std::vector<Failures> froms;
  for (std::size_t i = 0; i < rule.from.size(); ++i) froms.push_back(from_entry(policy, rule, i));
  if (froms.empty()) froms.emplace_back();
  const std::vector<Failures> tos = to_ways(policy, rule);
  Failures when;
  other_when(rule, when);
  std::vector<Failures> out;
  for (const Failures& from : froms) {
    for (const Failures& to : tos) {
      if (out.size() == kMostWays) return out;
      Failures& way = out.emplace_back(from);
      way.insert(way.end(), to.begin(), to.end());
      way.insert(way.end(), when.begin(), when.end());
    }
  }
  return out;
}

RuleExplanation Explainer::rule(const CompiledPolicy::Entry& policy, const model::Rule& rule) const {
  RuleExplanation out{policy.id, rule.name, rule.action, policy.mode, {}, ""};
  const auto shortest = [](std::vector<Failures> some) {
    const auto fewer = [](const Failures& a, const Failures& b) { return a.size() < b.size(); };
    return some.empty() ? Failures() : *std::min_element(some.begin(), some.end(), fewer);
  };
  std::vector<Failures> froms;
  for (std::size_t i = 0; i < rule.from.size(); ++i) froms.push_back(from_entry(policy, rule, i));
  out.failures = shortest(std::move(froms));
  const Failures to = shortest(to_ways(policy, rule));
  out.failures.insert(out.failures.end(), to.begin(), to.end());
  other_when(rule, out.failures);
  if (rule.action != model::Action::Deny) return out;
  for (const model::From& from : rule.from) {
    if (!from.provider || !unresolved(policy, *from.provider)) continue;
    out.note = fmt::format("{} does not resolve, so this Deny means every caller", shown_id(*from.provider));
  }
  return out;
}

/// One way through an Allow rule, to be tried.
struct Candidate {
  std::size_t index;  ///< into Explanation::rules
  const CompiledPolicy::Entry* policy;
  const model::Rule* rule;
  Failures failures;
};

/// Decides the change; nullopt where the rule still does not match.
std::optional<Verdict> decided_again(const Engine& engine, const Request& request, const Candidate& candidate,
                                     const Change& change) {
  Principal principal;
  for (const Change::Identity& it : change.identities)
    principal.identities.push_back({it.provider, it.subject, it.client, &it.scopes, &it.groups, &it.roles});
  std::optional<JsonDoc> claims;
  if (!change.claims.empty()) {
    auto parsed = JsonDoc::parse(change.claims, {.bytes = kMostClaims});
    if (!parsed) return std::nullopt;
    claims = std::move(*parsed);
    principal.claims = claims->root();
  }
  const Path path{change.segments};
  Request now{change.method, &path, change.host, change.port, change.source, {}};
  now.headers = [&](std::string_view name) {
    const auto own = change.headers.find(std::string(name));
    if (own != change.headers.end()) return std::vector<std::string_view>{own->second};
    return request.headers ? request.headers(name) : std::vector<std::string_view>();
  };
  if (!Explainer(engine, principal, now).rule(*candidate.policy, *candidate.rule).matches()) return std::nullopt;
  return engine.decide(principal, now).enforced;
}

/// Tries the ways through the Allow rules, the shortest first, until one lets the request pass.
void find_nearest(const Engine& engine, const Principal& principal, const Request& request,
                  std::vector<Candidate> candidates, Explanation& out) {
  std::stable_sort(candidates.begin(), candidates.end(),
                   [](const auto& a, const auto& b) { return a.failures.size() < b.failures.size(); });
  if (candidates.size() > kMostTried) candidates.resize(kMostTried);
  for (const Candidate& candidate : candidates) {
    Change change = changed(principal, request, *candidate.rule, candidate.failures);
    const auto verdict = decided_again(engine, request, candidate, change);
    if (!verdict || (!verdict->allow && out.nearest)) continue;
    out.nearest = candidate.index;
    out.needed = candidate.failures;
    out.change = std::move(change);
    out.denied_by = verdict->allow ? "" : fmt::format("rule {} of policy {}", verdict->rule, verdict->policy);
    if (verdict->allow) return;
  }
}

/// What a rule goes by, each condition by its place.
std::vector<std::string> conditions_of(const model::Rule& rule, const RuleExplanation& explained) {
  std::vector<std::string> out;
  const bool anyone =
      std::any_of(rule.from.begin(), rule.from.end(), [](const model::From& from) { return from.anyone; });
  if (!rule.from.empty() && !anyone && explained.note.empty()) out.emplace_back("from");
  for (std::size_t i = 0; i < rule.to.size(); ++i) {
    const model::To& to = rule.to[i];
    for (const auto& [name, given] :
         std::initializer_list<std::pair<const char*, bool>>{{"methods", !to.methods.empty()},
                                                             {"notMethods", !to.not_methods.empty()},
                                                             {"paths", !to.paths.empty()},
                                                             {"notPaths", !to.not_paths.empty()},
                                                             {"hosts", !to.hosts.empty()},
                                                             {"notHosts", !to.not_hosts.empty()},
                                                             {"ports", !to.ports.empty()},
                                                             {"notPorts", !to.not_ports.empty()}}) {
      if (given) out.push_back(fmt::format("to[{}].{}", i, name));
    }
  }
  constexpr const char* kKinds[] = {"", ".sourceIPs", ".header"};
  for (std::size_t i = 0; i < rule.when.size(); ++i)
    out.push_back(fmt::format("when[{}]{}", i, kKinds[rule.when[i].index()]));
  return out;
}

}  // namespace

Explanation explain(const Engine& engine, const Principal& principal, const Request& request) {
  Explanation out;
  out.decision = engine.decide(principal, request);
  if (request.path == nullptr) return out;
  const Verdict& verdict = out.decision.enforced;
  const Explainer explainer(engine, principal, request);
  std::vector<Candidate> candidates;
  for (const CompiledPolicy::Entry& policy : engine.policy().policies) {
    for (const model::Rule& rule : policy.rules) {
      const std::size_t index = out.rules.size();
      out.rules.push_back(explainer.rule(policy, rule));
      if (verdict.reason == Reason::denied_by_rule && verdict.policy == policy.id && verdict.rule == rule.name)
        out.deny_conditions = conditions_of(rule, out.rules.back());
      if (rule.action != model::Action::Allow || policy.mode == model::Mode::Audit) continue;
      for (Failures& way : explainer.ways(policy, rule)) candidates.push_back({index, &policy, &rule, std::move(way)});
    }
  }
  if (!verdict.allow && verdict.reason != Reason::denied_by_rule)
    find_nearest(engine, principal, request, std::move(candidates), out);
  return out;
}

}  // namespace meshauth::policy
