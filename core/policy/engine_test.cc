#include "core/policy/engine.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "core/policy/case_builder_test.h"

namespace meshauth::policy {
namespace {

using testing::Call;
using testing::Caller;
using testing::decide;
using testing::make_policy;

const std::string kOkta = "auth/okta";
constexpr const char* kFromOkta = R"("from": [{"identityProvider": {"name": "okta", "namespace": "auth"}}])";

Engine engine_of(const std::vector<model::AccessPolicy>& policies, const std::set<std::string>& unresolved = {},
                 model::Action default_action = model::Action::Deny) {
  std::vector<const model::AccessPolicy*> pointers;
  for (const auto& policy : policies) pointers.push_back(&policy);
  return Engine(compile(pointers, unresolved, default_action));
}

Engine with_rules(const std::string& rules) {
  return engine_of({make_policy("a/p", rules)});
}

/// An Allow of okta's callers with more fields in its `from`.
Engine with_from(const std::string& fields) {
  return with_rules(
      R"([{"name": "r", "action": "Allow", "from": [{"identityProvider": {"name": "okta", "namespace": "auth"}, )" +
      fields + "}]}]");
}

Engine with_to(const std::string& to, const std::string& when = "") {
  return with_rules(R"([{"name": "r", "action": "Allow", "from": [{"anyone": true}], "to": [)" + to + "]" +
                    (when.empty() ? "" : R"(, "when": [)" + when + "]") + "}]");
}

std::string reason(const Decision& decision) {
  return std::string(reason_name(decision.enforced.reason));
}

}  // namespace

TEST_CASE("a workload that no enforced policy selects gets the mesh default") {
  CHECK(reason(decide(engine_of({}), Caller(), Call())) == "no_policy");
  const auto open = engine_of({}, {}, model::Action::Allow);
  CHECK(decide(open, Caller(), Call()).enforced.allow);
  CHECK_FALSE(open.selected());
  const auto audit_only = engine_of({make_policy("a/p", "[]", model::Mode::Audit)}, {}, model::Action::Allow);
  CHECK(decide(audit_only, Caller(), Call()).enforced.allow);
  CHECK_FALSE(audit_only.selected());
}

TEST_CASE("a policy without rules selects and allows nothing") {
  const auto engine = engine_of({make_policy("a/p", "[]")}, {}, model::Action::Allow);
  CHECK(engine.selected());
  CHECK(reason(decide(engine, Caller(kOkta), Call())) == "no_rule_matched");
  CHECK(reason(decide(engine, Caller(), Call())) == "no_rule_matched");
}

TEST_CASE("a matching Deny wins over any Allow, in whatever order") {
  const auto allow = make_policy("b/allow", R"([{"name": "all", "action": "Allow", "from": [{"anyone": true}]}])");
  const auto deny = make_policy("z/deny", R"([{"name": "no", "action": "Deny", "to": [{"paths": ["/admin/**"]}]}])");
  for (const auto& policies : {std::vector{allow, deny}, std::vector{deny, allow}}) {
    const auto engine = engine_of(policies);
    const auto denied = decide(engine, Caller(), {.path = "/admin/x"});
    CHECK(reason(denied) == "denied_by_rule");
    CHECK(denied.enforced.policy == "z/deny");
    CHECK(denied.enforced.rule == "no");
    const auto allowed = decide(engine, Caller(), {.path = "/x"});
    CHECK(allowed.enforced.allow);
    CHECK(allowed.enforced.policy == "b/allow");
    CHECK(allowed.enforced.reason == Reason::none);
  }
}

TEST_CASE("of several rules that match, the first by policy and rule decides") {
  const auto rule = [](const std::string& name) {
    return R"({"name": ")" + name + R"(", "action": "Allow", "from": [{"anyone": true}]})";
  };
  std::vector<model::AccessPolicy> policies{make_policy("b/p", "[" + rule("x") + "]"),
                                            make_policy("a/p", "[" + rule("second") + "," + rule("a-third") + "]")};
  do {
    const auto engine = engine_of(policies);  // a decision's texts are its
    const auto decision = decide(engine, Caller(), Call());
    CHECK(decision.enforced.policy == "a/p");
    CHECK(decision.enforced.rule == "second");
    std::reverse(policies.begin(), policies.end());
  } while (policies.front().meta.ns != "b");
}

TEST_CASE("without a principal: 401 if a token could help this request, else 403") {
  const auto engine = with_rules(std::string(R"([{"name": "r", "action": "Allow", )") + kFromOkta +
                                 R"(, "to": [{"paths": ["/users/{id}"], "methods": ["GET"]}],
                                       "when": [{"pathVariable": "id", "equalsClaim": ["sub"]}]},
                                      {"name": "d", "action": "Deny", "to": [{"paths": ["/users/0"]}]}])");
  CHECK(engine.token_could_help());
  CHECK(reason(decide(engine, Caller(), {.path = "/users/7"})) == "token_missing");
  CHECK(reason(decide(engine, Caller(), {.method = "POST", .path = "/users/7"})) == "no_rule_matched");
  CHECK(reason(decide(engine, Caller(), {.path = "/other"})) == "no_rule_matched");
  CHECK(reason(decide(engine, Caller(), {.path = "/users/0"})) == "denied_by_rule");
  CHECK_FALSE(with_to(R"({"paths": ["/x"]})").token_could_help());
}

TEST_CASE("a caller of a provider that no policy names has no principal here") {
  const auto engine = with_rules(std::string(R"([{"name": "r", "action": "Allow", )") + kFromOkta + "}]");
  CHECK(reason(decide(engine, Caller("auth/other"), Call())) == "token_missing");
  CHECK(decide(engine, Caller(kOkta), Call()).enforced.allow);
  CHECK(engine.enforced_provider(kOkta));
  CHECK_FALSE(engine.enforced_provider("auth/other"));
}

TEST_CASE("every field of an entry of from must hold") {
  const struct {
    std::string fields;
    Caller caller;
    std::string want;  ///< "" allowed
  } rows[] = {
      {R"("subjects": ["alice"])", Caller(kOkta, "alice"), ""},
      {R"("subjects": ["alice"])", Caller(kOkta, "bob"), "no_rule_matched"},
      {R"("subjects": ["x", "al*"])", Caller(kOkta, "alice"), ""},
      {R"("subjects": ["*"])", Caller(kOkta, ""), ""},  // a token without a subject
      {R"("subjects": ["a*"])", Caller(kOkta, ""), "no_rule_matched"},
      {R"("clients": ["web"])", Caller(kOkta).client("web"), ""},
      {R"("clients": ["web"])", Caller(kOkta).client("we"), "no_rule_matched"},
      {R"("clients": ["web"])", Caller(kOkta), "no_rule_matched"},
      {R"("scopes": {"all": ["r", "w"]})", Caller(kOkta, "a", {"w", "r", "x"}), ""},
      {R"("scopes": {"all": ["r", "w"]})", Caller(kOkta, "a", {"r"}), "scope_insufficient"},
      {R"("scopes": {"any": ["r", "w"]})", Caller(kOkta, "a", {"w"}), ""},
      {R"("scopes": {"any": ["r", "w"]})", Caller(kOkta, "a", {"x"}), "scope_insufficient"},
      {R"("groups": {"any": ["g", "h"]})", Caller(kOkta).groups({"h"}), ""},
      {R"("groups": {"all": ["g", "h"]})", Caller(kOkta).groups({"h"}), "no_rule_matched"},
      {R"("groups": {"all": ["g"]})", Caller(kOkta).roles({"g"}), "no_rule_matched"},
      {R"("roles": {"any": ["r"]})", Caller(kOkta).roles({"r"}), ""},
      {R"("roles": {"any": ["r"]})", Caller(kOkta, "a", {"r"}), "no_rule_matched"},
      {R"("roles": {"any": ["r"]}, "scopes": {"all": ["s"]})", Caller(kOkta), "no_rule_matched"},
      {R"("roles": {"any": ["r"]}, "scopes": {"all": ["s"]})", Caller(kOkta).roles({"r"}), "scope_insufficient"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.fields);
    CHECK(reason(decide(with_from(row.fields), row.caller, Call())) == row.want);
  }
}

TEST_CASE("every operator on a claim") {
  const std::string claims = R"({"tier": "gold", "n": 7, "on": true, "none": null, "list": ["a", "b", 7], "empty": [],
                                 "realm_access": {"roles": ["admin"]}, "https://x.example/y": "z", "nested": [["gold"]]})";
  const struct {
    std::string condition;
    bool want;
  } rows[] = {
      {R"({"path": ["tier"], "operator": "In", "values": ["silver", "gold"]})", true},
      {R"({"path": ["tier"], "operator": "In", "values": ["go"]})", false},
      {R"({"path": ["n"], "operator": "In", "values": ["7"]})", true},
      {R"({"path": ["on"], "operator": "In", "values": ["true"]})", true},
      {R"({"path": ["list"], "operator": "In", "values": ["b"]})", true},
      {R"({"path": ["list"], "operator": "In", "values": ["c"]})", false},
      {R"({"path": ["nested"], "operator": "In", "values": ["gold"]})", false},
      {R"({"path": ["missing"], "operator": "In", "values": ["b"]})", false},
      {R"({"path": ["tier"], "operator": "NotIn", "values": ["silver"]})", true},
      {R"({"path": ["tier"], "operator": "NotIn", "values": ["gold"]})", false},
      {R"({"path": ["list"], "operator": "NotIn", "values": ["b"]})", false},
      {R"({"path": ["empty"], "operator": "NotIn", "values": ["b"]})", true},
      {R"({"path": ["missing"], "operator": "NotIn", "values": ["b"]})", false},
      {R"({"path": ["none"], "operator": "Exists"})", true},
      {R"({"path": ["missing"], "operator": "Exists"})", false},
      {R"({"path": ["missing"], "operator": "NotExists"})", true},
      {R"({"path": ["tier"], "operator": "NotExists"})", false},
      {R"({"path": ["list"], "operator": "Contains", "values": ["a", "7"]})", true},
      {R"({"path": ["list"], "operator": "Contains", "values": ["a", "c"]})", false},
      {R"({"path": ["tier"], "operator": "Contains", "values": ["gold"]})", true},
      {R"({"path": ["missing"], "operator": "Contains", "values": ["gold"]})", false},
      {R"({"path": ["tier"], "operator": "Prefix", "values": ["go"]})", true},
      {R"({"path": ["tier"], "operator": "Prefix", "values": ["old"]})", false},
      {R"({"path": ["list"], "operator": "Prefix", "values": ["b"]})", true},
      {R"({"path": ["n"], "operator": "Prefix", "values": ["7"]})", false},
      {R"({"path": ["tier"], "operator": "Suffix", "values": ["old"]})", true},
      {R"({"path": ["missing"], "operator": "Suffix", "values": ["old"]})", false},
      {R"({"path": ["realm_access", "roles"], "operator": "In", "values": ["admin"]})", true},
      {R"({"path": ["https://x.example/y"], "operator": "In", "values": ["z"]})", true},
      {R"({"path": ["tier", "x"], "operator": "Exists"})", false},
  };
  for (const auto& row : rows) {
    CAPTURE(row.condition);
    CHECK(decide(with_from("\"claims\": [" + row.condition + "]"), Caller(kOkta, "a", {}, claims), Call())
              .enforced.allow == row.want);
  }
}

TEST_CASE("scope_insufficient only where scopes alone were missing, and names them") {
  const auto engine = with_rules(R"([
    {"name": "one", "action": "Allow", "from": [{"identityProvider": {"name": "okta", "namespace": "auth"}, "subjects": ["bob"], "scopes": {"all": ["bobs"]}},
                                                {"identityProvider": {"name": "okta", "namespace": "auth"}, "scopes": {"all": ["read", "write"]}}],
     "to": [{"paths": ["/a/**"]}]},
    {"name": "two", "action": "Allow", "from": [{"identityProvider": {"name": "okta", "namespace": "auth"}, "scopes": {"any": ["x", "y"]}}],
     "to": [{"paths": ["/a/b", "/c"]}], "when": [{"header": "x-env", "values": ["dev"]}]}])");
  const Caller caller(kOkta, "alice", {"read"});
  const auto first = decide(engine, caller, {.path = "/a/b", .headers = {{"x-env", "dev"}}});
  CHECK(reason(first) == "scope_insufficient");
  CHECK(first.enforced.missing_scopes == std::vector<std::string>{"write"});
  CHECK(first.enforced.rule.empty());
  const auto second = decide(engine, caller, {.path = "/c", .headers = {{"x-env", "dev"}}});
  CHECK(second.enforced.missing_scopes == std::vector<std::string>{"x", "y"});
  CHECK(reason(decide(engine, caller, {.path = "/c"})) == "no_rule_matched");
  CHECK(reason(decide(engine, caller, {.path = "/d"})) == "no_rule_matched");
}

TEST_CASE("every field of an entry of to must hold, and none of its not-fields") {
  const struct {
    std::string to;
    Call call;
    bool want;
  } rows[] = {
      {R"({"methods": ["GET", "HEAD"]})", {.method = "HEAD"}, true},
      {R"({"methods": ["GET"]})", {.method = "POST"}, false},
      {R"({"methods": ["GET"]})", {.method = "get"}, false},
      {R"({"notMethods": ["GET"]})", {.method = "GET"}, false},
      {R"({"notMethods": ["GET"]})", {.method = "PURGE"}, true},
      {R"({"paths": ["/a", "/b/**"]})", {.path = "/b/c"}, true},
      {R"({"paths": ["/a"]})", {.path = "/b"}, false},
      {R"({"notPaths": ["/a/**"]})", {.path = "/a"}, false},
      {R"({"notPaths": ["/a/**"]})", {.path = "/b"}, true},
      {R"({"paths": ["/**"], "notPaths": ["/a/**", "/b"]})", {.path = "/b"}, false},
      {R"({"hosts": ["*.example.com"]})", {.host = "a.example.com"}, true},
      {R"({"hosts": ["*.example.com"]})", {.host = "a.b.c.example.com"}, true},
      {R"({"hosts": ["*.example.com"]})", {.host = "example.com"}, false},
      {R"({"hosts": ["example.com"]})", {.host = "a.example.com"}, false},
      {R"({"hosts": ["example.com", "[0:0::1]"]})", {.host = "[::1]"}, true},
      {R"({"hosts": ["example.com"]})", {.host = ""}, false},
      {R"({"notHosts": ["*.example.com"]})", {.host = "a.example.com"}, false},
      {R"({"notHosts": ["*.example.com"]})", {.host = "other.org"}, true},
      {R"({"ports": [80, 8080]})", {.port = 8080}, true},
      {R"({"ports": [80]})", {.port = 8080}, false},
      {R"({"notPorts": [8080]})", {.port = 8080}, false},
      {R"({"methods": ["GET"], "paths": ["/a"], "hosts": ["x.org"], "ports": [1]})",
       {.path = "/a", .host = "x.org", .port = 1},
       true},
      {R"({"methods": ["GET"], "paths": ["/a"], "hosts": ["x.org"], "ports": [1]})",
       {.path = "/a", .host = "x.org", .port = 2},
       false},
      {R"({"methods": ["POST"]}, {"paths": ["/"]})", {.method = "GET"}, true},
      {R"({"methods": ["POST"]}, {"paths": ["/x"]})", {.method = "GET"}, false},
  };
  for (const auto& row : rows) {
    CAPTURE(row.to);
    CHECK(decide(with_to(row.to), Caller(), row.call).enforced.allow == row.want);
  }
}

TEST_CASE("more methods than the engine has bits for are still told apart") {
  std::string methods, others;
  for (char a = 'A'; a <= 'Z'; ++a) {
    for (char b = 'A'; b <= 'D'; ++b) {
      std::string& list = b == 'D' ? others : methods;
      if (std::count(list.begin(), list.end(), ',') < 63)
        list += (list.empty() ? "\"" : ",\"") + std::string{a, b} + "\"";
    }
  }
  const auto engine = with_to("{\"methods\": [" + methods + "]}, {\"methods\": [" + others + "], \"ports\": [1]}");
  CHECK(decide(engine, Caller(), {.method = "AA"}).enforced.allow);
  CHECK(decide(engine, Caller(), {.method = "UC"}).enforced.allow);
  CHECK_FALSE(decide(engine, Caller(), {.method = "ZD"}).enforced.allow);
  CHECK_FALSE(decide(engine, Caller(), {.method = "ZZ"}).enforced.allow);
}

TEST_CASE("a path variable equals a scalar claim") {
  const auto engine = with_rules(std::string(R"([{"name": "own", "action": "Allow", )") + kFromOkta +
                                 R"(, "to": [{"paths": ["/users/{id}/**", "/{id}"]}],
                                       "when": [{"pathVariable": "id", "equalsClaim": ["u", "id"]}]}])");
  const struct {
    std::string claims;
    std::string path;
    bool want;
  } rows[] = {
      {R"({"u": {"id": "alice"}})", "/users/alice/x", true},
      {R"({"u": {"id": "alice"}})", "/users/bob/x", false},
      {R"({"u": {"id": 7}})", "/users/7", true},
      {R"({"u": {"id": 7}})", "/users/07", false},
      {R"({"u": {"id": true}})", "/true", true},
      {R"({"u": {"id": ["alice"]}})", "/users/alice", false},
      {R"({"u": {"id": null}})", "/users/null", false},
      {R"({"u": {}})", "/users/alice", false},
      {R"({"u": {"id": "a b"}})", "/users/a%20b", true},
      {R"({"u": {"id": "users"}})", "/users/alice", false},
      {R"({"u": {"id": "alice"}})", "/users/Alice", false},
  };
  for (const auto& row : rows) {
    CAPTURE(row.claims);
    CAPTURE(row.path);
    CHECK(decide(engine, Caller(kOkta, "a", {}, row.claims), {.path = row.path}).enforced.allow == row.want);
  }
}

TEST_CASE("a Deny bound to a path variable denies the owner alone") {
  const auto engine = with_rules(
      R"([{"name": "all", "action": "Allow", "from": [{"anyone": true}, {"identityProvider": {"name": "okta", "namespace": "auth"}}]},
    {"name": "d", "action": "Deny", "to": [{"paths": ["/approve/{id}"]}], "when": [{"pathVariable": "id", "equalsClaim": ["sub"]}]}])");
  CHECK(reason(decide(engine, Caller(kOkta, "a", {}, R"({"sub": "a"})"), {.path = "/approve/a"})) == "denied_by_rule");
  CHECK(decide(engine, Caller(kOkta, "a", {}, R"({"sub": "a"})"), {.path = "/approve/b"}).enforced.allow);
  CHECK(decide(engine, Caller(), {.path = "/approve/a"}).enforced.allow);
}

TEST_CASE("all of when holds: source networks and headers") {
  const std::string to = R"({"methods": ["GET"]})";
  const std::string ips = R"({"sourceIPs": ["10.0.0.0/8", "2001:db8::/32"]})",
                    header = R"({"header": "X-Tenant", "values": ["blue", "green"]})";
  CHECK(decide(with_to(to, ips), Caller(), {.source = "10.9.9.9"}).enforced.allow);
  CHECK(decide(with_to(to, ips), Caller(), {.source = "::ffff:10.1.1.1"}).enforced.allow);
  CHECK(decide(with_to(to, ips), Caller(), {.source = "2001:db8::5"}).enforced.allow);
  CHECK_FALSE(decide(with_to(to, ips), Caller(), {.source = "11.0.0.1"}).enforced.allow);
  CHECK(decide(with_to(to, header), Caller(), {.headers = {{"x-tenant", "green"}}}).enforced.allow);
  CHECK_FALSE(decide(with_to(to, header), Caller(), {.headers = {{"x-tenant", "Green"}}}).enforced.allow);
  CHECK(decide(with_to(to, header), Caller(), {.headers = {{"x-tenant", "\t blue \t"}}}).enforced.allow);
  CHECK_FALSE(decide(with_to(to, header), Caller(), {.headers = {{"x-tenant", "blue\tblue"}}}).enforced.allow);
  CHECK_FALSE(decide(with_to(to, header), Caller(), Call()).enforced.allow);
  CHECK_FALSE(
      decide(with_to(to, header), Caller(), {.headers = {{"x-tenant", "blue"}, {"x-tenant", "blue"}}}).enforced.allow);
  CHECK_FALSE(decide(with_to(to, ips + "," + header), Caller(), {.source = "10.0.0.1"}).enforced.allow);
  CHECK(decide(with_to(to, ips + "," + header), Caller(), {.source = "10.0.0.1", .headers = {{"x-tenant", "blue"}}})
            .enforced.allow);
}

TEST_CASE("a Deny by a header is not got round by sending it twice or in a list") {
  const Engine engine = engine_of({make_policy("a/p", R"([
      {"name": "no-guests", "action": "Deny", "when": [{"header": "X-Role", "values": ["guest", "a, b"]}]},
      {"name": "rest", "action": "Allow", "from": [{"anyone": true}]}])")});
  const auto allowed = [&](std::multimap<std::string, std::string> headers) {
    return decide(engine, Caller(), {.headers = std::move(headers)}).enforced.allow;
  };
  CHECK(allowed({}));
  CHECK(allowed({{"x-role", "admin"}}));
  CHECK(allowed({{"x-role", "guests"}}));
  CHECK(allowed({{"x-role", "a,b"}}));
  CHECK_FALSE(allowed({{"x-role", "guest"}}));
  CHECK_FALSE(allowed({{"x-role", "guest"}, {"x-role", "admin"}}));
  CHECK_FALSE(allowed({{"x-role", "admin"}, {"x-role", "guest"}}));
  CHECK_FALSE(allowed({{"x-role", "admin,\tguest "}}));
  CHECK_FALSE(allowed({{"x-role", "guest,"}}));
  CHECK_FALSE(allowed({{"x-role", "a, b"}}));
}

TEST_CASE("a provider that does not resolve: Allow matches nobody, Deny matches every caller") {
  const auto rule = [](const char* action, const char* to) {
    return make_policy("a/p", std::string(R"([{"name": "r", "action": ")") + action + "\", " + kFromOkta + to + R"(},
      {"name": "open", "action": "Allow", "from": [{"anyone": true}], "to": [{"paths": ["/open/**"]}]}])");
  };
  const std::set<std::string> unresolved{kOkta};
  const auto allow = engine_of({rule("Allow", "")}, unresolved);
  CHECK(reason(decide(allow, Caller(kOkta), Call())) == "no_rule_matched");
  CHECK(reason(decide(allow, Caller(), Call())) == "no_rule_matched");
  CHECK_FALSE(allow.token_could_help());
  const auto deny = engine_of({rule("Deny", R"(, "to": [{"paths": ["/open/x"]}])")}, unresolved);
  CHECK(reason(decide(deny, Caller(), {.path = "/open/x"})) == "denied_by_rule");
  CHECK(reason(decide(deny, Caller(kOkta), {.path = "/open/x"})) == "denied_by_rule");
  CHECK(decide(deny, Caller(), {.path = "/open/y"}).enforced.allow);
}

TEST_CASE("a provider resolves for one policy and not for another") {
  const std::string rules = std::string(R"([{"name": "r", "action": "Allow", )") + kFromOkta + "}]";
  const auto own = make_policy("a/own", rules), mesh = make_policy("root/mesh", rules);
  const Engine engine(compile(std::vector<PolicyInput>{{&own, {kOkta}}, {&mesh, {}}}, model::Action::Deny));
  const auto decision = decide(engine, Caller(kOkta), Call());
  CHECK(decision.enforced.allow);
  CHECK(decision.enforced.policy == "root/mesh");
}

TEST_CASE("audit policies decide nothing; where they would, both answers are told") {
  const auto enforced = make_policy(
      "a/enforced",
      R"([{"name": "open", "action": "Allow", "from": [{"anyone": true}], "to": [{"paths": ["/open/**"]}]}])");
  const auto audit = make_policy("a/audit", R"([{"name": "no", "action": "Deny", "to": [{"paths": ["/open/x"]}]},
    {"name": "more", "action": "Allow", "from": [{"anyone": true}], "to": [{"paths": ["/more"]}]}])",
                                 model::Mode::Audit);
  const auto engine = engine_of({enforced, audit});
  const auto would_deny = decide(engine, Caller(), {.path = "/open/x"});
  CHECK(would_deny.enforced.allow);
  REQUIRE(would_deny.audit);
  CHECK(would_deny.audit->reason == Reason::denied_by_rule);
  CHECK(would_deny.audit->rule == "no");
  const auto would_allow = decide(engine, Caller(), {.path = "/more"});
  CHECK(reason(would_allow) == "no_rule_matched");
  REQUIRE(would_allow.audit);
  CHECK(would_allow.audit->allow);
  CHECK_FALSE(decide(engine, Caller(), {.path = "/open/y"}).audit);
  CHECK_FALSE(decide(engine, Caller(), {.path = "/none"}).audit);
}

TEST_CASE("what only audit policies know changes no decision") {
  const auto enforced =
      make_policy("a/enforced", std::string(R"([{"name": "r", "action": "Allow", )") + kFromOkta + R"(},
    {"name": "own", "action": "Allow", "from": [{"anyone": true}], "to": [{"paths": ["/u/{id}"]}], "when": [{"pathVariable": "id", "equalsClaim": ["sub"]}]}])");
  const auto audit = make_policy(
      "a/audit",
      R"([{"name": "r", "action": "Allow", "from": [{"identityProvider": {"name": "new", "namespace": "auth"}}]}])",
      model::Mode::Audit);
  const auto engine = engine_of({enforced, audit});
  CHECK_FALSE(engine.enforced_provider("auth/new"));
  const auto decision = decide(engine, Caller("auth/new", "a", {}, R"({"sub": "a"})"), {.path = "/u/a"});
  CHECK(reason(decision) == "token_missing");
  REQUIRE(decision.audit);
  CHECK(decision.audit->allow);
}

TEST_CASE("the verdict names the first provider, by id, that matched") {
  const auto engine = with_rules(R"([
    {"name": "r", "action": "Allow", "from": [{"identityProvider": {"name": "z", "namespace": "p"}}, {"identityProvider": {"name": "m", "namespace": "p"}},
                                              {"identityProvider": {"name": "a", "namespace": "p"}, "roles": {"any": ["x"]}}], "to": [{"paths": ["/r"]}]},
    {"name": "open", "action": "Allow", "from": [{"anyone": true}]}])");
  CHECK(decide(engine, Caller("p/z").also("p/m").also("p/a"), {.path = "/r"}).enforced.provider == "p/m");
  CHECK(decide(engine, Caller("p/z"), {.path = "/r"}).enforced.provider == "p/z");
  CHECK(decide(engine, Caller("p/z").also("p/a"), {.path = "/x"}).enforced.provider == "p/a");
  CHECK(decide(engine, Caller(), {.path = "/x"}).enforced.provider.empty());
}

TEST_CASE("a match of another engine is refused") {
  const auto one = with_to(R"({"paths": ["/**"]})"), other = with_to(R"({"paths": ["/**"]})");
  const Path path{{""}};
  Request request;
  request.path = &path;
  CHECK(one.decide(*one.match({}), request).enforced.allow);
  CHECK(one.decide(*other.match({}), request).enforced.reason == Reason::internal);
  CHECK(one.decide(*one.match({}), Request{}).enforced.reason == Reason::internal);
}

}  // namespace meshauth::policy
