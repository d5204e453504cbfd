#include "core/policy/reference/reference.h"

#include <algorithm>

#include "core/policy/reference/conditions.h"

namespace meshauth::reference {
namespace {

using model::Action;
using model::Mode;
using nlohmann::json;
using Strings = std::vector<std::string>;

bool hit(const char* what, bool holds) {
  static std::map<std::pair<const char*, bool>, std::size_t*> known;
  std::size_t*& count = known[{what, holds}];
  if (count == nullptr) count = &hits().count[std::string(what) + (holds ? " holds" : " fails")];
  ++*count;
  return holds;
}

bool claim_holds(const ClaimCondition& condition, const json& claims) {
  return hit(claim_operator_name(condition.op).data(), claim_says(condition, claims));
}

// Callers.

/// All of the entry but its scopes.
bool entry_holds_but_scopes(const model::From& from, const Identity& identity, const json& claims) {
  if (identity.provider != from.provider->id()) return false;
  bool holds = true;
  if (!from.subjects.empty()) holds = hit("subjects", subject_holds(from.subjects, identity.subject)) && holds;
  if (!from.clients.empty()) holds = hit("clients", has(from.clients, identity.client)) && holds;
  if (!from.groups.all.empty()) holds = hit("groups.all", list_holds({from.groups.all, {}}, identity.groups)) && holds;
  if (!from.groups.any.empty()) holds = hit("groups.any", list_holds({{}, from.groups.any}, identity.groups)) && holds;
  if (!from.roles.all.empty()) holds = hit("roles.all", list_holds({from.roles.all, {}}, identity.roles)) && holds;
  if (!from.roles.any.empty()) holds = hit("roles.any", list_holds({{}, from.roles.any}, identity.roles)) && holds;
  for (const auto& condition : from.claims) holds = !claims.is_null() && claim_holds(condition, claims) && holds;
  return holds;
}

bool scopes_hold(const model::From& from, const Identity& identity) {
  if (from.scopes.empty()) return true;
  return hit(from.scopes.all.empty() ? "scopes.any" : "scopes.all", list_holds(from.scopes, identity.scopes));
}

// Requests.

/// By the widest that it holds.
const char* form_of(const std::string& pattern) {
  if (pattern.find("**") != pattern.npos) return "path **";
  if (pattern.find('*') != pattern.npos) return "path *";
  return pattern.find('{') != pattern.npos ? "path {name}" : "path of names";
}

/// Each way that the request fits `to` of the rule: how its path is bound.
std::vector<Binding> bindings(const model::Rule& rule, const Request& request) {
  std::vector<Binding> out;
  if (rule.to.empty()) out.emplace_back();
  for (const model::To& to : rule.to) {
    bool fits = true;
    if (!to.methods.empty()) fits = hit("methods", has(to.methods, request.method)) && fits;
    if (!to.hosts.empty()) fits = hit("hosts", host_holds(to.hosts, request.host)) && fits;
    if (!to.ports.empty()) fits = hit("ports", port_holds(to.ports, request.port)) && fits;
    if (!to.not_methods.empty()) fits = hit("notMethods", !has(to.not_methods, request.method)) && fits;
    if (!to.not_hosts.empty()) fits = hit("notHosts", !host_holds(to.not_hosts, request.host)) && fits;
    if (!to.not_ports.empty()) fits = hit("notPorts", !port_holds(to.not_ports, request.port)) && fits;
    if (!to.not_paths.empty()) fits = hit("notPaths", !path_holds(to.not_paths, request.segments)) && fits;
    if (!fits) continue;
    if (to.paths.empty()) out.emplace_back();
    for (const auto& pattern : to.paths) {
      const auto binding = path_binding(pattern, request.segments);
      hit(form_of(pattern), binding.has_value());
      if (hit("paths", binding.has_value())) out.push_back(*binding);
    }
  }
  return out;
}

bool when_holds(const model::When& when, const Request& request, const Binding& binding, const json* claims,
                bool deny) {
  constexpr const char* kNames[] = {"pathVariable", "sourceIPs", "header"};
  return hit(kNames[when.index()], when_says(when, request, binding, claims, deny));
}

bool request_fits(const model::Rule& rule, const Request& request, const json* claims) {
  for (const Binding& binding : bindings(rule, request)) {
    bool all = true;
    const bool deny = rule.action == model::Action::Deny;
    for (const auto& when : rule.when) all = when_holds(when, request, binding, claims, deny) && all;
    if (all) return true;
  }
  return false;
}

// The decision.

struct FromAnswer {
  bool holds = false, scopes_missing = false, token_helps = false;
  std::string provider;
  Strings missing;
};

Strings missing_of(const model::ListMatch& wanted, const Strings& given) {
  Strings out;
  for (const auto& scope : wanted.all) {
    if (!has(given, scope)) out.push_back(scope);
  }
  if (!list_holds({{}, wanted.any}, given)) out.insert(out.end(), wanted.any.begin(), wanted.any.end());
  return out;
}

FromAnswer ask_from(const Policy& policy, const model::Rule& rule, const Caller& caller) {
  FromAnswer out;
  std::set<std::string> matched;
  const auto match_everyone = [&] {
    out.holds = true;
    for (const auto& identity : caller.identities) matched.insert(identity.provider);
  };
  if (rule.from.empty()) match_everyone();
  for (const auto& from : rule.from) {
    if (from.anyone) {
      hit("anyone", true);
      match_everyone();
    } else if (policy.unresolved.count(from.provider->id()) > 0) {
      if (hit("unresolved", rule.action == Action::Deny)) match_everyone();
    } else {
      out.token_helps = true;
      for (const auto& identity : caller.identities) {
        if (!entry_holds_but_scopes(from, identity, caller.claims)) continue;
        if (scopes_hold(from, identity)) {
          out.holds = true;
          matched.insert(identity.provider);
        } else if (!out.scopes_missing) {
          out.scopes_missing = true;
          out.missing = missing_of(from.scopes, identity.scopes);
        }
      }
    }
  }
  if (!matched.empty()) out.provider = *matched.begin();
  return out;
}

/// One rule, and what its `from` says of the caller.
struct Asked {
  const Policy* policy;
  const model::Rule* rule;
  FromAnswer from;
};

/// The rules of one set of policies, in order, asked about one caller.
struct Inquiry {
  Caller caller;
  bool selected = false;
  std::vector<Asked> rules;
};

Inquiry inquire(const std::vector<const Policy*>& policies, const Caller& caller) {
  Inquiry out{seen_by(policies, caller), !policies.empty(), {}};
  for (const Policy* policy : policies) {
    for (const auto& rule : policy->policy.rules)
      out.rules.push_back({policy, &rule, ask_from(*policy, rule, out.caller)});
  }
  return out;
}

Answer judge(const Inquiry& inquiry, bool default_allow, const Request& request) {
  Answer answer;
  if (!inquiry.selected) {
    answer.allow = default_allow;
    answer.reason = default_allow ? "" : "no_policy";
    return answer;
  }
  const Caller& caller = inquiry.caller;
  for (const Action action : {Action::Deny, Action::Allow}) {
    for (const auto& [policy, rule, from] : inquiry.rules) {
      if (rule->action != action || !from.holds || !request_fits(*rule, request, &caller.claims)) continue;
      const bool allow = action == Action::Allow;
      return {allow, allow ? "" : "denied_by_rule", policy->policy.meta.id(), rule->name, from.provider, {}};
    }
  }
  answer.reason = "no_rule_matched";
  for (const auto& [policy, rule, from] : inquiry.rules) {
    if (rule->action == Action::Deny) continue;
    if (caller.identities.empty()) {
      if (from.token_helps && request_fits(*rule, request, nullptr)) answer.reason = "token_missing";
    } else if (from.scopes_missing && request_fits(*rule, request, &caller.claims)) {
      answer.reason = "scope_insufficient";
      answer.missing_scopes = from.missing;
      return answer;
    }
  }
  return answer;
}

}  // namespace

Hits& hits() {
  static Hits all;
  return all;
}

std::vector<Answers> decide(std::vector<const Policy*> policies, bool default_allow, const Caller& caller,
                            const std::vector<Request>& requests) {
  std::sort(policies.begin(), policies.end(),
            [](const Policy* a, const Policy* b) { return a->policy.meta.id() < b->policy.meta.id(); });
  std::vector<const Policy*> enforced;
  for (const Policy* policy : policies) {
    if (policy->policy.mode == Mode::Enforce) enforced.push_back(policy);
  }
  const Inquiry by_enforced = inquire(enforced, caller), by_all = inquire(policies, caller);
  std::vector<Answers> out;
  for (const Request& request : requests) {
    Answers answers{judge(by_enforced, default_allow, request), std::nullopt};
    const Answer with_audit = judge(by_all, default_allow, request);
    if (with_audit.allow != answers.enforced.allow) answers.audit = with_audit;
    out.push_back(std::move(answers));
  }
  return out;
}

}  // namespace meshauth::reference
