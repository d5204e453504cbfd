#include "core/render/plus.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "core/render/plus_pattern.h"

namespace meshauth::render {
namespace {

using nlohmann::json;

ProviderSettings okta() {
  ProviderSettings out;
  out.id = "shop/okta";
  out.issuer = "https://idp";
  out.audiences = {"api"};
  out.audience_claim = {"aud"};
  out.algorithms = {Algorithm::RS256};
  out.token_types = {"jwt", ""};
  out.token_sources = {{"authorization", "Bearer", ""}};
  out.mappings.subject = {"sub"};
  out.mappings.client = {{"azp"}};
  out.mappings.scopes = {{"scope"}};
  return out;
}

json rule() {
  return {{"name", "r"},
          {"action", "Allow"},
          {"from", json::array({{{"identityProvider", {{"name", "okta"}}}, {"scopes", {{"all", {"a"}}}}}})},
          {"to", json::array({{{"paths", {"/x"}}}})}};
}

std::vector<model::AccessPolicy> policy(const json& rule, const std::string& mode = "Enforce") {
  const auto parsed =
      model::parse_access_policy({{"apiVersion", "meshauth.dev/v1alpha1"},
                                  {"kind", "AccessPolicy"},
                                  {"metadata", {{"name", "p"}, {"namespace", "shop"}, {"uid", "u"}, {"generation", 1}}},
                                  {"spec", {{"mode", mode}, {"rules", json::array({rule})}}}});
  REQUIRE_MESSAGE(parsed, (parsed ? "" : model::to_message(parsed.error())));
  return {*parsed};
}

std::string limit(const std::vector<model::AccessPolicy>& policies,
                  const std::vector<ProviderSettings>& providers = {okta()}) {
  const auto values = plus_values(policies, providers);
  return values ? "" : values.error().message;
}

TEST_CASE("what maps can say is said") {
  CHECK(limit(policy(rule())) == "");
  json deny = {
      {"name", "d"}, {"action", "Deny"}, {"to", json::array({{{"paths", {"/admin/**"}}, {"notMethods", {"GET"}}}})}};
  CHECK(limit(policy(deny)) == "");
}

TEST_CASE("where a rule is about hosts, everybody must have one host") {
  const auto asked_for_one = [](const json& rule) {
    const auto values = plus_values(policy(rule), {okta()});
    REQUIRE(values);
    const json& all = values->at("maps").back().at("inputs");
    return std::find(all.begin(), all.end(), json{{"input", "mesh_auth_one_host"}}) != all.end();
  };
  json hosts = rule(), not_hosts = rule();
  hosts["to"][0]["hosts"] = {"a.test"};
  not_hosts["to"][0]["notHosts"] = {"*.a.test"};
  CHECK_FALSE(asked_for_one(rule()));
  CHECK(asked_for_one(hosts));
  CHECK(asked_for_one(not_hosts));
  CHECK(host_key("a.test") == R"(~\Aa\.test\z)");
  CHECK(host_key("*.a.test") == R"(~\A.+\.a\.test\z)");
}

TEST_CASE("what a rule asks and maps cannot say is refused, by policy, rule and field") {
  struct Case {
    std::string field;
    void (*change)(json& rule);
  };
  const Case cases[] = {
      {"from.anyone",
       [](json& r) {
         r["from"] = json::array({{{"anyone", true}}});
       }},
      {"from.groups",
       [](json& r) {
         r["from"][0]["groups"] = {{"any", {"g"}}};
       }},
      {"from.roles",
       [](json& r) {
         r["from"][0]["roles"] = {{"all", {"g"}}};
       }},
      {"from.claims",
       [](json& r) {
         r["from"][0]["claims"] = json::array({{{"path", {"t"}}, {"operator", "Exists"}}});
       }},
      {"from.identityProvider shop/other", [](json& r) { r["from"][0]["identityProvider"]["name"] = "other"; }},
      {"from of a Deny", [](json& r) { r["action"] = "Deny"; }},
      {"to.hosts [::1]",
       [](json& r) {
         r["to"][0]["hosts"] = {"a.test", "[::1]"};
       }},
      {"to.notHosts [::1]", [](json& r) { r["to"][0]["notHosts"] = {"[::1]"}; }},
      {"to.ports", [](json& r) { r["to"][0]["ports"] = {80}; }},
      {"to.notPorts", [](json& r) { r["to"][0]["notPorts"] = {80}; }},
      {"to.paths /a b", [](json& r) { r["to"][0]["paths"] = {"/a b"}; }},
      {"to.notPaths /\xc3\xa4", [](json& r) { r["to"][0]["notPaths"] = {"/\xc3\xa4"}; }},
      {"when.sourceIPs",
       [](json& r) {
         r["when"] = json::array({{{"sourceIPs", {"10.0.0.0/8"}}}});
       }},
      {"when.header",
       [](json& r) {
         r["when"] = json::array({{{"header", "X-A"}, {"values", {"1"}}}});
       }},
  };
  for (const auto& [field, change] : cases) {
    CAPTURE(field);
    json changed = rule();
    change(changed);
    CHECK(limit(policy(changed)).starts_with("AccessPolicy shop/p, rule r, " + field + ": "));
    CHECK(limit(policy(changed)).find("use flavour Module or AuthRequest") != std::string::npos);
  }
  CHECK(limit(policy(rule(), "Audit")).starts_with("AccessPolicy shop/p, spec.mode Audit: "));
}

TEST_CASE("what a provider asks and auth_jwt cannot do is refused") {
  struct Case {
    std::string field;
    void (*change)(ProviderSettings& provider);
  };
  const Case cases[] = {
      {"spec.issuer", [](ProviderSettings& p) { p.issuer = "https://idp/{tenantid}"; }},
      {"spec.tokenSources",
       [](ProviderSettings& p) {
         p.token_sources = {{"", "", "session"}};
       }},
      {"spec.tokenSources",
       [](ProviderSettings& p) {
         p.token_sources.push_back({"x-token", "", ""});
       }},
      {"spec.algorithms", [](ProviderSettings& p) { p.algorithms = AlgorithmSet::all(); }},
      {"spec.requiredClaims", [](ProviderSettings& p) { p.required_claims.emplace_back(); }},
      {"spec.maxTokenLifetime", [](ProviderSettings& p) { p.max_token_lifetime = Seconds(60); }},
      {"spec.forward.claims",
       [](ProviderSettings& p) {
         p.forward_claims = {{{"sub"}, "X-User"}};
       }},
      {"spec.audiences a,b", [](ProviderSettings& p) { p.audiences = {"a,b"}; }},
  };
  for (const auto& [field, change] : cases) {
    CAPTURE(field);
    auto provider = okta();
    change(provider);
    CHECK(limit(policy(rule()), {provider}).starts_with("IdentityProvider shop/okta, " + field));
  }
  auto several = okta();
  several.mappings.scopes = {{"scope"}, {"scp"}};
  CHECK(limit(policy(rule()), {several}).find("claimMappings.scopes") != std::string::npos);
  CHECK(limit(policy(rule()), {}).starts_with("0 providers"));
  CHECK(limit(policy(rule()), {okta(), okta()}).starts_with("2 providers"));
}

TEST_CASE("a value is a value: nothing of a resource becomes a pattern or a directive") {
  CHECK(exact_key("a.b") == R"(~\Aa\.b\z)");
  CHECK(exact_key("~*x;$y") == R"(~\A~\*x;\x24y\z)");
  CHECK(wildcard_key("svc-*") == R"(~(?s)\Asvc-.*\z)");
  CHECK(wildcard_key("*") == R"(~(?s)\A.+\z)");
  CHECK(*path_key("/a/{id}/**") == R"(~\A/a/[A-Za-z0-9._~!&'()*+,=:@-]+(?:/[^?]*)?(?:\?|\z))");
  CHECK(*path_key("/**") == R"(~\A(?:/[^?]*)?(?:\?|\z))");
  CHECK(*path_key("/a/") == R"(~\A/a/(?:\?|\z))");
  auto provider = okta();
  provider.issuer = "https://idp/\"; }\nserver {";
  const auto text =
      render_plus({"{{#maps}}{{#cases}}\n{{key}} {{value}};\n{{/cases}}{{/maps}}", ""}, policy(rule()), {provider});
  CHECK_FALSE(text);  // a line feed has no escape
  provider.issuer = "https://idp/\"; }";
  const auto quoted =
      render_plus({"{{#maps}}{{#cases}}\n{{key}} {{value}};\n{{/cases}}{{/maps}}", ""}, policy(rule()), {provider});
  REQUIRE(quoted);
  CHECK(quoted->http.find(R"("~\\Ahttps://idp/\"; \\}\\z" 1;)") != std::string::npos);
}

}  // namespace
}  // namespace meshauth::render
