#include "core/jose/claims.h"

#include <doctest/doctest.h>

#include "core/base/json_doc.h"

using namespace meshauth;
using namespace meshauth::jose;

TEST_CASE("an issuer is compared byte for byte, the tenant in its place and nothing beside it") {
  struct Row {
    std::string_view pattern, issuer, tenant;  ///< tenant "-": the token has none
    bool matches;
  };
  constexpr std::string_view kTenants = "https://login/{tenantid}/v2.0";
  const Row rows[] = {
      {"https://idp", "https://idp", "-", true},
      {"https://idp", "https://idp/", "-", false},
      {"https://idp", "https://idp.evil", "-", false},
      {"https://idp", "https://id", "-", false},
      {"https://idp", "HTTPS://idp", "-", false},
      {kTenants, "https://login/t-1/v2.0", "t-1", true},
      {kTenants, "https://login/t-1/v2.0", "t-2", false},
      {kTenants, "https://login/t-1/v2.0", "-", false},
      {kTenants, "https://login//v2.0", "", false},
      {kTenants, "https://login/t-1/evil/v2.0", "t-1", false},
      {kTenants, "https://login/t-1/v2.0/v2.0", "t-1", false},
      {kTenants, "https://login/t-12/v2.0", "t-1", false},
      {kTenants, "https://login/t/v2.0", "t-1", false},
      {kTenants, "https://evil/t-1/v2.0", "t-1", false},
      {kTenants, "https://login/{tenantid}/v2.0", "t-1", false},
  };
  for (const Row& row : rows) {
    CAPTURE(row.pattern);
    CAPTURE(row.issuer);
    CAPTURE(row.tenant);
    TokenClaims claims;
    claims.issuer = row.issuer;
    if (row.tenant != "-") claims.tenant = row.tenant;
    CHECK(issuer_matches(row.pattern, claims) == row.matches);
  }
}

TEST_CASE("the types that are accepted are said in words, a missing one too") {
  Jws jws;
  jws.typ = "";
  const auto says = [&](std::vector<std::string> types) {
    ProviderSettings provider;
    provider.id = "a/idp";
    provider.token_types = std::move(types);
    const auto failed = check_type(provider, jws);
    REQUIRE(failed);
    return failed->detail;
  };
  CHECK(says({"at+jwt", "jwt"}) == R"(typ is ""; provider a/idp accepts at+jwt, jwt)");
  CHECK(says({"at+jwt", "jwt", ""}) == R"(typ is ""; provider a/idp accepts at+jwt, jwt or a token without typ)");
  CHECK(says({"", "jwt"}) == R"(typ is ""; provider a/idp accepts jwt or a token without typ)");
  CHECK(says({""}) == R"(typ is ""; provider a/idp accepts a token without typ)");
}

TEST_CASE("of several dates that are no dates the first by name of exp, nbf and iat is told") {
  const std::pair<std::string_view, std::string_view> rows[] = {
      {R"({"iss":"i","iat":"x","nbf":"x","exp":"x"})", "exp"},
      {R"({"iss":"i","iat":-1,"nbf":"x","exp":1})", "nbf"},
      {R"({"iss":"i","iat":-1,"nbf":1,"exp":1})", "iat"},
      {R"({"iss":"i","iat":1,"nbf":1,"exp":1})", ""},
  };
  for (const auto& [json, name] : rows) {
    CAPTURE(json);
    const auto doc = JsonDoc::parse(json);
    REQUIRE(doc);
    const auto claims = read_claims(doc->root());
    REQUIRE(claims);
    CHECK(claims->dates.invalid == name);
  }
}
