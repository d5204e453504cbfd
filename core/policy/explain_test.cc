#include "core/policy/explain.h"

#include <doctest/doctest.h>

#include "core/policy/case_builder_test.h"

namespace meshauth::policy {
namespace {

using testing::Call;
using testing::Caller;
using testing::make_policy;

constexpr const char* kRules = R"([
  {"name": "read-own", "action": "Allow",
   "from": [{"identityProvider": {"name": "okta", "namespace": "auth"}, "scopes": {"all": ["orders:read"]}, "groups": {"any": ["traders"]}}],
   "to": [{"methods": ["GET"], "paths": ["/users/{id}/orders/**"]}],
   "when": [{"pathVariable": "id", "equalsClaim": ["sub"]}, {"sourceIPs": ["10.0.0.0/8"]}, {"header": "X-Tenant", "values": ["blue"]}]},
  {"name": "health", "action": "Allow", "from": [{"anyone": true}], "to": [{"paths": ["/healthz"], "methods": ["GET"]}, {"ports": [9090], "hosts": ["*.admin.example.com"]}]},
  {"name": "no-delete", "action": "Deny", "to": [{"methods": ["DELETE"]}]}
])";

Explanation explained(const Caller& caller, const Call& call) {
  static const auto policy = make_policy("shop/orders", kRules);
  static const Engine engine(compile({&policy}, {}, model::Action::Deny));  // an explanation's texts are its
  return testing::explain(engine, caller, call);
}

}  // namespace

TEST_CASE("where a rule decided, the explanation shows it matching") {
  const auto allowed = explained(Caller(), {.path = "/healthz"});
  CHECK(allowed.decision.enforced.allow);
  CHECK(allowed.rules[1].matches());
  CHECK_FALSE(allowed.nearest);
  const auto denied = explained(Caller(), {.method = "DELETE", .path = "/healthz"});
  CHECK(denied.decision.enforced.rule == "no-delete");
  CHECK(denied.rules[2].matches());
  CHECK_FALSE(denied.nearest);
  CHECK(to_text(denied).find("deny (403 denied_by_rule) by rule no-delete of policy shop/orders") == 0);
}

TEST_CASE("every condition that fails is told with expected and actual") {
  const Caller alice = Caller("auth/okta", "alice", {"orders:write"}, R"({"sub": "alice"})").groups({"ops"});
  const auto all = explained(
      alice,
      {.method = "POST", .path = "/users/bob/orders/1", .source = "192.168.0.1", .headers = {{"x-tenant", "red"}}});
  const auto& failures = all.rules[0].failures;
  REQUIRE(failures.size() == 6);
  CHECK(failures[0] == Failure{"from[0].scopes.all", R"(all of "orders:read")", R"("orders:write")"});
  CHECK(failures[1] == Failure{"from[0].groups.any", R"(one of "traders")", R"("ops")"});
  CHECK(failures[2] == Failure{"to[0].methods", R"(one of "GET")", R"("POST")"});
  CHECK(failures[3] == Failure{"when[0]", "{id} equals claim sub", R"({id} is "bob", the claim is "alice")"});
  CHECK(failures[4] == Failure{"when[1].sourceIPs", R"(an address in "10.0.0.0/8")", "192.168.0.1"});
  CHECK(failures[5] == Failure{"when[2].header", R"(header x-tenant with one of "blue")", "another value"});
  CHECK(all.nearest == 1);  // health: its second entry fails by port and host, its first by path and method
}

TEST_CASE("the smallest change is the Allow rule with the fewest failed conditions") {
  const auto nobody = explained(Caller(), {.path = "/users/alice/orders/1", .headers = {{"x-tenant", "blue"}}});
  REQUIRE(nobody.nearest);
  CHECK(nobody.rules[*nobody.nearest].rule == "health");
  const Caller alice = Caller("auth/okta", "alice", {}, R"({"sub": "alice"})").groups({"traders"});
  const auto scope = explained(alice, {.path = "/users/alice/orders/1", .headers = {{"x-tenant", "\tblue"}}});
  REQUIRE(scope.nearest);
  CHECK(scope.rules[*scope.nearest].rule == "read-own");
  CHECK(scope.rules[*scope.nearest].failures.size() == 1);
  const std::string text = to_text(scope);
  CAPTURE(text);
  CHECK(text.find("deny (403 scope_insufficient); missing scopes: \"orders:read\"\n") == 0);
  CHECK(text.find("smallest change: rule read-own of policy shop/orders would allow it with\n"
                  "  from[0].scopes.all: expected all of \"orders:read\", found nothing\n") != std::string::npos);
}

TEST_CASE("a missing token and a provider that does not resolve are told") {
  const auto policy = make_policy("shop/orders", kRules);
  const Engine engine(compile({&policy}, {}, model::Action::Deny));
  const auto nobody = testing::explain(engine, Caller(), {.path = "/users/a/orders"});
  CHECK(nobody.rules[0].failures[0] ==
        Failure{"from[0].identityProvider", R"(a valid token of "auth/okta")", "no token"});
  const auto other = testing::explain(engine, Caller("auth/dex"), {.path = "/users/a/orders"});
  CHECK(other.rules[0].failures[0].actual == R"(a token of "auth/dex")");
  const Engine without(compile({&policy}, {"auth/okta"}, model::Action::Deny));
  CHECK(testing::explain(without, Caller("auth/okta"), {.path = "/x"}).rules[0].failures[0].actual ==
        R"("auth/okta" does not resolve)");
}

namespace {

/// Providers of namespace gone do not resolve.
std::string told(const std::string& rules, const Caller& caller, const Call& call) {
  auto policy = make_policy("shop/orders", rules);
  for (model::Rule& rule : policy.rules) {
    for (model::From& from : rule.from) {
      if (from.provider && from.provider->ns == "gone") from.provider->ns.insert(0, kUnresolvedMark);
    }
  }
  const Engine engine(compile({&policy}, {"unresolved:gone/idp"}, model::Action::Deny));
  return to_text(testing::explain(engine, caller, call));
}

const std::string kOktaRule = R"("from": [{"identityProvider": {"name": "okta", "namespace": "auth"}}])";
const std::string kAllowOktaRule = R"({"name": "a", "action": "Allow", )" + kOktaRule + "}";

bool holds_text(const std::string& text, const std::string& part) {
  CAPTURE(text);
  CAPTURE(part);
  CHECK(text.find(part) != std::string::npos);
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("a change that a Deny stops is not proposed, or told with the Deny") {
  const std::string deny =
      R"({"name": "d", "action": "Deny", "from": [{"identityProvider": {"name": "okta", "namespace": "auth"}}], "to": [{"paths": ["/x"]}]})";
  const std::string stopped = told("[" + kAllowOktaRule + "," + deny + "]", Caller(), {.path = "/x"});
  CHECK(holds_text(stopped, "smallest change: rule a of policy shop/orders would match with\n"));
  CHECK(holds_text(stopped, "  and rule d of policy shop/orders would deny it then"));
  const std::string other =
      R"({"name": "b", "action": "Allow", "from": [{"identityProvider": {"name": "dex", "namespace": "auth"}, "subjects": ["s"]}]})";
  const std::string passes = told("[" + kAllowOktaRule + "," + other + "," + deny + "]", Caller(), {.path = "/x"});
  CHECK(holds_text(passes, "smallest change: rule b of policy shop/orders would allow it with\n"));
  CHECK(passes.find("would deny it then") == std::string::npos);
}

TEST_CASE("a rule that nobody can match is not proposed") {
  const std::string real =
      R"({"name": "real", "action": "Allow", "from": [{"identityProvider": {"name": "okta", "namespace": "auth"}, "scopes": {"all": ["w"]}, "groups": {"any": ["g"]}}]})";
  const std::string dead =
      R"({"name": "dead", "action": "Allow", "from": [{"identityProvider": {"name": "idp", "namespace": "gone"}}]})";
  const std::string never =
      R"({"name": "never", "action": "Allow", "from": [{"anyone": true}], "to": [{"paths": ["/x"], "notPaths": ["/**"]}]})";
  const Caller alice("auth/okta", "alice");
  const std::string text = told("[" + dead + "," + never + "," + real + "]", alice, {.path = "/x"});
  CHECK(holds_text(text, "smallest change: rule real of policy shop/orders would allow it with\n"));
  CHECK(text.find("unresolved:") == std::string::npos);
  CHECK(holds_text(text, "found \"gone/idp\" does not resolve\n"));
  CHECK(holds_text(told("[" + dead + "," + never + "]", alice, {.path = "/x"}),
                   "smallest change: none was found; no Allow rule can match\n"));
  const std::string both =
      R"([{"name": "both", "action": "Allow", "from": [{"identityProvider": {"name": "idp", "namespace": "gone"}}, {"identityProvider": {"name": "okta", "namespace": "auth"}, "scopes": {"all": ["w"]}, "groups": {"any": ["g"]}}]}])";
  CHECK(holds_text(told(both, alice, {.path = "/x"}),
                   "would allow it with\n  from[1].scopes.all: expected all of \"w\", found nothing\n"));
}

TEST_CASE("of a Deny that matches, what it goes by is told") {
  const std::string allow = R"({"name": "a", "action": "Allow", "from": [{"anyone": true}]})";
  const auto denied = [&](const std::string& deny) {
    return told("[" + allow + R"(, {"name": "d", "action": "Deny")" + deny + "}]", Caller(), {.path = "/x"});
  };
  CHECK(holds_text(
      denied(R"(, "to": [{"paths": ["/x"]}], "when": [{"sourceIPs": ["0.0.0.0/0"]}])"),
      "smallest change: rule d of policy shop/orders must not match, since no Allow outweighs it; it goes by "
      "to[0].paths, when[0].sourceIPs\n"));
  const std::string gone = denied(R"(, "from": [{"identityProvider": {"name": "idp", "namespace": "gone"}}])");
  CHECK(holds_text(gone, "smallest change: none of the caller's; rule d of policy shop/orders denies every request"));
  CHECK(holds_text(gone, "  Deny d: matches\n    \"gone/idp\" does not resolve, so this Deny means every caller\n"));
}

TEST_CASE("claims are told with their operator, and long lists are cut") {
  const auto policy = make_policy(
      "a/p", R"([{"name": "r", "action": "Allow", "from": [{"identityProvider": {"name": "okta"}, "claims": [
     {"path": ["realm", "tier"], "operator": "In", "values": ["gold"]}, {"path": ["n"], "operator": "NotExists"},
     {"path": ["l"], "operator": "Contains", "values": ["x"]}, {"path": ["o"], "operator": "Prefix", "values": ["x"]}]}]}])");
  const Engine engine(compile({&policy}, {}, model::Action::Deny));
  const Caller caller("a/okta", "s", {}, R"({"n": null, "o": {}, "l": ["1","2","3","4","5","6","7","8","9","10"]})");
  const auto failures = testing::explain(engine, caller, Call()).rules[0].failures;
  REQUIRE(failures.size() == 4);
  CHECK(failures[0] == Failure{"from[0].claims[0]", R"(realm.tier In "gold")", "no such claim"});
  CHECK(failures[1] == Failure{"from[0].claims[1]", "n NotExists", "null"});
  CHECK(failures[2].actual == R"(a list of "1", "2", "3", "4", "5", "6", "7", "8" and 2 more)");
  CHECK(failures[3].actual == "an object");
}

TEST_CASE("text from outside cannot forge lines") {
  const Caller caller("auth/okta", "a\nAllow everything: matches", {}, "{}");
  const std::string text = to_text(explained(caller, {.path = "/x"}));
  CHECK(text.find("\nAllow everything") == std::string::npos);
}

}  // namespace meshauth::policy
