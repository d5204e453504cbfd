#include "core/jose/claims.h"

#include <doctest/doctest.h>

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
