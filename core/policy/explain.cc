#include "core/policy/explain.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/base/json_doc.h"
#include "core/base/text.h"
#include "core/policy/match.h"
#include "core/policy/pattern.h"

namespace meshauth::policy {
namespace {

using Failures = std::vector<Failure>;
constexpr std::size_t kMostShown = 8;  // of a list: enough to see what is meant

std::string listed(const auto& values) {
  if (values.empty()) return "nothing";
  std::string out;
  std::size_t shown = 0;
  for (const auto& value : values) {
    if (shown++ == kMostShown) return out + fmt::format(" and {} more", values.size() - kMostShown);
    if (!out.empty()) out += ", ";
    if constexpr (std::is_integral_v<std::decay_t<decltype(value)>>) {
      out += fmt::format("{}", value);
    } else {
      out += in_quotes(value);
    }
  }
  return out;
}

std::string path_text(const Path& path) {
  std::string out;
  for (const std::string& segment : path.segments) out += "/" + segment;
  return in_quotes(out, 200);
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
  Failures nearest_to(const CompiledPolicy::Entry& policy, const model::Rule& rule) const;
  void other_when(const model::Rule& rule, Failures& out) const;

  const Engine& engine_;
  const Principal& principal_;
  const Request& request_;
};

void keep_shorter(std::optional<Failures>& best, Failures failures) {
  if (!best || failures.size() < best->size()) best = std::move(failures);
}

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
                   in_quotes(id) + " does not resolve"});
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

Failures Explainer::nearest_to(const CompiledPolicy::Entry& policy, const model::Rule& rule) const {
  std::optional<Failures> best;
  for (std::size_t i = 0; i < rule.to.size(); ++i) {
    const Failures base = to_entry(rule.to[i], fmt::format("to[{}]", i));
    bool bound = false;
    for (const std::string& text : rule.to[i].paths) {
      const PathPattern pattern(text);
      if (!pattern.matches(*request_.path)) continue;
      bound = true;
      Failures failures = base;
      variables(policy, rule, &pattern, failures);
      keep_shorter(best, std::move(failures));
    }
    if (bound) continue;
    Failures failures = base;
    variables(policy, rule, nullptr, failures);
    keep_shorter(best, std::move(failures));
  }
  if (!best) variables(policy, rule, nullptr, best.emplace());
  return *best;
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

RuleExplanation Explainer::rule(const CompiledPolicy::Entry& policy, const model::Rule& rule) const {
  RuleExplanation out{policy.id, rule.name, rule.action, policy.mode, {}};
  std::optional<Failures> best;
  for (std::size_t i = 0; i < rule.from.size(); ++i) keep_shorter(best, from_entry(policy, rule, i));
  if (best) out.failures = std::move(*best);
  const Failures to = nearest_to(policy, rule);
  out.failures.insert(out.failures.end(), to.begin(), to.end());
  other_when(rule, out.failures);
  return out;
}

}  // namespace

Explanation explain(const Engine& engine, const Principal& principal, const Request& request) {
  Explanation out;
  out.decision = engine.decide(principal, request);
  if (request.path == nullptr) return out;
  const Explainer explainer(engine, principal, request);
  for (const CompiledPolicy::Entry& policy : engine.policy().policies) {
    for (const model::Rule& rule : policy.rules) out.rules.push_back(explainer.rule(policy, rule));
  }
  if (out.decision.enforced.allow || out.decision.enforced.reason == Reason::denied_by_rule) return out;
  for (std::size_t i = 0; i < out.rules.size(); ++i) {
    const RuleExplanation& rule = out.rules[i];
    if (rule.action != model::Action::Allow || rule.mode == model::Mode::Audit) continue;
    if (!out.nearest || rule.failures.size() < out.rules[*out.nearest].failures.size()) out.nearest = i;
  }
  return out;
}

std::string to_text(const Verdict& verdict) {
  std::string out =
      verdict.allow ? "allow" : fmt::format("deny ({} {})", reason_status(verdict.reason), reason_name(verdict.reason));
  if (!verdict.rule.empty()) out += fmt::format(" by rule {} of policy {}", verdict.rule, verdict.policy);
  if (!verdict.missing_scopes.empty()) out += "; missing scopes: " + listed(verdict.missing_scopes);
  return out;
}

std::string to_text(const Explanation& explanation) {
  std::string out = to_text(explanation.decision.enforced) + "\n";
  if (explanation.decision.audit) out += "with audit policies: " + to_text(*explanation.decision.audit) + "\n";
  std::string policy;
  for (const RuleExplanation& rule : explanation.rules) {
    if (rule.policy != policy) {
      policy = rule.policy;
      out += fmt::format("policy {}{}\n", policy, rule.mode == model::Mode::Audit ? " (audit)" : "");
    }
    out += fmt::format("  {} {}: {}\n", rule.action == model::Action::Allow ? "Allow" : "Deny", rule.rule,
                       rule.matches() ? "matches" : "does not match");
    if (rule.matches()) continue;
    const Failure& first = rule.failures.front();
    out += fmt::format("    {}: expected {}, found {}\n", first.field, first.expected, first.actual);
  }
  if (explanation.nearest) {
    const RuleExplanation& rule = explanation.rules[*explanation.nearest];
    out += fmt::format("smallest change: rule {} of policy {} would allow it with\n", rule.rule, rule.policy);
    for (const Failure& failure : rule.failures) {
      out += fmt::format("  {}: expected {}, found {}\n", failure.field, failure.expected, failure.actual);
    }
  } else if (explanation.decision.enforced.reason == Reason::denied_by_rule) {
    out += "smallest change: none of the caller's; a Deny matches, and no Allow outweighs it\n";
  }
  return out;
}

}  // namespace meshauth::policy
