#include "core/engine/decide.h"

#include "core/engine/testing.h"

using namespace meshauth;
using namespace meshauth::engine;
using namespace meshauth::engine::testing;

namespace {

Mesh orders_mesh() {
  Mesh mesh;
  mesh.add(provider());
  mesh.add("ns/orders",
           {rule("read", {with_scopes({"orders:read"})}, {"/orders/**"}), rule("public", {anyone()}, {"/public/**"})});
  return mesh;
}

const std::string kReader = R"("scope":"orders:read")";

}  // namespace

TEST_CASE("what is no token at all is told apart from a wrong one, and names no caller") {
  const auto snapshot = usual().snapshot();
  TokenCache cache(1 << 20, 7);
  const std::string good = token();
  for (const std::string text : {"", " ", "a b", "\"a\"", "a\x01", "a.b c.d", "\xc3\xa9"}) {
    CAPTURE(text);
    const Outcome out = ask(*snapshot, Request().bearer(text), &cache);
    CHECK(out.reason == Reason::token_malformed_source);
    CHECK(out.token_failed);
    CHECK(out.detail.empty());
    CHECK(out.presented_at.header.empty());
  }
  for (const char extra : std::string_view(" ;\"\t\x7f")) {
    const Outcome out = ask(*snapshot, Request().bearer(good + extra + "x"), &cache);
    CHECK(out.reason == Reason::token_malformed_source);
  }
  CHECK(ask(*snapshot, Request().bearer("a.b.c"), &cache).reason == Reason::base64_invalid);
  CHECK(ask(*snapshot, Request().bearer("a+b"), &cache).reason == Reason::token_segments);
  CHECK(cache.size() == 0);
  CHECK(ask(*snapshot, Request().bearer(good), &cache).allow);
}

TEST_CASE("the answers of the main job") {
  const auto snapshot = orders_mesh().snapshot();
  struct Case {
    Request request;
    int status;
    Reason reason;
  };
  const Case cases[] = {
      {Request("/orders/1"), 401, Reason::token_missing},
      {Request("/orders/1").bearer(token()), 403, Reason::scope_insufficient},
      {Request("/orders/1").bearer(token(kReader)), 200, Reason::none},
      {Request("/other").bearer(token(kReader)), 403, Reason::no_rule_matched},
      {Request("/other"), 403, Reason::no_rule_matched},
      {Request("/public/x"), 200, Reason::none},
      {Request("/public/x").bearer("a.b"), 401, Reason::token_segments},
      {Request("/orders//1").bearer(token(kReader)), 400, Reason::path_ambiguous},
      {Request("/orders/1").header("host", "b"), 400, Reason::host_mismatch},
      {Request("/orders/1").header("x", std::string(40000, 'x')), 400, Reason::header_too_large},
  };
  for (const Case& c : cases) {
    const Outcome outcome = ask(*snapshot, c.request);
    CHECK(reason_name(outcome.reason) == reason_name(c.reason));
    CHECK(outcome.status() == c.status);
    CHECK(outcome.allow == (c.status == 200));
  }
}

TEST_CASE("an allowed request says who, by which rule, and until when") {
  const auto snapshot = orders_mesh().snapshot();
  const Outcome outcome = ask(*snapshot, Request("/orders/1").bearer(token(kReader + R"(,"jti":"t1","azp":"web")")));
  REQUIRE(outcome.principal());
  CHECK(outcome.principal()->provider == "ns/okta");
  CHECK(outcome.principal()->subject == "alice");
  CHECK(outcome.principal()->client == "web");
  CHECK(outcome.principal()->scopes == "orders:read");
  CHECK(outcome.caller->issuer->name == "https://idp");
  CHECK(outcome.caller->token_id == "t1");
  CHECK(outcome.caller->expires == 1000600);
  CHECK(outcome.policy == "ns/orders");
  CHECK(outcome.rule == "read");
  CHECK(outcome.host == "orders.test");
  CHECK_FALSE(outcome.token_failed);
}

TEST_CASE("no rule goes by a client's copy of a header that a provider forwards") {
  Mesh mesh;
  ProviderSettings okta = provider();
  okta.forward_claims = {{{"tier"}, "X-Tier"}};
  mesh.add(okta);
  model::Rule by_tier = rule("gold", {anyone()}, {"/gold/**"}), by_other = rule("other", {anyone()}, {"/other/**"});
  by_tier.when = {model::HeaderCondition{"x-tier", {"gold"}}};
  by_other.when = {model::HeaderCondition{"x-other", {"gold"}}};
  mesh.add("ns/orders", {by_tier, by_other, rule("names okta", {from()}, {"/me"})});
  const auto snapshot = mesh.snapshot();
  CHECK_FALSE(ask(*snapshot, Request("/gold/1").header("x-tier", "gold")).allow);
  CHECK(ask(*snapshot, Request("/other/1").header("x-other", "gold")).allow);
}

TEST_CASE("an outcome outlives its snapshot") {
  Outcome outcome;
  {
    const auto snapshot = orders_mesh().snapshot();
    outcome = ask(*snapshot, Request("/orders/1").bearer(token(kReader)));
  }
  CHECK(outcome.rule == "read");
  CHECK(outcome.principal()->subject == "alice");
  CHECK(outcome.caller->claims().has_value());
}

TEST_CASE("a refused token says its reason, its issuer, and a key that nobody has") {
  const auto snapshot = orders_mesh().snapshot();
  const Outcome outcome = ask(*snapshot, Request("/orders/1").bearer(token("", "https://idp", 1, "k9")));
  CHECK(outcome.reason == Reason::kid_unknown);
  CHECK(outcome.unknown_kid == "k9");
  CHECK(outcome.unknown_kid_source == "keys");
  CHECK(outcome.issuer == "https://idp");
  CHECK(outcome.token_failed);
  CHECK_FALSE(outcome.caller);
  CHECK(outcome.detail.find(token()) == std::string::npos);
}

TEST_CASE("a refusal is never remembered: it is found anew each time, and ends with its cause") {
  struct Case {
    Reason reason;
    std::string token;
  };
  const std::string claims = R"({"iss":"https://idp","aud":"api","sub":"alice","exp":1000600})";
  const auto signed_claims = [&](const std::string& old, const std::string& text) {
    std::string other = claims;
    return key(0).token(Algorithm::ES256, R"({"alg":"ES256","kid":"k0"})",
                        other.replace(other.find(old), old.size(), text));
  };
  const Case cases[] = {
      {Reason::signature_invalid, token("", "https://idp", 1)},
      {Reason::kid_unknown, token("", "https://idp", 1, "k1")},
      {Reason::audience_mismatch, signed_claims("\"api\"", "\"other\"")},
      {Reason::expired, signed_claims("1000600", "999999")},
  };
  Mesh mesh = usual();
  const auto snapshot = mesh.snapshot();
  TokenCache cache(1 << 20, 7);
  for (const Case& c : cases) {
    CAPTURE(reason_name(c.reason));
    for (int round = 0; round < 2; ++round) {
      CHECK(ask(*snapshot, Request().bearer(c.token), &cache).reason == c.reason);
      CHECK(cache.size() == 0);
    }
    CHECK(cache.hits() == 0);
  }
  mesh.add_keys("keys", {{"k0", 0}, {"k1", 1}});
  const auto rotated = mesh.snapshot();
  CHECK(ask(*rotated, Request().bearer(cases[1].token), &cache).allow);
  CHECK(cache.size() == 1);
}

TEST_CASE("a token counts only for the providers that look where it was found") {
  Mesh mesh;
  ProviderSettings header = provider("ns/okta"), cookie = provider("ns/web");
  cookie.token_sources = {{"", "", "session"}};
  mesh.add(header).add(cookie);
  mesh.add("ns/p", {rule("web", {from("web")}, {"/web"}), rule("okta", {from("okta")}, {"/okta"})});
  const auto snapshot = mesh.snapshot();
  TokenCache cache(1 << 20, 7);
  for (int round = 0; round < 2; ++round) {  // the second one from the cache
    CHECK(ask(*snapshot, Request("/web").bearer(token()), &cache).reason == Reason::no_rule_matched);
    CHECK(ask(*snapshot, Request("/okta").bearer(token()), &cache).allow);
    CHECK(ask(*snapshot, Request("/web").header("cookie", "session=" + token()), &cache).allow);
    CHECK(ask(*snapshot, Request("/okta").header("cookie", "session=" + token()), &cache).reason ==
          Reason::no_rule_matched);
  }
  CHECK(cache.size() == 1);
}

TEST_CASE(
    "a token that only a provider of another place would accept is refused with the reason of those that look there") {
  Mesh mesh;
  ProviderSettings header = provider("ns/okta", "https://other"), cookie = provider("ns/web");
  cookie.token_sources = {{"", "", "session"}};
  mesh.add(header).add(cookie);
  mesh.add("ns/p", {rule("both", {from("web"), from("okta")})});
  const auto snapshot = mesh.snapshot();
  TokenCache cache(1 << 20, 7);
  for (int round = 0; round < 2; ++round) {
    CHECK(ask(*snapshot, Request().bearer(token()), &cache).reason == Reason::issuer_unknown);
    CHECK(ask(*snapshot, Request().header("cookie", "session=" + token()), &cache).allow);
  }
}

TEST_CASE("the first provider by id that matched the deciding rule speaks for the caller") {
  Mesh mesh;
  ProviderSettings a = provider("ns/a"), b = provider("ns/b");
  a.mappings.subject = {"azp"};
  mesh.add(b).add(a);
  mesh.add("ns/p", {rule("b", {from("b")}, {"/b"}), rule("a", {from("b"), from("a")}, {"/a"}),
                    rule("all", {anyone()}, {"/all"})});
  const auto snapshot = mesh.snapshot();
  const auto speaks = [&](const char* path) {
    const Outcome outcome = ask(*snapshot, Request(path).bearer(token(R"("azp":"web")")));
    REQUIRE(outcome.allow);
    return outcome.principal()->provider + ":" + outcome.principal()->subject;
  };
  CHECK(speaks("/b") == "ns/b:alice");
  CHECK(speaks("/a") == "ns/a:web");
  CHECK(speaks("/all") == "ns/a:web");
}

TEST_CASE("keys past their maxStale refuse that provider alone, until they are fetched") {
  Mesh mesh;
  ProviderSettings stale = provider("ns/okta"), fine = provider("ns/fine", "https://fine");
  stale.max_stale = Seconds(3600);
  mesh.add(stale).add(fine);
  mesh.add("ns/p", {rule("both", {from("okta"), from("fine")}), rule("public", {anyone()}, {"/public"})});
  const auto snapshot = std::make_unique<Snapshot>(mesh.keys, mesh.policy);
  const auto reason = [&](const std::string& path, const std::string& t) {
    return ask(*snapshot, Request(path).bearer(t)).reason;
  };
  const std::string other = token("", "https://fine");

  CHECK(reason("/x", token()) == Reason::keys_stale);  // nobody said how old they are
  CHECK(reason("/public", token()) == Reason::keys_stale);
  CHECK(reason("/x", other) == Reason::none);
  CHECK(ask(*snapshot, Request("/public")).allow);

  bundle::Fresh fresh;
  fresh.sources["keys"] = static_cast<std::int64_t>(kNow) - 3599;
  snapshot->set_fresh(fresh);
  CHECK(reason("/x", token()) == Reason::none);
  fresh.sources["keys"] = static_cast<std::int64_t>(kNow) - 3600;
  snapshot->set_fresh(fresh);
  CHECK(reason("/x", token()) == Reason::keys_stale);
  CHECK(reason_status(Reason::keys_stale) == 503);
  // Old keys cannot say that a key does not exist, but what is wrong by itself is still wrong.
  CHECK(reason("/x", token("", "https://idp", 1, "k9")) == Reason::keys_stale);
  CHECK(reason("/x", "a.b.c") == Reason::base64_invalid);
}

TEST_CASE("a stale provider among others leaves what the others say") {
  Mesh mesh;
  ProviderSettings stale = provider("ns/a"), fine = provider("ns/b");
  stale.max_stale = Seconds(3600);
  fine.key_source = "other";
  mesh.add(stale).add(fine).add_keys("other", {{"k0", 0}});
  mesh.add("ns/p", {rule("a", {from("a")}, {"/a"}), rule("b", {from("b")}, {"/b"})});
  const auto snapshot = std::make_unique<Snapshot>(mesh.keys, mesh.policy);
  TokenCache cache(1 << 20, 7);
  const auto allowed = [&](const char* path) { return ask(*snapshot, Request(path).bearer(token()), &cache).allow; };
  CHECK_FALSE(allowed("/a"));
  CHECK(allowed("/b"));
  bundle::Fresh fresh;
  fresh.sources["keys"] = static_cast<std::int64_t>(kNow);
  snapshot->set_fresh(fresh);
  CHECK(allowed("/a"));
  snapshot->set_fresh({});
  CHECK_FALSE(allowed("/a"));  // the match of before is not kept
}

TEST_CASE("a provider that only audit policies name never refuses a request") {
  Mesh mesh;
  ProviderSettings audit = provider("ns/new", "https://new");
  mesh.add(provider()).add(audit);
  mesh.add("ns/orders", {rule("read", {from("okta")}, {"/orders/**"}), rule("public", {anyone()}, {"/public/**"})});
  mesh.add("ns/trial", {rule("new", {from("new")}, {"/orders/**"})}, model::Mode::Audit);
  const auto snapshot = mesh.snapshot();
  TokenCache cache(1 << 20, 7);

  SUBCASE("its good token is no principal for the enforced policies, and the difference is told") {
    for (int round = 0; round < 2; ++round) {
      const Outcome outcome = ask(*snapshot, Request("/orders/1").bearer(token("", "https://new")), &cache);
      CHECK(outcome.reason == Reason::issuer_unknown);
      REQUIRE(outcome.audit);
      CHECK(outcome.audit->allow);
      CHECK(outcome.audit->policy == "ns/trial");
      CHECK(outcome.audit->rule == "new");
    }
  }
  SUBCASE("the enforced provider's token is decided as ever") {
    const Outcome outcome = ask(*snapshot, Request("/orders/1").bearer(token()), &cache);
    CHECK(outcome.allow);
    CHECK_FALSE(outcome.audit);
  }
}

TEST_CASE("a failing token at a place of an audit-only provider means no principal") {
  Mesh mesh;
  ProviderSettings audit = provider("ns/new", "https://new");
  audit.token_sources = {{"", "", "session"}};
  audit.forward_token = false;
  mesh.add(provider()).add(audit);
  mesh.add("ns/orders", {rule("read", {from("okta")}, {"/orders/**"}), rule("public", {anyone()}, {"/public/**"})});
  mesh.add("ns/trial", {rule("new", {from("new")}, {"/public/**"}, model::Action::Deny)}, model::Mode::Audit);
  const auto snapshot = mesh.snapshot();

  const Outcome failing = ask(*snapshot, Request("/public/x").header("cookie", "session=a.b"));
  CHECK(failing.allow);
  CHECK(failing.token_failed);
  CHECK_FALSE(failing.audit);
  const Outcome doubled = ask(*snapshot, Request("/orders/x").bearer(token()).header("cookie", "session=" + token()));
  CHECK(doubled.allow);  // two tokens, but only one at a place that counts
  const Outcome good = ask(*snapshot, Request("/public/x").header("cookie", "session=" + token("", "https://new")));
  CHECK(good.allow);
  REQUIRE(good.audit);
  CHECK_FALSE(good.audit->allow);
  CHECK(good.audit->rule == "new");
}

TEST_CASE("audit policies are compared, never enforced") {
  Mesh mesh = orders_mesh();
  mesh.add("ns/trial", {rule("no-alice", {with_scopes({}, from())}, {"/orders/**"}, model::Action::Deny)},
           model::Mode::Audit);
  const auto snapshot = mesh.snapshot();
  CHECK_FALSE(snapshot->views_differ());
  const Outcome outcome = ask(*snapshot, Request("/orders/1").bearer(token(kReader)));
  CHECK(outcome.allow);
  REQUIRE(outcome.audit);
  CHECK_FALSE(outcome.audit->allow);
  CHECK(outcome.audit->reason == Reason::denied_by_rule);
  CHECK(outcome.audit->rule == "no-alice");
}

TEST_CASE("a preflight passes where it may, if it carries no token") {
  const auto snapshot = orders_mesh().snapshot();
  const Options pass{{}, Preflight::Pass};
  const auto preflight = [](std::string path = "/orders/1") {
    return Request(std::move(path), "OPTIONS")
        .header("origin", "https://a")
        .header("access-control-request-method", "GET");
  };
  const Outcome passed = ask(*snapshot, preflight(), nullptr, pass);
  CHECK(passed.allow);
  CHECK(passed.preflight);
  CHECK_FALSE(ask(*snapshot, preflight()).allow);
  CHECK(ask(*snapshot, preflight().bearer("a.b"), nullptr, pass).reason == Reason::token_segments);
  CHECK_FALSE(ask(*snapshot, preflight().bearer(token()), nullptr, pass).preflight);  // whatever the token is
  CHECK(ask(*snapshot, preflight("/orders//1"), nullptr, pass).reason == Reason::path_ambiguous);
  CHECK_FALSE(ask(*snapshot, Request("/orders/1", "OPTIONS"), nullptr, pass).allow);
}

TEST_CASE("path-allow makes plain data of what is ambiguous") {
  Mesh mesh;
  mesh.add("ns/p", {rule("one", {anyone()}, {"/x/{name}"})});
  const auto snapshot = mesh.snapshot();
  Options options;
  options.path_allow.encoded_slash = true;
  CHECK(ask(*snapshot, Request("/x/a%2Fb")).reason == Reason::path_ambiguous);
  CHECK(ask(*snapshot, Request("/x/a%2Fb"), nullptr, options).allow);
  CHECK(ask(*snapshot, Request("/x/a;b"), nullptr, options).reason == Reason::path_ambiguous);
}

TEST_CASE("the token is removed before the application where its provider says so") {
  Mesh mesh;
  ProviderSettings keep = provider("ns/keep"), remove = provider("ns/remove", "https://remove");
  remove.forward_token = false;
  mesh.add(keep).add(remove);
  mesh.add("ns/p", {rule("all", {from("keep"), from("remove"), anyone()})});
  const auto snapshot = mesh.snapshot();
  CHECK_FALSE(ask(*snapshot, Request().bearer(token())).strip_token);
  const Outcome removed = ask(*snapshot, Request().bearer(token("", "https://remove")));
  CHECK(removed.strip_token);
  CHECK(removed.presented_at.header == "authorization");
  CHECK(ask(*snapshot, Request().bearer("a.b")).strip_token);  // whose it is, nobody knows
  CHECK_FALSE(ask(*snapshot, Request()).strip_token);
}

TEST_CASE("a workload without any policy is denied without a challenge") {
  const auto snapshot = Mesh().snapshot();
  CHECK(ask(*snapshot, Request()).reason == Reason::no_policy);
  Mesh open;
  open.policy.default_action = model::Action::Allow;
  CHECK(ask(*open.snapshot(), Request()).allow);
}

TEST_CASE("no bundle and internal failures are 503") {
  CHECK(no_bundle().status() == 503);
  CHECK_FALSE(no_bundle().allow);
  CHECK(internal_failure("x").status() == 503);
  CHECK_FALSE(Outcome{}.allow);
  CHECK(Outcome{}.status() == 503);
}
