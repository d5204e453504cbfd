#include <nlohmann/json.hpp>

#include "core/policy/compiled_policy.h"

namespace meshauth::policy {
namespace {

using nlohmann::json;

/// Members that say nothing are left out.
template <class T>
void put(json& object, const char* name, const std::vector<T>& list) {
  if (!list.empty()) object[name] = list;
}

void put(json& object, const char* name, const model::ListMatch& match) {
  if (match.empty()) return;
  json out = json::object();
  put(out, "all", match.all);
  put(out, "any", match.any);
  object[name] = std::move(out);
}

json claim_json(const ClaimCondition& condition) {
  json out{{"path", condition.path}, {"operator", claim_operator_name(condition.op)}};
  put(out, "values", condition.values);
  return out;
}

json from_entry_json(const model::From& from) {
  json out = json::object();
  if (from.anyone) out["anyone"] = true;
  if (from.provider) out["provider"] = from.provider->id();
  put(out, "subjects", from.subjects);
  put(out, "clients", from.clients);
  put(out, "scopes", from.scopes);
  put(out, "groups", from.groups);
  put(out, "roles", from.roles);
  for (const ClaimCondition& condition : from.claims) out["claims"].push_back(claim_json(condition));
  return out;
}

json to_entry_json(const model::To& to) {
  json out = json::object();
  put(out, "methods", to.methods);
  put(out, "notMethods", to.not_methods);
  put(out, "paths", to.paths);
  put(out, "notPaths", to.not_paths);
  put(out, "hosts", to.hosts);
  put(out, "notHosts", to.not_hosts);
  put(out, "ports", to.ports);
  put(out, "notPorts", to.not_ports);
  return out;
}

struct WhenWriter {
  json operator()(const model::PathVariableCondition& condition) const {
    return {{"pathVariable", condition.variable}, {"equalsClaim", condition.equals_claim}};
  }
  json operator()(const model::SourceIpCondition& condition) const {
    json blocks = json::array();
    for (const Cidr& block : condition.blocks) blocks.push_back(block.text());
    return {{"sourceIPs", std::move(blocks)}};
  }
  json operator()(const model::HeaderCondition& condition) const {
    return {{"header", condition.name}, {"values", condition.values}};
  }
};

json rule_json(const model::Rule& rule) {
  json out{{"name", rule.name}, {"action", rule.action == model::Action::Allow ? "Allow" : "Deny"}};
  for (const model::From& from : rule.from) out["from"].push_back(from_entry_json(from));
  for (const model::To& to : rule.to) out["to"].push_back(to_entry_json(to));
  for (const model::When& when : rule.when) out["when"].push_back(std::visit(WhenWriter{}, when));
  return out;
}

}  // namespace

std::string to_json(const CompiledPolicy& policy) {
  json policies = json::array();
  for (const CompiledPolicy::Entry& entry : policy.policies) {
    json out{
        {"id", entry.id}, {"mode", entry.mode == model::Mode::Enforce ? "Enforce" : "Audit"}, {"rules", json::array()}};
    for (const model::Rule& rule : entry.rules) out["rules"].push_back(rule_json(rule));
    if (!entry.unresolved.empty()) out["unresolved"] = entry.unresolved;
    policies.push_back(std::move(out));
  }
  json out{{"defaultAction", policy.default_action == model::Action::Allow ? "Allow" : "Deny"},
           {"policies", std::move(policies)}};
  if (!policy.unresolved.empty()) out["unresolved"] = policy.unresolved;
  return out.dump();
}

}  // namespace meshauth::policy
