#include "core/policy/compiled_policy.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "core/policy/case_builder_test.h"

namespace meshauth::policy {
namespace {

using testing::make_policy;

constexpr const char* kEverything = R"([
  {"name": "all", "action": "Allow",
   "from": [{"identityProvider": {"name": "okta", "namespace": "auth"}, "subjects": ["a", "b*"], "clients": ["c"],
             "scopes": {"all": ["s"]}, "groups": {"any": ["g"]}, "roles": {"all": ["r"]},
             "claims": [{"path": ["a", "b"], "operator": "In", "values": ["v"]}, {"path": ["x"], "operator": "Exists"}]}],
   "to": [{"methods": ["GET"], "notMethods": ["POST"], "paths": ["/u/{id}"], "notPaths": ["/u/0"], "hosts": ["*.example.com"],
           "notHosts": ["x.example.com"], "ports": [80], "notPorts": [81]}],
   "when": [{"pathVariable": "id", "equalsClaim": ["sub"]}, {"sourceIPs": ["10.0.0.0/8", "2001:db8::/32"]},
            {"header": "X-Tenant", "values": ["blue"]}]},
  {"name": "deny", "action": "Deny"},
  {"name": "open", "action": "Allow", "from": [{"anyone": true}]}
])";

}  // namespace

TEST_CASE("policy.json is the same for any order of the policies, and reads back to itself") {
  const auto a = make_policy("orders/a", kEverything), b = make_policy("orders/b", "[]", model::Mode::Audit),
             c = make_policy("auth/c", R"([{"name": "x", "action": "Deny"}])");
  const std::set<std::string> unresolved{"auth/okta"};
  const std::string json = to_json(compile({&a, &b, &c}, unresolved, model::Action::Deny));
  CHECK(json == to_json(compile({&c, &b, &a}, unresolved, model::Action::Deny)));
  const auto again = from_json(json);
  REQUIRE_MESSAGE(again, again.error().message);
  CHECK(to_json(*again) == json);
  CHECK(again->policies.size() == 3);
  CHECK(again->policies[0].id == "auth/c");
  CHECK(again->policies[2].mode == model::Mode::Audit);
  CHECK(again->unresolved == unresolved);
  CHECK(again->policies[1].rules[0].when.size() == 3);
  CHECK(std::get<model::HeaderCondition>(again->policies[1].rules[0].when[2]).name == "x-tenant");
}

TEST_CASE("a reference resolves per policy") {
  const auto a = make_policy("orders/a", "[]"), b = make_policy("root/b", "[]");
  const auto policy = compile(std::vector<PolicyInput>{{&a, {"root/okta"}}, {&b, {}}}, model::Action::Allow);
  const auto again = from_json(to_json(policy));
  REQUIRE(again);
  CHECK(again->default_action == model::Action::Allow);
  CHECK(again->policies[0].unresolved == std::set<std::string>{"root/okta"});
  CHECK(again->policies[1].unresolved.empty());
}

TEST_CASE("a reference that was marked as unresolved is read as it was written") {
  auto policy = make_policy("orders/a", kEverything);
  policy.rules[0].from[0].provider->ns = "unresolved:auth";
  const std::string json = to_json(compile({&policy}, {"unresolved:auth/okta"}, model::Action::Deny));
  const auto again = from_json(json);
  REQUIRE_MESSAGE(again, again.error().message);
  CHECK(to_json(*again) == json);
  CHECK(again->policies[0].rules[0].from[0].provider->ns == "unresolved:auth");
}

TEST_CASE("a reader passes over nothing: each member removed, renamed or spoilt is refused or changes the policy") {
  using nlohmann::json;
  const auto policy = make_policy("orders/a", kEverything);
  const json good = json::parse(to_json(compile({&policy}, {}, model::Action::Deny)));
  const json flat = good.flatten();
  std::size_t tried = 0;
  for (const auto& [pointer, value] : flat.items()) {
    const json::json_pointer at(pointer);
    CAPTURE(pointer);
    for (const json& wrong :
         {json(nullptr), json::object(), json::array(), json(-1), json(1.5), json(""), json(true)}) {
      json spoilt = good;
      spoilt[at] = wrong;
      if (spoilt == good) continue;
      CAPTURE(wrong.dump());
      CHECK_FALSE(from_json(spoilt.dump()));
      ++tried;
    }
    json extra = good;
    json& parent = extra[at.parent_pointer()];
    if (!parent.is_object()) continue;
    parent["unknown\n"] = 1;
    const auto refused = from_json(extra.dump());
    REQUIRE_FALSE(refused);
    CHECK(refused.error().message.ends_with(R"(: has the member "unknown\x0a", which is not known)"));
  }
  CHECK(tried > 200);
}

TEST_CASE("policy.json of another shape is refused") {
  const std::string_view rows[] = {
      "",
      "{}",
      "[]",
      R"({"defaultAction":"Deny"})",
      R"({"defaultAction":"deny","policies":[]})",
      R"({"defaultAction":"Deny","policies":{}})",
      R"({"defaultAction":"Deny","policies":[],"policies":[]})",
      R"({"defaultAction":"Deny","policies":[]} x)",
      R"({"defaultAction":"Deny","policies":[{"id":"b/b","mode":"Enforce","rules":[]},{"id":"a/a","mode":"Enforce","rules":[]}]})",
      R"({"defaultAction":"Deny","policies":[{"id":"a/a","mode":"Enforce","rules":[]},{"id":"a/a","mode":"Enforce","rules":[]}]})",
      R"({"defaultAction":"Deny","policies":[{"id":"a","mode":"Enforce","rules":[]}]})",
      R"({"defaultAction":"Deny","policies":[{"id":"a/a","mode":"Enforce","rules":[{"name":"x","action":"Allow"}]}]})",
      R"({"defaultAction":"Deny","policies":[{"id":"a/a","mode":"Enforce","rules":[{"name":"x","action":"Deny","from":[{}]}]}]})",
      R"({"defaultAction":"Deny","policies":[{"id":"a/a","mode":"Enforce","rules":[{"name":"x","action":"Deny","from":[{"anyone":true,"provider":"a/b"}]}]}]})",
      R"({"defaultAction":"Deny","policies":[{"id":"a/a","mode":"Enforce","rules":[{"name":"x","action":"Deny","when":[{}]}]}]})",
  };
  for (const auto text : rows) {
    CAPTURE(text);
    const auto policy = from_json(text);
    REQUIRE_FALSE(policy);
    CHECK(policy.error().message.starts_with("policy.json"));
  }
  CHECK(from_json(R"({"defaultAction":"Deny","policies":[]})"));
  CHECK_FALSE(from_json(R"({"defaultAction":"Deny","policies":[]})" + std::string(kMaxPolicyBytes, ' ')));
}

TEST_CASE("a rule that says two things at once, or nothing, is refused by name") {
  const struct {
    const char* good;
    const char* bad;
    const char* at;  ///< the field that is blamed
    const char* what;
  } rows[] = {
      {R"("from":[{"anyone":true}])", R"("from":[{"anyone":true,"subjects":["a"]}])", "from[0]", "neither anyone nor"},
      {R"("from":[{"provider":"a/b","clients":["c"]}])", R"("from":[{"anyone":true,"clients":["c"]}])", "from[0]",
       "neither anyone nor"},
      {R"("when":[{"header":"x-a","values":["v"]}])", R"("when":[{"header":"X-A","values":["v"]}])", "when[0]",
       "lower case"},
      {R"("when":[{"header":"x-a","values":["v"]}])", R"("when":[{"header":"x-a"}])", "when[0]", "lacks values"},
      {R"("from":[{"provider":"a/b","claims":[{"path":["c"],"operator":"Exists"}]}])",
       R"("from":[{"provider":"a/b","claims":[{"path":["c"],"operator":"Exists","values":["v"]}]}])",
       "from[0].claims[0]", "values where none belong"},
      {R"("from":[{"provider":"a/b","claims":[{"path":["c"],"operator":"In","values":["v"]}]}])",
       R"("from":[{"provider":"a/b","claims":[{"path":["c"],"operator":"In"}]}])", "from[0].claims[0]", "values"},
      {R"("from":[{"provider":"a/b","claims":[{"path":["c"],"operator":"NotExists"}]}])",
       R"("from":[{"provider":"a/b","claims":[{"operator":"NotExists"}]}])", "from[0].claims[0]", "lacks a path"},
      {R"("to":[{"ports":[1]}])", R"("to":[{"ports":[0]}])", "to[0].ports[0]", "no port"},
      {R"("to":[{"notPorts":[65535]}])", R"("to":[{"notPorts":[65536]}])", "to[0].notPorts[0]", "no port"},
      {R"("from":[{"provider":"a/b","roles":{"all":["r"]}}])", R"("from":[{"provider":"a/b","roles":{}}])",
       "from[0].roles", "is empty"},
      {R"("when":[{"pathVariable":"id","equalsClaim":["sub"]}])", R"("when":[{"pathVariable":"id"}])", "when[0]",
       "equalsClaim"},
  };
  const auto read = [](const std::string& members) {
    return from_json(
        R"({"defaultAction":"Deny","policies":[{"id":"a/a","mode":"Enforce","rules":[{"name":"x","action":"Deny",)" +
        members + "}]}]}");
  };
  for (const auto& row : rows) {
    CAPTURE(row.bad);
    CHECK(read(row.good));
    const auto refused = read(row.bad);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().message.starts_with(std::string("policy.json, $.policies[0].rules[0].") + row.at + ": "));
    CHECK(refused.error().message.find(row.what) != std::string::npos);
  }
}

TEST_CASE("more rules than a policy may have are refused") {
  const auto with = [](int rules) {
    std::string text;
    for (int i = 0; i < rules; ++i) text += fmt::format(R"({}{{"name":"r{}","action":"Deny"}})", i == 0 ? "" : ",", i);
    return R"({"defaultAction":"Deny","policies":[{"id":"a/a","mode":"Enforce","rules":[)" + text + "]}]}";
  };
  CHECK(from_json(with(64)));
  CHECK_FALSE(from_json(with(65)));
}

}  // namespace meshauth::policy
