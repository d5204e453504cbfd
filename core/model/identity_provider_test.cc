#include "core/model/identity_provider.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/model/profiles.h"

namespace meshauth::model {
namespace {

using nlohmann::json;
using namespace std::chrono_literals;

json provider_with(const std::string& fields) {
  json spec = json::parse(R"({"issuer": "https://login.example.com/realm", "audiences": ["api://orders"]})");
  spec.update(json::parse(fields));
  return {{"apiVersion", "meshauth.dev/v1alpha1"},
          {"kind", "IdentityProvider"},
          {"metadata", {{"name", "okta"}, {"namespace", "auth"}}},
          {"spec", std::move(spec)}};
}

IdentityProvider parsed(const std::string& fields) {
  auto provider = parse_identity_provider(provider_with(fields));
  REQUIRE_MESSAGE(provider, to_message(provider.error()));
  return std::move(*provider);
}

bool refused_at(const std::string& fields, const std::string& field) {
  const auto provider = parse_identity_provider(provider_with(fields));
  if (provider) return false;
  const auto& errors = provider.error();
  return std::any_of(errors.begin(), errors.end(), [&](const FieldError& error) { return error.field == field; });
}

}  // namespace

TEST_CASE("without a profile the defaults are those of the standards") {
  const auto provider = parsed("{}");
  const ProviderSettings& settings = provider.settings;
  CHECK(settings.id == "auth/okta");
  CHECK(settings.audience_claim == ClaimPath{"aud"});
  CHECK(settings.algorithms == AlgorithmSet::all());
  CHECK(settings.token_types == std::vector<std::string>{"at+jwt", "jwt", ""});
  CHECK(settings.clock_skew == 30s);
  CHECK_FALSE(settings.max_token_lifetime);
  CHECK(settings.token_sources == std::vector<TokenSource>{{"authorization", "Bearer", ""}});
  CHECK(settings.mappings.subject == ClaimPath{"sub"});
  CHECK(settings.forward_token);
  CHECK(settings.max_stale == 24h);
  CHECK(std::get<Discovery>(provider.keys).url == "https://login.example.com/realm/.well-known/openid-configuration");
  CHECK(provider.allowed_namespaces.from == AllowedNamespaces::From::Same);
  CHECK(provider.rotation.refresh_interval == 5min);
  CHECK(provider.rotation.min_refetch_interval == 30s);
  CHECK(provider.rotation.overlap == 0s);
}

TEST_CASE("what the resource says wins over the profile") {
  const auto provider =
      parsed(R"({"profile": "cognito", "audienceClaim": ["aud"], "tokenTypes": ["application/AT+JWT", "x/Y"],
    "requiredClaims": [{"path": ["a"], "operator": "Exists"}], "claimMappings": {"groups": [{"path": ["g"]}, {"path": ["h", "i"]}]},
    "tokenSources": [{"header": "X-Token"}, {"header": "Authorization", "scheme": "DPoP"}, {"cookie": "Session"}],
    "algorithms": ["RS256"], "clockSkew": "1m", "maxTokenLifetime": "1h30m", "issuerAliases": ["x"],
    "forward": {"claims": [{"path": ["email"], "header": "X-User-Email"}], "token": "Remove"},
    "rotation": {"refreshInterval": "10m", "minRefetchInterval": "10s", "overlap": "1h", "maxStale": "72h"}})");
  const ProviderSettings& settings = provider.settings;
  CHECK(settings.audience_claim == ClaimPath{"aud"});
  CHECK(settings.token_types == std::vector<std::string>{"at+jwt", "x/y"});
  CHECK(settings.required_claims == std::vector<ClaimCondition>{{{"a"}, ClaimOperator::Exists, {}}});
  CHECK(settings.mappings.groups == std::vector<ClaimPath>{{"g"}, {"h", "i"}});
  CHECK(settings.mappings.client == std::vector<ClaimPath>{{"client_id"}});
  CHECK(settings.token_sources ==
        std::vector<TokenSource>{{"x-token", "", ""}, {"authorization", "DPoP", ""}, {"", "", "Session"}});
  CHECK(settings.algorithms == AlgorithmSet{Algorithm::RS256});
  CHECK(settings.clock_skew == 1min);
  CHECK(settings.max_token_lifetime == 90min);
  CHECK(settings.issuer_aliases == std::vector<std::string>{"x"});
  CHECK(settings.forward_claims == std::vector<ForwardedClaim>{{{"email"}, "X-User-Email"}});
  CHECK_FALSE(settings.forward_token);
  CHECK(settings.max_stale == 72h);
  CHECK(provider.rotation.overlap == 1h);
}

TEST_CASE("each profile sets its vendor's defaults") {
  CHECK(parsed(R"({"profile": "okta"})").settings.mappings.scopes == std::vector<ClaimPath>{{"scp"}});
  CHECK(parsed(R"({"profile": "okta"})").settings.mappings.client == std::vector<ClaimPath>{{"cid"}});
  CHECK(parsed(R"({"profile": "auth0"})").settings.mappings.roles == std::vector<ClaimPath>{{"permissions"}});
  const auto cognito = parsed(R"({"profile": "cognito"})").settings;
  CHECK(cognito.audience_claim == ClaimPath{"client_id"});
  CHECK(cognito.required_claims == std::vector<ClaimCondition>{{{"token_use"}, ClaimOperator::In, {"access"}}});
  CHECK(cognito.mappings.groups == std::vector<ClaimPath>{{"cognito:groups"}});
  CHECK(parsed(R"({"profile": "entra"})").settings.mappings.client == std::vector<ClaimPath>{{"azp"}, {"appid"}});
  const auto keycloak = parsed(R"({"profile": "keycloak"})").settings;
  CHECK(keycloak.mappings.roles == std::vector<ClaimPath>{{"realm_access", "roles"}});
  CHECK(keycloak.required_claims == std::vector<ClaimCondition>{{{"typ"}, ClaimOperator::In, {"Bearer", "bearer"}}});
  CHECK(parsed(R"({"profile": "google", "issuer": "https://accounts.google.com"})").settings.issuer_aliases ==
        std::vector<std::string>{"accounts.google.com"});
  CHECK(parsed(R"({"profile": "google"})").settings.issuer_aliases.empty());
  CHECK(parsed(R"({"profile": "dex"})").settings.mappings.groups == std::vector<ClaimPath>{{"groups"}});
  const auto kubernetes = parsed(R"({"profile": "kubernetes"})");
  CHECK(std::holds_alternative<ClusterKeys>(kubernetes.keys));
  CHECK(kubernetes.settings.key_source == "kubernetes");
  CHECK(kubernetes.settings.max_stale == 24h);
  for (const char* name : {"okta", "auth0", "cognito", "entra", "keycloak", "google", "kubernetes", "dex"}) {
    const auto provider = parsed(std::string(R"({"profile": ")") + name + "\"}");
    CHECK(profile_name(provider.profile) == name);
    CHECK_FALSE(provider.settings.token_types.empty());
    CHECK_FALSE(provider.settings.mappings.client.empty());
  }
}

TEST_CASE("the discovery document is below the issuer") {
  const auto url = [](const char* issuer, Profile profile = Profile::Generic) {
    return default_discovery_url(issuer, profile);
  };
  CHECK(url("https://a.example") == "https://a.example/.well-known/openid-configuration");
  CHECK(url("https://a.auth0.com/", Profile::Auth0) == "https://a.auth0.com/.well-known/openid-configuration");
  CHECK(url("https://a.example/x/") == "https://a.example/x/.well-known/openid-configuration");
}

TEST_CASE("Entra describes its issuers at its login endpoint") {
  const auto url = [](const char* issuer) { return default_discovery_url(issuer, Profile::Entra); };
  CHECK(url("https://login.microsoftonline.com/{tenantid}/v2.0") ==
        "https://login.microsoftonline.com/common/v2.0/.well-known/openid-configuration");
  CHECK(url("https://login.microsoftonline.com/t-1/v2.0") ==
        "https://login.microsoftonline.com/t-1/v2.0/.well-known/openid-configuration");
  CHECK(url("https://sts.windows.net/t-1/") ==
        "https://login.microsoftonline.com/t-1/.well-known/openid-configuration");
  CHECK(url("https://sts.windows.net/{tenantid}/") ==
        "https://login.microsoftonline.com/common/.well-known/openid-configuration");
  CHECK(url("https://shop.ciamlogin.com/t-1/v2.0") ==
        "https://shop.ciamlogin.com/t-1/v2.0/.well-known/openid-configuration");
}

TEST_CASE("an issuer with {tenantid} must list its tenants") {
  const std::string issuer = R"("issuer": "https://login.microsoftonline.com/{tenantid}/v2.0")";
  const std::string tenants = R"("requiredClaims": [{"path": ["tid"], "operator": "In", "values": ["t-1"]}])";
  CHECK(parsed("{\"profile\": \"entra\", " + issuer + ", " + tenants + "}").settings.issuer.find("{tenantid}") !=
        std::string::npos);
  CHECK(refused_at("{\"profile\": \"entra\", " + issuer + "}", "spec.requiredClaims"));
  CHECK(refused_at("{\"profile\": \"okta\", " + issuer + ", " + tenants + "}", "spec.issuer"));
  CHECK(refused_at("{\"profile\": \"entra\", " + issuer +
                       R"(, "requiredClaims": [{"path": ["tid"], "operator": "NotIn", "values": ["t-1"]}]})",
                   "spec.requiredClaims"));
}

TEST_CASE("a key source is one URL with one CA bundle, or one provider's inline set") {
  const KeyOrigin discovery = Discovery{"https://a/x"}, jwks = JwksUri{"https://a/x"}, inline_set = InlineJwks{"{}"};
  const auto id = key_source_id(discovery, "", "a/b");
  CHECK(id.size() == 40);
  CHECK(id == key_source_id(discovery, "", "other/provider"));
  CHECK(id != key_source_id(discovery, "PEM", "a/b"));
  CHECK(id != key_source_id(Discovery{"https://a/y"}, "", "a/b"));
  // Else a tenant could spoil another's source by naming its discovery document as a key set.
  CHECK(id != key_source_id(jwks, "", "a/b"));
  CHECK(key_source_id(Discovery{"https://a/xP"}, "EM", "") != key_source_id(Discovery{"https://a/x"}, "PEM", ""));
  CHECK(key_source_id(inline_set, "", "a/b") != key_source_id(inline_set, "", "a/c"));
  CHECK(key_source_id(ClusterKeys{}, "", "a/b") == "kubernetes");
}

TEST_CASE("inline keys never go stale, and are a key set") {
  const auto provider = parsed(R"({"jwks": {"inline": "{\"keys\": []}"}})");
  CHECK_FALSE(provider.settings.max_stale);
  CHECK(std::get<InlineJwks>(provider.keys).jwks == "{\"keys\": []}");
  CHECK(refused_at(R"({"jwks": {"inline": "{\"keys\": 1}"}})", "spec.jwks.inline"));
  CHECK(refused_at(R"({"jwks": {"inline": "{\"keys\": [}"}})", "spec.jwks.inline"));
  CHECK(refused_at(R"({"jwks": {"inline": "{\"keys\": [], \"keys\": []}"}})", "spec.jwks.inline"));
}

TEST_CASE("no fault shows a key") {
  const auto provider = parse_identity_provider(provider_with(
      R"({"jwks": {"inline": "{\"keys\": [{\"d\": \"c2VjcmV0\"}]}"}, "tls": {"caBundle": "-----BEGIN CERTIFICATE-----\n-----BEGIN PRIVATE KEY-----\nc2VjcmV0"}})"));
  REQUIRE_FALSE(provider);
  CHECK(to_message(provider.error()).find("c2VjcmV0") == std::string::npos);
}

TEST_CASE("a CA bundle must decode") {
  CHECK(refused_at(R"({"tls": {"caBundle": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"}})",
                   "spec.tls.caBundle"));
  CHECK(refused_at(R"({"tls": {"caBundle": "-----BEGIN CERTIFICATE-----"}})", "spec.tls.caBundle"));
}

TEST_CASE("a forwarded header is one of its own") {
  const auto with = [](const char* header) {
    return std::string(R"({"forward": {"claims": [{"path": ["a"], "header": "X-A"}, {"path": ["b"], "header": ")") +
           header + "\"}]}}";
  };
  CHECK(parsed(with("X-B")).settings.forward_claims.size() == 2);
  CHECK(refused_at(with("x-a"), "spec.forward.claims[1]"));
  CHECK(refused_at(with("HOST"), "spec.forward.claims[1].header"));
  CHECK(refused_at(with("X_A"), "spec.forward.claims[1].header"));
}

TEST_CASE("a provider is shared with whom it says") {
  const std::map<std::string, std::string> shop{{"team", "orders"}};
  const auto same = parsed("{}"), all = parsed(R"({"allowedNamespaces": {"from": "All"}})");
  CHECK(shared_with(same, "auth", {}));
  CHECK_FALSE(shared_with(same, "shop", shop));
  CHECK(shared_with(all, "shop", {}));
  const auto selected =
      parsed(R"({"allowedNamespaces": {"from": "Selector", "selector": {"matchLabels": {"team": "orders"},
    "matchExpressions": [{"key": "env", "operator": "NotIn", "values": ["dev"]}, {"key": "off", "operator": "DoesNotExist"}]}}})");
  CHECK(shared_with(selected, "shop", shop));
  CHECK_FALSE(shared_with(selected, "shop", {}));
  CHECK_FALSE(shared_with(selected, "shop", {{"team", "orders"}, {"env", "dev"}}));
  CHECK_FALSE(shared_with(selected, "shop", {{"team", "orders"}, {"off", ""}}));
  CHECK_FALSE(shared_with(selected, "auth", {}));
  LabelSelector in;
  in.match_expressions = {{"env", "In", {"a", "b"}}, {"x", "Exists", {}}};
  CHECK(in.matches({{"env", "b"}, {"x", "1"}}));
  CHECK_FALSE(in.matches({{"env", "c"}, {"x", "1"}}));
  CHECK_FALSE(in.matches({{"x", "1"}}));
}

}  // namespace meshauth::model
