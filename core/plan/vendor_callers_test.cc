// Tokens of each vendor's form against the manifests of its page: who calls, and what the policy allows.
#include "core/plan/testing/vendor.h"

namespace meshauth::plan {
namespace {

using testing::Checkpoint;
using testing::claim;
using testing::Vendor;
using Texts = std::vector<std::string>;

}  // namespace

TEST_CASE("who calls is what a user of the vendor expects") {
  struct Case {
    std::string vendor, token;
    std::string subject, client;
    Texts scopes, groups, roles;
  };
  const std::vector<Case> cases = {
      {"okta",
       "access",
       "ann@example.com",
       "0oa1webshop0000000x7",
       {"openid", "orders:read"},
       {"Everyone", "traders"},
       {}},
      {"okta", "client", "0oa1billing0000000x7", "0oa1billing0000000x7", {"orders:read"}, {}, {}},
      {"auth0",
       "access",
       "auth0|6553da60a54af58e29493993",
       "K1AUPhZq8mRi0Q0pjhkfu1D7y6KjDQja",
       {"openid", "profile", "read:orders"},
       {},
       {"read:orders", "cancel:orders"}},
      {"auth0",
       "access_rfc9068",
       "auth0|6553da60a54af58e29493993",
       "K1AUPhZq8mRi0Q0pjhkfu1D7y6KjDQja",
       {"openid", "profile", "read:orders"},
       {},
       {"read:orders"}},
      {"auth0",
       "client",
       "awZfdIir8YFdGZWkvCejDoUb7SjTDicx@clients",
       "awZfdIir8YFdGZWkvCejDoUb7SjTDicx",
       {"read:orders"},
       {},
       {}},
      {"cognito",
       "access",
       "93843872-60e1-7099-0e7b-1a2b3c4d5e6f",
       "57cbishk4j24pabc1234567890",
       {"openid", "orders/read"},
       {"traders", "eu-central-1_AbCdEfGhI_Corp"},
       {}},
      {"cognito", "client", "5g3h2example1billing0client", "5g3h2example1billing0client", {"orders/read"}, {}, {}},
      {"keycloak",
       "access",
       "838d3785-4aeb-4923-b272-3972e6723453",
       "web-shop",
       {"openid", "email", "profile", "orders:read"},
       {"/sales/traders"},
       {"default-roles-shop", "offline_access", "uma_authorization", "trader", "approver"}},
      {"keycloak",
       "client",
       "5e6f7a8b-9c0d-4e1f-a2b3-c4d5e6f7a8b9",
       "billing",
       {"email", "profile", "orders:read"},
       {},
       {"default-roles-shop", "offline_access", "uma_authorization", "reader"}},
      {"google", "id", "10769150350006150715113082367", "1234567890-example.apps.googleusercontent.com", {}, {}, {}},
      {"google", "service_account", "105250506097979753968", "105250506097979753968", {}, {}, {}},
      {"kubernetes",
       "projected",
       "system:serviceaccount:billing:invoices",
       "system:serviceaccount:billing:invoices",
       {},
       {},
       {}},
      {"dex", "id", "Cg0wLTM4NS0yODA4OS0wEgRtb2Nr", "orders", {}, {"example-org:traders"}, {}},
      {"dex", "cross_client", "Cg0wLTM4NS0yODA4OS0wEgRtb2Nr", "web-shop", {}, {"example-org:traders"}, {}},
  };
  for (const Case& c : cases) {
    CAPTURE(c.vendor);
    CAPTURE(c.token);
    const Vendor vendor(c.vendor);
    const auto who = Checkpoint(vendor).identity(vendor.token(c.token));
    CHECK(who.subject == c.subject);
    CHECK(who.client == c.client);
    CHECK(who.scopes == c.scopes);
    CHECK(who.groups == c.groups);
    CHECK(who.roles == c.roles);
  }
}

TEST_CASE("the policy of each page does what the page says") {
  struct Case {
    std::string vendor, token, method, path;
    Reason reason;
    std::string patch = "{}";
  };
  constexpr auto kAllowed = Reason::none, kNoRule = Reason::no_rule_matched, kScope = Reason::scope_insufficient;
  for (const Case& c : std::vector<Case>{
           {"okta", "access", "GET", "/orders/7", kAllowed},
           {"okta", "access", "GET", "/orders/7", kScope, claim("scp", R"(["openid"])")},
           {"okta", "access", "POST", "/orders/7/cancel", kAllowed},
           {"okta", "client", "POST", "/orders/7/cancel", kNoRule},
           {"auth0", "access", "GET", "/orders/7", kAllowed},
           {"auth0", "client", "GET", "/orders/7", kAllowed},
           {"auth0", "access", "POST", "/orders/7/cancel", kAllowed},
           {"auth0", "access_rfc9068", "POST", "/orders/7/cancel", kNoRule},
           {"auth0", "access", "GET", "/reports/2026", kAllowed},
           {"auth0", "client", "GET", "/reports/2026", kNoRule},
           {"cognito", "access", "GET", "/orders/7", kAllowed},
           {"cognito", "client", "GET", "/orders/7", kAllowed},
           {"cognito", "access", "POST", "/orders/7/cancel", kAllowed},
           {"cognito", "access", "POST", "/orders/7/cancel", kNoRule, claim("cognito:groups", "null")},
           {"keycloak", "access", "GET", "/orders/7", kAllowed},
           {"keycloak", "client", "POST", "/orders/7/cancel", kNoRule},
           {"keycloak", "access", "POST", "/orders/7/cancel", kAllowed},
           {"keycloak", "access", "POST", "/orders/7/cancel", kAllowed, claim("groups", "null")},
           {"keycloak", "access", "POST", "/orders/7/cancel", kAllowed, claim("resource_access", "null")},
           {"keycloak", "access", "POST", "/orders/7/cancel", kNoRule,
            R"({"claims": {"resource_access": null, "groups": ["/traders", "traders"]}})"},
           {"google", "id", "GET", "/orders/7", kAllowed},
           {"google", "id", "GET", "/orders/7", kNoRule, claim("hd", "null")},
           {"google", "service_account", "POST", "/orders/7/cancel", kAllowed},
           {"kubernetes", "projected", "GET", "/orders/7", kAllowed},
           {"kubernetes", "projected", "GET", "/orders/7", kNoRule,
            claim("sub", R"("system:serviceaccount:billing-2:invoices")")},
           {"kubernetes", "projected", "POST", "/orders/7/cancel", kAllowed},
           {"kubernetes", "projected", "POST", "/orders/7/cancel", kNoRule,
            claim("kubernetes.io", R"({"serviceaccount": {"name": "other"}})")},
           {"dex", "id", "GET", "/orders/7", kAllowed},
           {"dex", "cross_client", "POST", "/orders/7/cancel", kAllowed},
           {"dex", "id", "POST", "/orders/7/cancel", kNoRule},
       }) {
    CAPTURE(c.vendor);
    CAPTURE(c.token);
    CAPTURE(c.path);
    CAPTURE(c.patch);
    const Vendor vendor(c.vendor);
    const auto decided = Checkpoint(vendor).decide(vendor.token(c.token, c.patch), c.method, c.path);
    CHECK(reason_name(decided) == reason_name(c.reason));
  }
}

}  // namespace meshauth::plan
