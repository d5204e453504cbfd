#include "core/engine/caller.h"

#include "core/engine/testing.h"

using namespace meshauth;
using namespace meshauth::engine;
using namespace meshauth::engine::testing;

namespace {

/// Is a token that `before` verified answered from the cache under `after`?
bool survives(const Mesh& before, const Mesh& after, const std::string& t = token()) {
  TokenCache cache(1 << 20, 7);
  const auto first = before.snapshot();
  REQUIRE(ask(*first, Request().bearer(t), &cache).allow);
  const auto kept = cache.find(t, cache.hash(t));
  REQUIRE(kept);
  return renew(*kept, *after.snapshot(), kNow);
}

}  // namespace

TEST_CASE("a verified token survives a swap unless what vouched for it changed") {
  const Mesh mesh = usual();
  SUBCASE("nothing changed") {
    CHECK(survives(mesh, usual()));
  }
  SUBCASE("another policy") {
    Mesh other = usual();
    other.policy.policies[0].rules[0].name = "renamed";
    CHECK(survives(mesh, other));
  }
  SUBCASE("another issuer's provider, which moves the indices") {
    Mesh other = usual();
    other.add(provider("ns/a", "https://a"));
    CHECK(survives(mesh, other));
  }
  SUBCASE("a second provider of the same issuer") {
    Mesh other = usual();
    other.add(provider("ns/a"));
    CHECK_FALSE(survives(mesh, other));
  }
  SUBCASE("an alias that is the same issuer") {
    Mesh other = usual();
    auto second = provider("ns/a", "https://a");
    second.issuer_aliases = {"https://idp"};
    other.add(second);
    CHECK_FALSE(survives(mesh, other));
  }
  SUBCASE("a template, which may be any issuer") {
    Mesh other = usual();
    other.add(provider("ns/entra", "https://login/{tenantid}"));
    CHECK_FALSE(survives(mesh, other));
  }
  SUBCASE("other keys") {
    Mesh other = usual();
    other.add_keys("keys", {{"k0", 0}, {"k1", 1}});
    CHECK_FALSE(survives(mesh, other));
  }
  SUBCASE("other settings") {
    Mesh other = usual();
    other.keys.providers[0].audiences.push_back("more");
    CHECK_FALSE(survives(mesh, other));
  }
  SUBCASE("the provider is gone") {
    Mesh other = usual();
    other.keys.providers.clear();
    CHECK_FALSE(survives(mesh, other));
  }
}

TEST_CASE("a cached token that expires is judged again, and refused") {
  const auto snapshot = usual().snapshot();
  TokenCache cache(1 << 20, 7);
  CHECK(ask(*snapshot, Request().bearer(token()), &cache).allow);
  CHECK(ask(*snapshot, Request().bearer(token()), &cache, {}, 1000599).allow);
  CHECK(ask(*snapshot, Request().bearer(token()), &cache, {}, 1000600).reason == Reason::expired);
  CHECK(cache.size() == 0);
}

TEST_CASE("matches are computed once per snapshot, and again after a swap") {
  Mesh mesh = usual();
  TokenCache cache(1 << 20, 7);
  const auto first = mesh.snapshot();
  REQUIRE(ask(*first, Request().bearer(token()), &cache).allow);
  const auto kept = cache.find(token(), cache.hash(token()));
  const auto* match = kept->memo[0].match.get();
  REQUIRE(match);
  REQUIRE(ask(*first, Request().bearer(token()), &cache).allow);
  CHECK(kept->memo[0].match.get() == match);

  mesh.policy.policies[0].rules[0] = rule("gold", {with_scopes({"gold"})});
  const auto second = mesh.snapshot();
  CHECK(ask(*second, Request().bearer(token()), &cache).reason == Reason::scope_insufficient);
  CHECK(cache.find(token(), cache.hash(token())) == kept);
}

TEST_CASE("a claim becomes a header's value that has one meaning") {
  struct Case {
    const char* claims;
    const char* value;  // nullptr: none
  };
  const Case cases[] = {
      {R"({"c":"alice@x.test"})", "alice@x.test"},
      {R"({"c":["a","b"]})", "a,b"},
      {R"({"c":["a,b"]})", "a%2Cb"},
      {R"({"c":"100%"})", "100%25"},
      {R"({"c":"Jane Doe"})", "Jane Doe"},
      {R"({"c":" x "})", "%20x%20"},
      {R"({"c":"a\r\nX-Evil: 1"})", "a%0D%0AX-Evil: 1"},
      {R"({"c":"\u0000\u007f\t"})", "%00%7F%09"},
      {"{\"c\":\"\xc3\xa4\"}", "%C3%A4"},
      {R"({"c":true})", "true"},
      {R"({"c":42})", "42"},
      {R"({"c":[1,{"x":2},"a"]})", "1,a"},
      {R"({"c":[]})", ""},
      {R"({"c":""})", ""},
      {R"({"c":null})", nullptr},
      {R"({"c":{"d":1}})", nullptr},
      {R"({"d":1})", nullptr},
  };
  for (const Case& c : cases) {
    CAPTURE(c.claims);
    const auto doc = JsonDoc::parse(c.claims);
    REQUIRE(doc);
    const auto value = header_value(doc->root(), {"c"});
    REQUIRE(value.has_value() == (c.value != nullptr));
    if (value) CHECK(*value == c.value);
  }
}

TEST_CASE("forwarded claims are those of the provider's own settings") {
  Mesh mesh;
  auto a = provider("ns/okta"), b = provider("ns/two");
  a.forward_claims = {{{"email"}, "X-User-Email"}, {{"missing"}, "X-Missing"}};
  b.forward_claims = {{{"sub"}, "X-User"}};
  mesh.add(a).add(b);
  mesh.add("ns/p", {rule("a", {from("okta")}, {"/a"}), rule("b", {from("two")}, {"/b"})});
  const auto snapshot = mesh.snapshot();
  using Headers = std::vector<std::pair<std::string, std::string>>;
  const auto t = token(R"("email":"a@x")");
  CHECK(ask(*snapshot, Request("/a").bearer(t)).principal()->headers == Headers{{"x-user-email", "a@x"}});
  CHECK(ask(*snapshot, Request("/b").bearer(t)).principal()->headers == Headers{{"x-user", "alice"}});
  CHECK(snapshot->identity_headers() == std::vector<std::string>{"x-missing", "x-user", "x-user-email"});
}
