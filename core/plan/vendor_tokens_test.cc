// Tokens of each vendor's form against the manifests of its page: what is refused, and what passes.
#include <chrono>

#include "core/plan/rotation.h"
#include "core/plan/testing/vendor.h"

namespace meshauth::plan {
namespace {

using std::chrono_literals::operator""h;
using std::chrono_literals::operator""s;
using nlohmann::json;
using testing::Checkpoint;
using testing::claim;
using testing::header;
using testing::Vendor;
using Texts = std::vector<std::string>;

constexpr const char* kAnn = "690222be-ff1a-4d56-abd1-7e4f7d38e474";
constexpr const char* kTenant = "aaaabbbb-0000-4ccc-8111-dddd2222eeee";

struct Refused {
  std::string what, token, patch;
  Reason reason;
};

void check_refused(const Vendor& vendor, const std::vector<Refused>& table) {
  Checkpoint checkpoint(vendor);
  for (const Refused& c : table) {
    CAPTURE(vendor.name);
    CAPTURE(c.what);
    CHECK(reason_name(checkpoint.reason(vendor.token(c.token, c.patch))) == reason_name(c.reason));
  }
}

}  // namespace

TEST_CASE("Okta: tokens of the organisation's server, of another server, and ID tokens are refused") {
  check_refused(
      Vendor("okta"),
      {{"an ID token", "id", "{}", Reason::audience_mismatch},
       {"the organisation's server", "access", claim("iss", R"("https://dev-1.okta.com")"), Reason::issuer_unknown},
       {"the type that the organisation's server writes now", "access",
        header("typ", R"("application/okta-internal-at+jwt")"), Reason::typ_not_allowed},
       {"another server", "access", claim("iss", R"("https://dev-1.okta.com/oauth2/aus1")"), Reason::issuer_unknown},
       {"a folded slash", "access", claim("iss", R"("https://dev-1.okta.com/oauth2/default/")"),
        Reason::issuer_unknown},
       {"another API", "access", claim("aud", R"("api://default")"), Reason::audience_mismatch},
       {"no audience", "access", claim("aud", "null"), Reason::audience_mismatch},
       {"a key that left", "access", header("kid", R"("45js03w0djwedsw")"), Reason::kid_unknown},
       {"another key of the set", "access", header("kid", R"("69F5c8Gr2fRfpIULyEa0MWkotPSUgO6puHwpiWeYe0k")"),
        Reason::none},
       {"another algorithm than the key's", "access", header("alg", R"("PS256")"), Reason::alg_key_mismatch}});
}

TEST_CASE("Auth0: the slash belongs to the issuer, and an ID token is for the application") {
  const Vendor vendor("auth0");
  check_refused(
      vendor,
      {{"an ID token", "id", "{}", Reason::audience_mismatch},
       {"no slash", "access", claim("iss", R"("https://example.eu.auth0.com")"), Reason::issuer_unknown},
       {"two slashes", "access", claim("iss", R"("https://example.eu.auth0.com//")"), Reason::issuer_unknown},
       {"the custom domain", "access", claim("iss", R"("https://login.example.com/")"), Reason::issuer_unknown},
       {"another tenant", "access", claim("iss", R"("https://example2.eu.auth0.com/")"), Reason::issuer_unknown},
       {"userinfo alone", "access", claim("aud", R"(["https://example.eu.auth0.com/userinfo"])"),
        Reason::audience_mismatch},
       {"a type of its own", "access", header("typ", R"("secevent+jwt")"), Reason::typ_not_allowed},
       {"no type", "access", header("typ", "null"), Reason::typ_not_allowed},
       {"a symmetric signature", "access", header("alg", R"("HS256")"), Reason::alg_not_allowed}});
  Checkpoint checkpoint(vendor);
  const std::string encrypted = "eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIn0..aXY.Y2lwaGVydGV4dA.dGFn";
  CHECK(checkpoint.reason(encrypted) == Reason::token_segments);
}

TEST_CASE("Auth0: a claim with a URL for a name can be groups") {
  Vendor vendor("auth0");
  vendor.with_spec(R"({"claimMappings": {"groups": [{"path": ["https://orders.example.com/roles"]}]}})");
  CHECK(Checkpoint(vendor).identity(vendor.token("access")).groups == Texts{"trader", "auditor"});
}

TEST_CASE("Cognito: access tokens of the listed app clients alone; ID and access tokens have keys of their own") {
  const Vendor vendor("cognito");
  CHECK(vendor.document("id")["header"]["kid"] != vendor.document("access")["header"]["kid"]);
  check_refused(
      vendor,
      {{"an ID token", "id", "{}", Reason::audience_mismatch},
       {"token_use id", "access", claim("token_use", R"("id")"), Reason::claim_required},
       {"no token_use", "access", claim("token_use", "null"), Reason::claim_required},
       {"an ID token that names its client", "id", claim("client_id", R"("57cbishk4j24pabc1234567890")"),
        Reason::claim_required},
       {"another app client", "access", claim("client_id", R"("another")"), Reason::audience_mismatch},
       {"aud instead of client_id", "access", R"({"claims": {"client_id": null, "aud": "57cbishk4j24pabc1234567890"}})",
        Reason::audience_mismatch},
       {"another pool", "access",
        claim("iss", R"("https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_Other")"), Reason::issuer_unknown},
       {"the domain of the login page", "access",
        claim("iss", R"("https://shop-example.auth.eu-central-1.amazoncognito.com")"), Reason::issuer_unknown},
       {"a key of another pool", "access", header("kid", R"("1234example=")"), Reason::kid_unknown}});
}

TEST_CASE("Cognito: with a resource the audience is the resource") {
  Vendor vendor("cognito");
  vendor.with_spec(R"({"audienceClaim": ["aud"], "audiences": ["https://orders.example.com"]})");
  check_refused(vendor,
                {{"with it", "access", claim("aud", R"("https://orders.example.com")"), Reason::none},
                 {"without it", "access", "{}", Reason::audience_mismatch},
                 {"an ID token", "id", claim("aud", R"("https://orders.example.com")"), Reason::claim_required}});
}

TEST_CASE("Entra: one tenant, version 2.0") {
  Vendor vendor("entra");
  vendor.with_documents(".tenant");
  Checkpoint checkpoint(vendor);
  const auto ann = checkpoint.identity(vendor.token("access"));
  CHECK(ann.subject == "HKZpfaHyWadeOouYlitjrI-KffTm222X5rrV3xDqfKQ");
  CHECK(ann.client == "6e74172b-be56-4843-9ff4-e66a39bb12e3");
  CHECK(ann.scopes == Texts{"Orders.Read", "Orders.Write"});
  CHECK(ann.groups == Texts{"0d6a1f3c-3e2b-4f7a-9c1d-2b3c4d5e6f70"});
  CHECK(ann.roles == Texts{"Orders.Approve"});
  const auto service = checkpoint.identity(vendor.token("client"));
  CHECK(service.client == "97c446fd-6986-45ff-a0a7-681980a489db");
  CHECK(service.scopes.empty());
  CHECK(service.roles == Texts{"Orders.Read.All"});
  CHECK(checkpoint.decide(vendor.token("access"), "GET", "/orders/7") == Reason::none);
  CHECK(checkpoint.decide(vendor.token("client"), "GET", "/orders/7") == Reason::none);
  CHECK(checkpoint.decide(vendor.token("access"), "POST", "/orders/7/cancel") == Reason::none);
  CHECK(checkpoint.decide(vendor.token("client"), "POST", "/orders/7/cancel") == Reason::no_rule_matched);
  const std::string other = R"("https://login.microsoftonline.com/bbbbcccc-1111-4ddd-8222-eeee3333ffff/v2.0")";
  check_refused(vendor, {{"an ID token", "id", "{}", Reason::audience_mismatch},
                         {"an ID token of a client that is its own API", "id",
                          claim("aud", R"("11111111-2222-4333-8444-555555555555")"), Reason::claim_required},
                         {"version 1.0", "access.v1", "{}", Reason::issuer_unknown},
                         {"another tenant", "access", claim("iss", other), Reason::issuer_unknown},
                         {"Microsoft Graph", "access", claim("aud", R"("00000003-0000-0000-c000-000000000000")"),
                          Reason::audience_mismatch},
                         {"the URI instead of the id", "access",
                          claim("aud", R"("api://11111111-2222-4333-8444-555555555555")"), Reason::audience_mismatch},
                         {"no type", "access", header("typ", "null"), Reason::typ_not_allowed}});
}

TEST_CASE("Entra: with subject oid a user is the same for every application") {
  Vendor vendor("entra");
  vendor.with_documents(".tenant").with_spec(R"({"claimMappings": {"subject": {"path": ["oid"]}}})");
  CHECK(Checkpoint(vendor).identity(vendor.token("access")).subject == kAnn);
}

TEST_CASE("Entra: the template of common stands for claim tid, for the token and for its key") {
  Vendor vendor("entra");
  vendor.provider = vendor.manifest("IdentityProvider", 1);
  vendor.provider["metadata"]["name"] = "entra";  // the policy's
  const auto issuer = [](const std::string& tenant, const std::string& tid) {
    return R"({"claims": {"iss": "https://login.microsoftonline.com/)" + tenant + R"(/v2.0", "tid": ")" + tid + "\"}}";
  };
  const std::string second = "bbbbcccc-1111-4ddd-8222-eeee3333ffff", third = "cccc0000-2222-4eee-8333-ffff4444aaaa";
  const std::string personal = "9188040d-6c67-4c5b-b112-36a304b66dad";
  const std::string of_personal = R"("Gr195zKHxXOgMl7YD6e5Ewg6qwg")";  // the key that is bound to that tenant
  check_refused(
      vendor,
      {{"the first tenant", "access", "{}", Reason::none},
       {"the second tenant", "access", issuer(second, second), Reason::none},
       {"a tenant that is not listed", "access", issuer(third, third), Reason::claim_required},
       {"the issuer of one tenant, tid of another", "access", issuer(second, kTenant), Reason::issuer_unknown},
       {"no tid", "access", claim("tid", "null"), Reason::issuer_unknown},
       {"the template itself", "access", claim("iss", R"("https://login.microsoftonline.com/{tenantid}/v2.0")"),
        Reason::issuer_unknown},
       {"common", "access", issuer("common", kTenant), Reason::issuer_unknown},
       {"a key of personal accounts", "access", header("kid", of_personal), Reason::issuer_unknown},
       {"version 1.0", "access.v1", "{}", Reason::issuer_unknown},
       {"an ID token", "id", claim("aud", R"("11111111-2222-4333-8444-555555555555")"), Reason::claim_required}});
  vendor.with_spec(R"({"requiredClaims": [{"path": ["tid"], "operator": "In", "values": [")" + personal + "\"]}]}");
  json patch = json::parse(issuer(personal, personal));
  check_refused(vendor, {{"personal accounts, the common key", "access", patch.dump(), Reason::none}});
  patch["header"]["kid"] = json::parse(of_personal);
  check_refused(vendor, {{"personal accounts, their key", "access", patch.dump(), Reason::none}});
}

TEST_CASE("Entra: version 1.0 has an issuer, an audience and keys of its own") {
  Vendor vendor("entra");
  vendor.with_documents(".v1").with_spec(
      R"({"issuer": "https://sts.windows.net/aaaabbbb-0000-4ccc-8111-dddd2222eeee/",
          "audiences": ["api://11111111-2222-4333-8444-555555555555"],
          "requiredClaims": [{"path": ["appid"], "operator": "Exists"}]})");
  const auto ann = Checkpoint(vendor).identity(vendor.token("access.v1"));
  CHECK(ann.client == "6e74172b-be56-4843-9ff4-e66a39bb12e3");
  CHECK(ann.scopes == Texts{"Orders.Read"});
  check_refused(vendor, {{"version 2.0", "access", "{}", Reason::issuer_unknown},
                         {"a folded slash", "access.v1",
                          claim("iss", R"("https://sts.windows.net/aaaabbbb-0000-4ccc-8111-dddd2222eeee")"),
                          Reason::issuer_unknown},
                         {"an ID token", "access.v1", claim("appid", "null"), Reason::claim_required}});
}

TEST_CASE("Entra: version 1.0 as an alias of version 2.0 is signed by the same keys") {
  Vendor vendor("entra");
  vendor.with_documents(".tenant").with_spec(
      R"({"issuerAliases": ["https://sts.windows.net/aaaabbbb-0000-4ccc-8111-dddd2222eeee/"],
          "audiences": ["11111111-2222-4333-8444-555555555555", "api://11111111-2222-4333-8444-555555555555"],
          "requiredClaims": null})");
  check_refused(vendor,
                {{"version 2.0", "access", "{}", Reason::none}, {"version 1.0", "access.v1", "{}", Reason::none}});
}

TEST_CASE("Keycloak: ID, refresh and DPoP-bound tokens are no bearer's, and an access token names the API") {
  const Vendor vendor("keycloak");
  check_refused(
      vendor,
      {{"at+jwt", "access", header("typ", R"("at+jwt")"), Reason::none},
       {"the type in lower case", "access", claim("typ", R"("bearer")"), Reason::none},
       {"an ID token", "id", "{}", Reason::audience_mismatch},
       {"an ID token of a client that is its own API", "id", claim("aud", R"("orders")"), Reason::claim_required},
       {"a refresh token", "access", R"({"header": {"alg": "HS512"}, "claims": {"typ": "Refresh"}})",
        Reason::alg_not_allowed},
       {"an offline token signed like an access token", "access", claim("typ", R"("Offline")"), Reason::claim_required},
       {"bound to a DPoP key", "access", claim("typ", R"("DPoP")"), Reason::claim_required},
       {"a logout token", "access", header("typ", R"("logout+jwt")"), Reason::typ_not_allowed},
       {"no mapper", "access", claim("aud", R"("account")"), Reason::audience_mismatch},
       {"no audience at all", "access", claim("aud", "null"), Reason::audience_mismatch},
       {"the client is no audience", "access", R"({"claims": {"aud": "account", "azp": "orders"}})",
        Reason::audience_mismatch},
       {"another realm", "access", claim("iss", R"("https://sso.example.com/realms/master")"), Reason::issuer_unknown},
       {"the path of old versions", "access", claim("iss", R"("https://sso.example.com/auth/realms/shop")"),
        Reason::issuer_unknown},
       {"another host name", "access", claim("iss", R"("https://keycloak.internal/realms/shop")"),
        Reason::issuer_unknown},
       {"signed with the encryption key", "access", header("kid", R"("iZoZt8bC9I8FXaNe-FBqvTSDUk6mZSYcpXDo5OsCRz0")"),
        Reason::kid_unknown}});
}

TEST_CASE("Google: two spellings of one issuer, ID tokens alone") {
  const Vendor vendor("google");
  check_refused(
      vendor, {{"without the scheme", "id", claim("iss", R"("accounts.google.com")"), Reason::none},
               {"with a slash", "id", claim("iss", R"("https://accounts.google.com/")"), Reason::issuer_unknown},
               {"http", "id", claim("iss", R"("http://accounts.google.com")"), Reason::issuer_unknown},
               {"Firebase", "id", claim("iss", R"("https://securetoken.google.com/example")"), Reason::issuer_unknown},
               {"another OAuth client", "id", claim("aud", R"("999-other.apps.googleusercontent.com")"),
                Reason::audience_mismatch},
               {"another audience of a service", "service_account", claim("aud", R"("https://billing.example.com")"),
                Reason::audience_mismatch}});
  Checkpoint checkpoint(vendor);
  CHECK(checkpoint.reason("ya29.a0AfB_byExampleExampleExample") == Reason::token_segments);
}

TEST_CASE("Google: who spells the issuer otherwise gets no alias") {
  Vendor vendor("google");
  vendor.with_spec(R"({"issuer": "https://securetoken.google.com/example"})");
  CHECK(vendor.parsed().settings.issuer_aliases.empty());
}

TEST_CASE("Kubernetes: a token for the API server, of a Secret, or of another cluster is refused") {
  Vendor vendor("kubernetes");
  check_refused(
      vendor, {{"the token that every pod has", "default_mount", "{}", Reason::lifetime_too_long},
               {"of a Secret", "secret", "{}", Reason::issuer_unknown},
               {"another service", "projected", claim("aud", R"(["billing"])"), Reason::audience_mismatch},
               {"two services, ours among them", "projected", claim("aud", R"(["billing", "orders"])"), Reason::none},
               {"another cluster", "projected", claim("iss", R"("https://oidc.eks.us-west-2.amazonaws.com/id/5CC1")"),
                Reason::issuer_unknown},
               {"without an end", "projected", claim("exp", "null"), Reason::exp_missing},
               {"an ES256 key", "projected",
                R"({"header": {"alg": "ES256", "kid": "MOR9y9e9DxA18CDXtM7Z0lOso_cxwbDpw29utOVzPNs"}})", Reason::none},
               {"RS256 named for the ES256 key", "projected",
                header("kid", R"("MOR9y9e9DxA18CDXtM7Z0lOso_cxwbDpw29utOVzPNs")"), Reason::alg_key_mismatch}});
  vendor.with_spec(R"({"maxTokenLifetime": null})");
  check_refused(vendor, {{"a year, where that is no limit", "default_mount", "{}", Reason::audience_mismatch}});
  vendor.with_spec(R"({"issuerAliases": ["https://old.example.com"]})");
  check_refused(vendor,
                {{"the issuer before", "projected", claim("iss", R"("https://old.example.com")"), Reason::none}});
}

TEST_CASE("Dex: the API is among the audiences, and the issuer has a path") {
  check_refused(Vendor("dex"),
                {{"another client", "id", claim("aud", R"("web-shop")"), Reason::audience_mismatch},
                 {"no path", "id", claim("iss", R"("https://dex.example.com")"), Reason::issuer_unknown},
                 {"a folded slash", "id", claim("iss", R"("https://dex.example.com/dex/")"), Reason::issuer_unknown},
                 {"http", "id", claim("iss", R"("http://dex.example.com/dex")"), Reason::issuer_unknown}});
  const Vendor vendor("dex");
  const auto two = claim("aud", R"(["orders", "billing"])");
  CHECK(Checkpoint(vendor).identity(vendor.token("id", two)).client.empty());  // nobody says which of the two
}

TEST_CASE("Dex rotates every six hours: old tokens pass while their key is listed, new ones once it is fetched") {
  Vendor vendor("dex");
  const std::string now = vendor.document("id")["header"]["kid"], oldest = vendor.jwks["keys"][2]["kid"];
  const std::string next = vendor.document("jwks.rotated")["keys"][0]["kid"];
  const auto by = [&](const std::string& kid) { return vendor.token("id", header("kid", "\"" + kid + "\"")); };

  Checkpoint before(vendor);
  CHECK(before.reason(by(now)) == Reason::none);
  CHECK(before.reason(by(oldest)) == Reason::none);
  CHECK(before.reason(by(next)) == Reason::kid_unknown);  // asks for a refetch

  const auto start = Time(1795600000s);
  const auto history = rotate({}, testing::signable(vendor.jwks), start, 0s);
  vendor.jwks = vendor.document("jwks.rotated");
  const auto rotated = rotate(history, testing::signable(vendor.jwks), start + 6h, 0s);
  CHECK(rotated.keys.size() == 3);
  Checkpoint after(vendor);
  CHECK(after.reason(by(next)) == Reason::none);
  CHECK(after.reason(by(now)) == Reason::none);
  CHECK(after.reason(by(oldest)) == Reason::kid_unknown);
  // Whoever wants it keeps the oldest for an hour.
  CHECK(rotate(history, testing::signable(vendor.jwks), start + 6h, 1h).key_set(start + 6h).keys.size() == 4);
}

}  // namespace meshauth::plan
