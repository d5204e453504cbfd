#include "core/policy/reference/failures.h"

#include "core/policy/reference/conditions.h"

namespace meshauth::reference {
namespace {

using model::Action;
using model::Mode;
using nlohmann::json;
using Strings = std::vector<std::string>;

/// Collects the places of what does not hold.
struct Failed {
  Strings places;
  void unless(bool holds, const std::string& place) {
    if (!holds) places.push_back(place);
  }
};

std::string at(const char* list, std::size_t index) {
  return std::string(list) + "[" + std::to_string(index) + "]";
}

void ask_list(const model::ListMatch& wanted, const Strings& given, const std::string& place, Failed& failed) {
  failed.unless(list_holds({wanted.all, {}}, given), place + ".all");
  failed.unless(list_holds({{}, wanted.any}, given), place + ".any");
}

Strings through_from(const Policy& policy, const model::Rule& rule, std::size_t index, const Caller& caller) {
  const model::From& from = rule.from[index];
  const std::string place = at("from", index);
  Failed failed;
  if (from.anyone) return {};
  const bool unresolved = policy.unresolved.count(from.provider->id()) > 0;
  if (unresolved && rule.action == Action::Deny) return {};
  const Identity* known = nullptr;
  for (const Identity& identity : caller.identities) {
    if (known == nullptr && identity.provider == from.provider->id()) known = &identity;
  }
  failed.unless(!unresolved && known != nullptr, place + ".identityProvider");
  const Identity who = known == nullptr ? Identity{} : *known;
  const json claims = known == nullptr && caller.claims.is_null() ? json::object() : caller.claims;
  failed.unless(subject_holds(from.subjects, who.subject), place + ".subjects");
  failed.unless(from.clients.empty() || has(from.clients, who.client), place + ".clients");
  ask_list(from.scopes, who.scopes, place + ".scopes", failed);
  ask_list(from.groups, who.groups, place + ".groups", failed);
  ask_list(from.roles, who.roles, place + ".roles", failed);
  for (std::size_t i = 0; i < from.claims.size(); ++i) {
    failed.unless(!claims.is_null() && claim_says(from.claims[i], claims), place + "." + at("claims", i));
  }
  return failed.places;
}

Strings through_to(const model::To& to, const std::string& place, const Request& request) {
  Failed failed;
  failed.unless(to.methods.empty() || has(to.methods, request.method), place + ".methods");
  failed.unless(!has(to.not_methods, request.method), place + ".notMethods");
  failed.unless(to.paths.empty() || path_holds(to.paths, request.segments), place + ".paths");
  failed.unless(!path_holds(to.not_paths, request.segments), place + ".notPaths");
  failed.unless(to.hosts.empty() || host_holds(to.hosts, request.host), place + ".hosts");
  failed.unless(!host_holds(to.not_hosts, request.host), place + ".notHosts");
  failed.unless(to.ports.empty() || port_holds(to.ports, request.port), place + ".ports");
  failed.unless(!port_holds(to.not_ports, request.port), place + ".notPorts");
  return failed.places;
}

/// Everything of `when`: first what the path's variables say, then the rest.
Strings through_when(const model::Rule& rule, const Request& request, const Binding& binding, const json& claims) {
  Failed variables, others;
  for (std::size_t i = 0; i < rule.when.size(); ++i) {
    const bool holds = when_says(rule.when[i], request, binding, &claims, rule.action == Action::Deny);
    constexpr const char* kSuffixes[] = {"", ".sourceIPs", ".header"};
    const std::size_t kind = rule.when[i].index();
    (kind == 0 ? variables : others).unless(holds, at("when", i) + kSuffixes[kind]);
  }
  variables.places.insert(variables.places.end(), others.places.begin(), others.places.end());
  return variables.places;
}

/// Of the request: each entry of to with each of its paths that matches.
std::vector<Strings> request_ways(const model::Rule& rule, const Request& request, const json& claims) {
  std::vector<Strings> out;
  const auto add = [&](Strings way, const Binding& binding) {
    const Strings when = through_when(rule, request, binding, claims);
    way.insert(way.end(), when.begin(), when.end());
    out.push_back(std::move(way));
  };
  if (rule.to.empty()) add({}, {});
  for (std::size_t i = 0; i < rule.to.size(); ++i) {
    const Strings failed = through_to(rule.to[i], at("to", i), request);
    bool bound = false;
    for (const std::string& pattern : rule.to[i].paths) {
      const auto binding = path_binding(pattern, request.segments);
      if (binding) add(failed, *binding);
      bound = bound || binding;
    }
    if (!bound) add(failed, {});
  }
  return out;
}

}  // namespace

Strings failed_conditions(const std::vector<const Policy*>& policies, const Policy& policy, const model::Rule& rule,
                          const Caller& caller, const Request& request) {
  std::vector<const Policy*> seen;
  for (const Policy* other : policies) {
    if (policy.policy.mode == Mode::Audit || other->policy.mode == Mode::Enforce) seen.push_back(other);
  }
  std::vector<Strings> callers;
  for (std::size_t i = 0; i < rule.from.size(); ++i) callers.push_back(through_from(policy, rule, i, caller));
  if (callers.empty()) callers.emplace_back();
  const auto requests = request_ways(rule, request, seen_by(seen, caller).claims);
  std::optional<Strings> best;
  for (const Strings& from : callers) {
    for (const Strings& to : requests) {
      if (best && from.size() + to.size() >= best->size()) continue;
      best = from;
      best->insert(best->end(), to.begin(), to.end());
    }
  }
  return *best;
}

}  // namespace meshauth::reference
