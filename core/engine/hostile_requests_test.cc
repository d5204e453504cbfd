// Requests that must be refused though something beside them is right: tokens shown where another provider looks,
// tokens that were remembered before something changed, and each reason that is not about a token alone (for those see
// core/jose/testing/hostile.h). Each has a twin one edit away that must be allowed.
#include <functional>
#include <optional>
#include <set>

#include "core/engine/testing.h"
#include "core/jose/testing/reasons.h"

using namespace meshauth;
using namespace meshauth::engine;
using namespace meshauth::engine::testing;

namespace {

struct Sent {
  Request request;
  std::string world = "plain";  ///< see make_mesh; "none": no bundle
  double now = kNow;
};

struct Row {
  std::string id;
  std::string source;  ///< RFC and section
  Reason reason;
  Sent hostile;
  Sent twin;
  std::optional<Sent> before = {};                         ///< allowed, so that its token is remembered
  std::function<void(Snapshot&, TokenCache&)> spoil = {};  ///< what an attacker cannot do, but a mistake of ours could
};

using Rows = std::vector<Row>;

/// plain: one provider, rules by scope and for everyone. Others differ in what their name says; see below.
Mesh plain_mesh(ProviderSettings okta = provider()) {
  Mesh mesh;
  mesh.add(std::move(okta));
  mesh.add("ns/p", {rule("read", {with_scopes({"read"})}, {"/orders/**"}), rule("me", {from()}, {"/me"}),
                    rule("public", {anyone()}, {"/public/**"}),
                    rule("internal", {}, {"/internal/**", "/public/internal/**"}, model::Action::Deny)});
  return mesh;
}

/// Two providers with one issuer: ns/a looks at Authorization, ns/b at a cookie.
Mesh two_places(ProviderSettings b) {
  Mesh mesh;
  b.token_sources = {{"", "", "session"}};
  mesh.add(provider("ns/a")).add(std::move(b));
  mesh.add("ns/p", {rule("a", {from("a")}, {"/a"}), rule("b", {from("b")}, {"/b"})});
  return mesh;
}

Mesh make_mesh(const std::string& world) {
  ProviderSettings okta = provider(), b = provider("ns/b");
  if (world == "plain" || world == "stale") {
    if (world == "stale") okta.max_stale = Seconds(3600);
  } else if (world == "other-audience") {
    okta.audiences = {"other"};
  } else if (world == "other-issuer") {
    okta.issuer = "https://idp/";
  } else if (world == "other-algorithms") {
    okta.algorithms = {Algorithm::RS256};
  } else if (world == "other-types") {
    okta.token_types = {"at+jwt"};
  } else if (world == "other-claims") {
    okta.required_claims = {{{"tier"}, ClaimOperator::In, {"gold"}}};
  } else if (world == "other-lifetime") {
    okta.max_token_lifetime = Seconds(600);
  } else if (world == "other-place") {
    okta.token_sources = {{"", "", "session"}};
  } else if (world == "other-key") {
    return plain_mesh().add_keys("keys", {{"k0", 1}});
  } else if (world == "other-kid") {
    return plain_mesh().add_keys("keys", {{"k1", 1}});
  } else if (world == "no-provider") {
    Mesh mesh = plain_mesh();
    mesh.keys.providers[0] = provider("ns/okta", "https://new");
    return mesh;
  } else if (world == "denied") {
    Mesh mesh = plain_mesh();
    mesh.add("ns/deny", {rule("alice", {from()}, {"/me"}, model::Action::Deny)});
    return mesh;
  } else if (world == "no-policy") {
    Mesh mesh;
    mesh.add(okta);
    return mesh;
  } else if (world == "places") {
    return two_places(b);
  } else if (world == "places-keys") {
    b.key_source = "b";
    return two_places(b).add_keys("b", {{"k1", 1}});
  } else if (world == "places-one-kid") {
    b.key_source = "b";
    return two_places(b).add_keys("b", {{"k0", 1}});
  } else if (world == "places-audiences") {
    b.audiences = {"other"};
    return two_places(b);
  } else if (world == "places-claims") {
    b.required_claims = {{{"tier"}, ClaimOperator::In, {"gold"}}};
    return two_places(b);
  } else if (world == "places-lifetime") {
    b.max_token_lifetime = Seconds(600);
    return two_places(b);
  } else if (world == "one-place-audiences") {
    Mesh mesh = two_places(provider("ns/c"));
    mesh.keys.providers[1] = provider("ns/b");
    mesh.keys.providers[1].audiences = {"other"};
    return mesh;
  } else {
    FAIL("no world " << world);
  }
  return plain_mesh(okta);
}

std::unique_ptr<Snapshot> make_world(const std::string& world) {
  const Mesh mesh = make_mesh(world);
  auto snapshot = std::make_unique<Snapshot>(mesh.keys, mesh.policy);
  if (world != "stale") snapshot->assume_fresh();
  return snapshot;
}

/// A token of key 0 with another aud.
std::string token_for(const std::string& audience, std::size_t k = 0) {
  return key(k).token(Algorithm::ES256, R"({"alg":"ES256","kid":"k0"})",
                      R"({"iss":"https://idp","aud":)" + audience + R"(,"sub":"alice","exp":1000600})");
}

Request cookie(const std::string& path, const std::string& text) {
  return Request(path).header("cookie", "session=" + text);
}
Request bearer(const std::string& path, const std::string& text) {
  return Request(path).bearer(text);
}

/// Two providers with one issuer: whose place it is decides, and not who vouched for it first.
void add_places(Rows& out) {
  const std::string ours = "RFC 8725 sections 3.8, 3.9 and 3.10";
  const std::string theirs = token("", "https://idp", 1, "k1"), same_kid = token("", "https://idp", 1);
  const auto at_b = [](const std::string& text, const std::string& world) { return Sent{cookie("/b", text), world}; };
  const auto at_a = [](const std::string& text, const std::string& world) { return Sent{bearer("/a", text), world}; };
  const auto add = [&](const std::string& id, const std::string& world, Reason reason, const std::string& good) {
    // Of A's provider, at B's place; cold, and remembered since A accepted it.
    const Sent shown = at_b(token(), world), twin = at_b(good, world);
    out.push_back({"place-" + id, ours, reason, shown, twin});
    out.push_back({"place-" + id + "-remembered", ours, reason, shown, twin, at_a(token(), world)});
  };
  add("other-keys", "places-keys", Reason::kid_unknown, theirs);
  add("one-kid", "places-one-kid", Reason::signature_invalid, same_kid);
  add("other-audience", "places-audiences", Reason::audience_mismatch, token_for("\"other\""));
  add("other-claims", "places-claims", Reason::claim_required, token(R"("tier":"gold")"));
  add("lifetime", "places-lifetime", Reason::claim_required, token(R"("iat":1000000)"));
  // The other way round.
  out.push_back({"place-b-at-a", ours, Reason::kid_unknown, at_a(theirs, "places-keys"), at_a(token(), "places-keys"),
                 at_b(theirs, "places-keys")});
  out.push_back({"place-b-at-a-one-kid", ours, Reason::signature_invalid, at_a(same_kid, "places-one-kid"),
                 at_a(token(), "places-one-kid"), at_b(same_kid, "places-one-kid")});
  // Both would accept it, but a rule names one, whose place this is not.
  out.push_back({"place-rule-of-the-other",
                 ours,
                 Reason::no_rule_matched,
                 {cookie("/a", token()), "places"},
                 at_a(token(), "places"),
                 at_a(token(), "places")});
  out.push_back({"place-both-at-once",
                 "RFC 6750 section 2",
                 Reason::token_multiple,
                 {bearer("/a", token()).header("cookie", "session=" + token()), "places"},
                 at_a(token(), "places"),
                 at_a(token(), "places")});
  // One place: the provider that did not vouch is not the caller's.
  const auto together = [](const std::string& text) { return Sent{bearer("/b", text), "one-place-audiences"}; };
  out.push_back({"one-place-other-audience", "RFC 7519 section 4.1.3", Reason::no_rule_matched, together(token()),
                 together(token_for(R"(["api","other"])"))});
  out.push_back({"one-place-other-audience-remembered", "RFC 7519 section 4.1.3", Reason::no_rule_matched,
                 together(token()), together(token_for(R"(["api","other"])")),
                 Sent{bearer("/a", token()), "one-place-audiences"}});
}

/// Remembered, and then something changed. The twin is what is right since.
void add_swaps(Rows& out) {
  const std::string old = token(), rotation = "OpenID Connect Core section 10.1.1";
  const auto me = [](const std::string& text, const std::string& world) { return Sent{bearer("/me", text), world}; };
  const auto add = [&](const std::string& id, const std::string& source, Reason reason, const std::string& world,
                       const std::string& good) {
    out.push_back({"swap-" + id, source, reason, me(old, world), me(good, world), me(old, "plain")});
  };
  add("audience", "RFC 7519 section 4.1.3", Reason::audience_mismatch, "other-audience", token_for("\"other\""));
  add("key-of-the-same-kid", rotation, Reason::signature_invalid, "other-key", token("", "https://idp", 1));
  add("key-gone", rotation, Reason::kid_unknown, "other-kid", token("", "https://idp", 1, "k1"));
  add("issuer-one-slash-longer", "RFC 8725 section 3.8", Reason::issuer_unknown, "other-issuer",
      token("", "https://idp/"));
  add("issuer-replaced", "RFC 8725 section 3.8", Reason::issuer_unknown, "no-provider", token("", "https://new"));
  add("required-claim", "RFC 8725 section 3.12", Reason::claim_required, "other-claims", token(R"("tier":"gold")"));
  add("lifetime", "RFC 7519 section 4.1.6", Reason::claim_required, "other-lifetime", token(R"("iat":1000000)"));
  const auto to_plain = [&](const std::string& id, const std::string& source, Reason reason, const std::string& world) {
    out.push_back({"swap-" + id, source, reason, me(old, world), me(old, "plain"), me(old, "plain")});
  };
  to_plain("algorithms", "RFC 8725 section 3.1", Reason::alg_not_allowed, "other-algorithms");
  to_plain("types", "RFC 9068 section 4", Reason::typ_not_allowed, "other-types");
  to_plain("keys-too-old", rotation, Reason::keys_stale, "stale");
  to_plain("deny-rule", "RFC 9110 section 15.5.4", Reason::denied_by_rule, "denied");
  to_plain("no-policy", "RFC 9110 section 15.5.4", Reason::no_policy, "no-policy");
  to_plain("no-bundle", "RFC 9110 section 15.6.4", Reason::no_bundle, "none");
  out.push_back({"swap-place",
                 "RFC 6750 section 2",
                 Reason::token_missing,
                 me(old, "other-place"),
                 {cookie("/me", old), "other-place"},
                 me(old, "plain")});
  out.push_back({"time-passes",
                 "RFC 7519 section 4.1.4",
                 Reason::expired,
                 {bearer("/me", old), "plain", 1000600},
                 {bearer("/me", old), "plain", 1000599.9},
                 me(old, "plain")});
  // Nothing but the whole token is the same token.
  const std::string forged = old.substr(0, old.rfind('.') + 1) + token("", "https://idp", 1).substr(old.rfind('.') + 1);
  out.push_back({"remembered-claims-other-signature", "RFC 7515 section 5.2", Reason::signature_invalid,
                 me(forged, "plain"), me(old, "plain"), me(old, "plain")});
  // As long as the remembered one, and with the same end.
  const std::string root = key(0).token(Algorithm::ES256, R"({"alg":"ES256","kid":"k0"})",
                                        R"({"iss":"https://idp","aud":"api","sub":"root0","exp":1000600})");
  const std::string swapped = root.substr(0, root.rfind('.')) + old.substr(old.rfind('.'));
  out.push_back({"remembered-signature-other-claims", "RFC 7515 section 5.2", Reason::signature_invalid,
                 me(swapped, "plain"), me(old, "plain"), me(old, "plain")});
  out.push_back({"remembered-without-signature", "RFC 8725 section 3.2", Reason::signature_invalid,
                 me(old.substr(0, old.rfind('.') + 1), "plain"), me(old, "plain"), me(old, "plain")});
}

/// Each reason of a request.
void add_requests(Rows& out) {
  const std::string reader = token(R"("scope":"read")");
  const auto get = [](const std::string& path) { return Sent{Request(path)}; };
  const auto with = [](Request request) { return Sent{std::move(request)}; };
  out.push_back({"header-too-large", "RFC 6585 section 5", Reason::header_too_large,
                 with(Request("/public/x").header("x", std::string(32 * 1024 + 1, 'x'))),
                 with(Request("/public/x").header("x", std::string(32 * 1024, 'x')))});
  Request many("/public/x"), fewer("/public/x");
  for (int i = 0; i < 4; ++i) {
    many.header("x" + std::to_string(i), std::string(32 * 1024, 'x'));
    if (i != 0) fewer.header("x" + std::to_string(i), std::string(32 * 1024, 'x'));
  }
  out.push_back(
      {"headers-too-large-together", "RFC 6585 section 5", Reason::header_too_large, with(many), with(fewer)});
  out.push_back({"header-too-large-remembered", "RFC 6585 section 5", Reason::header_too_large,
                 with(bearer("/me", reader).header("x", std::string(32 * 1024 + 1, 'x'))), with(bearer("/me", reader)),
                 with(bearer("/me", reader))});
  out.push_back(
      {"path-dots", "RFC 3986 section 6.2.2.3", Reason::path_ambiguous, get("/orders/../public/x"), get("/public/x")});
  out.push_back(
      {"path-fragment", "RFC 9112 section 3.2", Reason::path_ambiguous, get("/public/x#y"), get("/public/x?y")});
  out.push_back({"host-twice", "RFC 9112 section 3.2", Reason::host_mismatch,
                 with(Request("/public/x").header("host", "orders.test")), get("/public/x")});
  out.push_back({"host-other-authority", "RFC 9112 section 3.2.2", Reason::host_mismatch,
                 get("http://other.test/public/x"), get("http://orders.test/public/x")});
  out.push_back({"token-twice", "RFC 6750 section 2", Reason::token_multiple,
                 with(bearer("/public/x", reader).bearer(reader)), with(bearer("/public/x", reader))});
  out.push_back({"token-quoted", "RFC 6750 section 2.1", Reason::token_malformed_source,
                 with(bearer("/me", "\"" + reader + "\"")), with(bearer("/me", reader))});
  out.push_back(
      {"token-missing", "RFC 6750 section 3", Reason::token_missing, get("/me"), with(bearer("/me", reader))});
  out.push_back({"token-in-query", "RFC 6750 section 2.3", Reason::token_missing, get("/me?access_token=" + reader),
                 with(bearer("/me?access_token=x", reader))});
  out.push_back({"scope-insufficient", "RFC 6750 section 3.1", Reason::scope_insufficient,
                 with(bearer("/orders/1", token(R"("scope":"reader")"))), with(bearer("/orders/1", reader))});
  out.push_back({"no-rule", "RFC 9110 section 15.5.4", Reason::no_rule_matched, with(bearer("/mee", reader)),
                 with(bearer("/me", reader))});
  out.push_back({"denied", "RFC 9110 section 15.5.4", Reason::denied_by_rule, get("/public/internal/x"),
                 get("/public/internals/x")});
  out.push_back({"no-policy",
                 "RFC 9110 section 15.5.4",
                 Reason::no_policy,
                 {Request("/public/x"), "no-policy"},
                 get("/public/x")});
  out.push_back(
      {"no-bundle", "RFC 9110 section 15.6.4", Reason::no_bundle, {Request("/public/x"), "none"}, get("/public/x")});
  out.push_back({"keys-stale",
                 "RFC 7517 section 5",
                 Reason::keys_stale,
                 {bearer("/me", reader), "stale"},
                 with(bearer("/me", reader))});
  out.push_back({"keys-stale-on-a-public-path",
                 "RFC 7517 section 5",
                 Reason::keys_stale,
                 {bearer("/public/x", reader), "stale"},
                 {Request("/public/x"), "stale"}});
  // A cache that says of a token what its providers do not is not believed, and the token not passed over.
  out.push_back({"internal",
                 "RFC 9110 section 15.6.4",
                 Reason::internal,
                 {cookie("/b", token()), "places"},
                 {cookie("/b", reader), "places"},
                 {},
                 [](Snapshot& snapshot, TokenCache& cache) {
                   const auto verified = snapshot.verifier().verify(token(), kNow, {true, false});
                   REQUIRE(verified);
                   cache.insert(make_caller(snapshot, token(), *verified), cache.hash(token()), kNow);
                 }});
}

Rows everything() {
  Rows out;
  add_places(out);
  add_swaps(out);
  add_requests(out);
  return out;
}

/// All worlds of the table, made once.
class Worlds {
 public:
  Snapshot& of(const std::string& world) {
    auto& snapshot = made_[world];
    if (!snapshot) snapshot = make_world(world);
    return *snapshot;
  }
  Outcome ask(const Sent& sent, TokenCache* cache) {
    if (sent.world == "none") return no_bundle();
    return testing::ask(of(sent.world), sent.request, cache, {}, sent.now);
  }

 private:
  std::map<std::string, std::unique_ptr<Snapshot>> made_;
};

}  // namespace

TEST_CASE("every hostile request is refused for its reason, whatever was remembered, and its twin is allowed") {
  Worlds worlds;
  for (const Row& row : everything()) {
    CAPTURE(row.id);
    CAPTURE(row.source);
    TokenCache cache(1 << 20, 7);
    if (row.before) {
      REQUIRE(worlds.ask(*row.before, &cache).allow);
      REQUIRE(cache.size() == 1);
    }
    if (row.spoil) row.spoil(worlds.of(row.hostile.world), cache);
    const auto refused = [&](TokenCache* with) {
      const Outcome outcome = worlds.ask(row.hostile, with);
      CHECK_FALSE(outcome.allow);
      CHECK(reason_name(outcome.reason) == reason_name(row.reason));
      CHECK((outcome.caller == nullptr || outcome.status() == 403));
    };
    refused(&cache);
    refused(&cache);
    if (!row.spoil) refused(nullptr);
    for (TokenCache* with : {&cache, static_cast<TokenCache*>(nullptr)}) {
      CHECK(reason_name(worlds.ask(row.twin, with).reason) == "");
      CHECK(worlds.ask(row.twin, with).allow);
    }
    if (!row.spoil) refused(&cache);
  }
}

TEST_CASE("with the tables of hostile tokens every reason is the answer to some row") {
  std::set<std::string> ids;
  std::set<Reason> reasons;
  for (const Row& row : everything()) {
    CHECK_MESSAGE(ids.insert(row.id).second, row.id << " is there twice");
    CHECK_FALSE(row.source.empty());
    reasons.insert(row.reason);
  }
  for (const Reason reason : jose::testing::kAllReasons) {
    CAPTURE(reason_name(reason));
    CHECK((reasons.contains(reason) || jose::testing::is_about_tokens(reason)));
  }
}
