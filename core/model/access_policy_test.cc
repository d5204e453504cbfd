#include "core/model/access_policy.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

namespace meshauth::model {
namespace {

using nlohmann::json;

json policy_with(const std::string& spec) {
  return {{"apiVersion", "meshauth.dev/v1alpha1"},
          {"kind", "AccessPolicy"},
          {"metadata", {{"name", "orders"}, {"namespace", "shop"}, {"uid", "u-1"}, {"generation", 3}}},
          {"spec", json::parse(spec)}};
}

FieldErrors faults(const json& object) {
  const auto policy = parse_access_policy(object);
  return policy ? FieldErrors{} : policy.error();
}

bool names(const FieldErrors& errors, const std::string& field) {
  return std::any_of(errors.begin(), errors.end(), [&](const FieldError& error) { return error.field == field; });
}

}  // namespace

TEST_CASE("a whole policy is read as it is written") {
  const auto policy = parse_access_policy(policy_with(R"({
    "workloads": ["orders", "billing"], "mode": "Audit",
    "rules": [
      {"name": "own", "action": "Allow",
       "from": [{"identityProvider": {"name": "okta"}, "subjects": ["a*"], "clients": ["web"], "scopes": {"all": ["read"]},
                 "groups": {"any": ["g"]}, "roles": {"all": ["r"]}, "claims": [{"path": ["a", "b"], "operator": "NotIn", "values": ["x"]}]},
                {"identityProvider": {"name": "okta", "namespace": "auth"}}, {"anyone": true}],
       "to": [{"methods": ["GET"], "notMethods": ["PUT"], "paths": ["/u/{id}/**"], "notPaths": ["/u/0"], "hosts": ["*.example.com"],
               "notHosts": ["x.example.com"], "ports": [80, 8080.0], "notPorts": [81]}],
       "when": [{"pathVariable": "id", "equalsClaim": ["sub"]}, {"sourceIPs": ["10.0.0.0/8"]}, {"header": "X-Tenant", "values": ["a", "b"]}]},
      {"name": "no", "action": "Deny"}]})"));
  REQUIRE(policy);
  CHECK(policy->meta == Meta{"shop", "orders", "u-1", 3});
  CHECK(policy->workloads == std::vector<std::string>{"orders", "billing"});
  CHECK(policy->mode == Mode::Audit);
  REQUIRE(policy->rules.size() == 2);
  const Rule& rule = policy->rules[0];
  CHECK(rule.name == "own");
  CHECK(rule.action == Action::Allow);
  REQUIRE(rule.from.size() == 3);
  CHECK(rule.from[0].provider->id() == "shop/okta");
  CHECK(rule.from[0].subjects == std::vector<std::string>{"a*"});
  CHECK(rule.from[0].scopes == ListMatch{{"read"}, {}});
  CHECK(rule.from[0].groups == ListMatch{{}, {"g"}});
  CHECK(rule.from[0].claims == std::vector<ClaimCondition>{{{"a", "b"}, ClaimOperator::NotIn, {"x"}}});
  CHECK(rule.from[1].provider->id() == "auth/okta");
  CHECK(rule.from[2].anyone);
  CHECK_FALSE(rule.from[2].provider);
  CHECK(rule.to[0].ports == std::vector<std::uint16_t>{80, 8080});
  CHECK(rule.to[0].not_ports == std::vector<std::uint16_t>{81});
  CHECK(rule.to[0].not_hosts == std::vector<std::string>{"x.example.com"});
  REQUIRE(rule.when.size() == 3);
  CHECK(std::get<PathVariableCondition>(rule.when[0]).equals_claim == ClaimPath{"sub"});
  CHECK(std::get<SourceIpCondition>(rule.when[1]).blocks[0].text() == "10.0.0.0/8");
  CHECK(std::get<HeaderCondition>(rule.when[2]).name == "x-tenant");
  CHECK(policy->rules[1].action == Action::Deny);
  CHECK(policy->rules[1].from.empty());
}

TEST_CASE("what is left out has its default") {
  const auto policy = parse_access_policy(policy_with(R"({"rules": []})"));
  REQUIRE(policy);
  CHECK(policy->mode == Mode::Enforce);
  CHECK_FALSE(policy->workloads);
  json object = policy_with(R"({"rules": []})");
  object["metadata"].erase("namespace");
  CHECK(parse_access_policy(object)->meta.ns == "default");
  object["status"] = {{"anything", 1}};
  CHECK(parse_access_policy(object));
  // null is absent, as the API server prunes it.
  CHECK(parse_access_policy(policy_with(
      R"({"workloads": null, "mode": null, "rules": [{"name": "a", "action": "Deny", "from": null, "to": null}]})")));
  CHECK(names(faults(policy_with(R"({"rules": null})")), "spec.rules"));
}

TEST_CASE("all that is wrong is told at once, each with its field") {
  const auto errors = faults(policy_with(R"({"mode": "Off", "workload": ["x"], "rules": [
      {"name": "A", "action": "Allow", "from": [{"identityProviders": {}}, {"subjects": ["x"]}], "to": [{"path": ["/x"]}, {"paths": ["x"]}]},
      {"name": "b", "action": "Allow"}]})"));
  for (const char* field : {"spec.mode", "spec.workload", "spec.rules[0].name",
                            "spec.rules[0].from[0].identityProviders", "spec.rules[0].from[1].identityProvider",
                            "spec.rules[0].to[0].path", "spec.rules[0].to[1].paths[0]", "spec.rules[1].from"}) {
    CAPTURE(field);
    CHECK(names(errors, field));
  }
  const std::string message = to_message(errors);
  CHECK(message.find("spec.mode: found \"Off\"; write one of Enforce, Audit") != std::string::npos);
}

TEST_CASE("a misspelt field never widens a rule") {
  for (
      const char* rule :
      {R"({"name": "a", "action": "Deny", "form": [{"anyone": true}]})",
       R"({"name": "a", "action": "Deny", "to": [{"path": ["/x"]}]})",
       R"({"name": "a", "action": "Deny", "when": [{"sourceIps": ["10.0.0.0/8"]}]})",
       R"({"name": "a", "action": "Deny", "from": [{"identityProvider": {"name": "x", "ns": "y"}}]})",
       R"({"name": "a", "action": "Deny", "from": [{"identityProvider": {"name": "x"}, "scopes": {"All": ["y"]}}]})"}) {
    CAPTURE(rule);
    CHECK_FALSE(faults(policy_with(std::string("{\"rules\": [") + rule + "]}")).empty());
  }
}

TEST_CASE("a path variable stands once in a path, and in every path of a rule that compares it") {
  const auto rule = [](const std::string& paths, const std::string& more = "") {
    return faults(policy_with(R"({"rules": [{"name": "a", "action": "Deny", "to": [{"paths": )" + paths + "}" + more +
                              R"(], "when": [{"pathVariable": "id", "equalsClaim": ["sub"]}]}]})"));
  };
  CHECK(rule(R"(["/u/{id}", "/x/{y}/{id}/**"])").empty());
  CHECK(names(rule(R"(["/u/{id}", "/x"])"), "spec.rules[0].to[0].paths[1]"));
  CHECK(names(rule(R"(["/{id}/{id}"])"), "spec.rules[0].to[0].paths[0]"));
  CHECK(names(rule(R"(["/{id}"])", R"(, {"methods": ["GET"]})"), "spec.rules[0].to[1].paths"));
  CHECK(names(
      faults(policy_with(
          R"({"rules": [{"name": "a", "action": "Deny", "when": [{"pathVariable": "id", "equalsClaim": ["sub"]}]}]})")),
      "spec.rules[0].to"));
}

TEST_CASE("an object of another kind, version or shape is refused") {
  CHECK(names(faults(json::array()), ""));
  CHECK(names(faults("x"), ""));
  json object = policy_with(R"({"rules": []})");
  object["kind"] = "IdentityProvider";
  CHECK(names(faults(object), "kind"));
  object = policy_with(R"({"rules": []})");
  object["apiVersion"] = "meshauth.dev/v1";
  CHECK(names(faults(object), "apiVersion"));
  object = policy_with(R"({"rules": []})");
  object.erase("spec");
  CHECK(names(faults(object), "spec"));
  object = policy_with(R"({"rules": []})");
  object["metadata"]["name"] = "Not A Name";
  CHECK(names(faults(object), "metadata.name"));
  object["spec"] = 7;
  CHECK(names(faults(object), "spec"));
}

TEST_CASE("faults are bounded in number, and a message in bytes") {
  std::string rules;
  for (int i = 0; i < 64; ++i)
    rules += (i == 0 ? "" : ",") + std::string(R"({"name": "A", "action": "x", "from": [{}], "to": [{}]})");
  const auto errors = faults(policy_with("{\"rules\": [" + rules + "]}"));
  CHECK(errors.size() == 100);
  const std::string message = to_message(errors, 500);
  CHECK(message.size() <= 500);
  CHECK(message.find(" more") != std::string::npos);
  CHECK(to_message({{"f", std::string(100, 'x')}}, 20).size() == 20);
}

}  // namespace meshauth::model
