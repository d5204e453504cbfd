// Callers of decide and explain stand where nginx would find their token, and are seen by whoever looks there.
#include <doctest/doctest.h>

#include "cli/testing/shop.h"

using namespace meshauth;
using namespace meshauth::cli::testing;
using namespace meshauth::jose::testing;

namespace {

struct Named {
  std::string name, issuer, more = "";
};

std::string provider_text(const Named& provider) {
  return fmt::format(
      "apiVersion: meshauth.dev/v1alpha1\nkind: IdentityProvider\nmetadata: {{name: {}, namespace: shop}}\nspec: "
      "{{issuer: \"{}\", audiences: [api]{}}}\n---\n",
      provider.name, provider.issuer, provider.more);
}

std::string policy_text(const std::string& name, const std::string& rules, const std::string& more = "") {
  return fmt::format(
      "apiVersion: meshauth.dev/v1alpha1\nkind: AccessPolicy\nmetadata: {{name: {}, namespace: shop}}\nspec: {{rules: "
      "[{}]{}}}\n---\n",
      name, rules, more);
}

std::string rule_text(const std::string& provider, const std::string& path, const std::string& action = "Allow") {
  const std::string from = provider.empty() ? "{anyone: true}" : "{identityProvider: {name: " + provider + "}}";
  return fmt::format("{{name: {}, action: {}, from: [{}], to: [{{paths: [{}]}}]}}",
                     (provider.empty() ? "all" : provider) + (action == "Deny" ? "-not" : ""), action, from, path);
}

const Args kPublic{"--method", "GET", "--path", "/pub"};
const Named kIdp{"idp", "https://idp"}, kOther{"other", "https://other"};

Args by_claims(const Shop& shop, const std::string& provider) {
  return with(kPublic, {"--provider", "shop/" + provider, "--claims", shop.claims(R"({"sub":"alice"})")});
}

Args by_token(const Shop& shop, const Draft& draft = {}) {
  return with(kPublic, {"--jwks", shop.jwks(), "--token-file", shop.token(draft)});
}

}  // namespace

TEST_CASE("claims of a provider that no policy names: refused where its token is found, nobody where it is not") {
  const std::string rules = policy_text("p", rule_text("", "/pub") + ", " + rule_text("other", "/x"));
  const Shop found(provider_text(kIdp) + provider_text(kOther) + rules);
  CHECK(found.decide(by_claims(found, "idp")).out == line("deny", 401, "issuer_unknown"));
  CHECK(found.decide(by_token(found)).out == line("deny", 401, "issuer_unknown"));
  CHECK(found.explain(by_claims(found, "idp")).out.find("deny (401 issuer_unknown), before any policy was asked\n") ==
        0);
  const std::string cookie = ", tokenSources: [{cookie: session}]";
  for (const auto& [mine, others] : {std::pair<std::string, std::string>{cookie, ""}, {"", cookie}}) {
    const Shop hidden(provider_text({"idp", "https://idp", mine}) + provider_text({"other", "https://other", others}) +
                      rules);
    CHECK(hidden.decide(by_claims(hidden, "idp")).out == line("allow", 200, "", "shop/p", "all"));
    CHECK(hidden.decide(by_token(hidden)).out == line("allow", 200, "", "shop/p", "all"));
  }
  CHECK(found.decide(with(by_claims(found, "idp"), {"--header", "Authorization: Bearer x"})).out ==
        line("deny", 400, "token_multiple"));
}

TEST_CASE("a token stands where the provider of its issuer looks, also under another name or a tenant's") {
  const std::string cookie = ", tokenSources: [{cookie: session}]";
  const Shop shop(
      provider_text({"a", "https://a", cookie}) +
      provider_text({"b", "https://b/{tenantid}/",
                     ", profile: entra, tokenSources: [{header: X-App-Token}], "
                     "requiredClaims: [{path: [tid], operator: In, values: [T]}]"}) +
      provider_text({"idp", "https://idp", ", issuerAliases: [https://old]"}) +
      policy_text("p", rule_text("a", "/a") + ", " + rule_text("b", "/pub") + ", " + rule_text("idp", "/pub")));
  const auto rule = [&](const Draft& draft) { return shop.decide(by_token(shop, draft)).out; };
  CHECK(rule({}) == line("allow", 200, "", "shop/p", "idp"));
  CHECK(rule(claims("https://idp", "https://old")) == line("allow", 200, "", "shop/p", "idp"));
  CHECK(rule(claims(R"("https://idp")", R"("https://b/T/","tid":"T")")) == line("allow", 200, "", "shop/p", "b"));
  CHECK(rule(claims("https://idp", "https://a")) == line("deny", 403, "no_rule_matched"));
}

TEST_CASE("explain tells of audit policies what nginx would write, by token and by claims") {
  const std::string pub = policy_text("p", rule_text("", "/pub"));
  const Shop denies(provider_text(kIdp) + pub + policy_text("q", rule_text("idp", "/pub", "Deny"), ", mode: Audit"));
  for (const Args& args : {by_token(denies), by_claims(denies, "idp")}) {
    const Outcome outcome = denies.explain(args);
    CAPTURE(outcome.out);
    CHECK(outcome.code == 0);
    CHECK(outcome.out.find("allow by rule all of policy shop/p\n"
                           "with audit policies: deny (403 denied_by_rule) by rule idp-not of policy shop/q\n") == 0);
    CHECK(outcome.out.find("  Deny idp-not: matches\n") != std::string::npos);
  }
  CHECK(denies.explain(kPublic).out.find("with audit") == std::string::npos);
  CHECK(
      denies.explain(by_token(denies, claims("2000", "900"))).out.find("allow by rule all of policy shop/p\npolicy") ==
      0);
  const Shop refused(provider_text(kIdp) + provider_text(kOther) + policy_text("p", rule_text("other", "/x")) +
                     policy_text("q", rule_text("idp", "/pub"), ", mode: Audit"));
  for (const Args& args : {by_token(refused), by_claims(refused, "idp")}) {
    const Outcome outcome = refused.explain(args);
    CHECK(outcome.code == 3);
    CHECK(outcome.out.find("deny (401 issuer_unknown), before any policy was asked\n") == 0);
    CHECK(outcome.out.find("\nwith audit policies: allow by rule idp of policy shop/q\n") != std::string::npos);
  }
}

TEST_CASE("explain knows of a token what those who look at its place make of it") {
  const Shop shop(provider_text(kIdp) + provider_text({"twin", "https://idp", ", tokenSources: [{cookie: session}]"}) +
                  policy_text("p", rule_text("idp", "/x") + ", " + rule_text("twin", "/pub")));
  const Outcome outcome = shop.explain(by_token(shop));
  CHECK(outcome.out.find("deny (403 no_rule_matched)\n") == 0);
  CHECK(outcome.out.find("found a token of \"shop/idp\"\n") != std::string::npos);
}

TEST_CASE("claims may hold numbers that no double holds, as those of a token may") {
  const Shop shop(provider_text(kIdp) + policy_text("p", rule_text("idp", "/pub")));
  const Args args{"--provider", "shop/idp", "--claims", shop.claims(R"({"x":1e400,"y":-1e400,"z":1e-999})")};
  CHECK(shop.decide(with(kPublic, args)).out == line("allow", 200, "", "shop/p", "idp"));
  CHECK(shop.explain(with(kPublic, args)).code == 0);
}
