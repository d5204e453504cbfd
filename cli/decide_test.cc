#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/testing/shop.h"

using namespace meshauth;
using namespace meshauth::cli;
using namespace meshauth::cli::testing;
using namespace meshauth::jose::testing;

namespace {

const Args kRead{"--method", "GET", "--path", "/orders/7?x=//", "--host", "Orders.example.com:443", "--port", "8080"};

}  // namespace

TEST_CASE("decide: claims of a provider, exit 0 allowed and 3 denied") {
  const Shop shop;
  const Args claims{"--provider", "shop/idp", "--claims", shop.claims(R"({"sub":"alice","scope":"read"})")};
  const Outcome allowed = shop.decide(with(kRead, claims));
  CHECK(allowed.code == 0);
  CHECK(allowed.out == line("allow", 200, "", "shop/orders", "read"));
  CHECK(allowed.err.empty());
  const Args other_port =
      with({"--method", "GET", "--path", "/orders/7", "--host", "orders.example.com", "--port", "81"}, claims);
  CHECK(shop.decide(other_port).out == line("deny", 403, "no_rule_matched"));
  CHECK(shop.decide(other_port).code == 3);
  CHECK(shop.decide(with({"--method", "PUT", "--path", "/users/alice/x"}, claims)).out ==
        line("allow", 200, "", "shop/orders", "own"));
  CHECK(shop.decide(with({"--method", "PUT", "--path", "/users/bob/x"}, claims)).code == 3);
  const Args mallory{"--provider", "shop/idp", "--claims", shop.claims(R"({"sub":"mallory","scope":"read"})")};
  CHECK(shop.decide(with(kRead, mallory)).out ==
        line("deny", 403, "denied_by_rule", "mesh-auth-system/revoked", "mallory"));
  const Args poor{"--provider", "shop/idp", "--claims", shop.claims(R"({"sub":"alice"})")};
  CHECK(shop.decide(with(kRead, poor)).out == line("deny", 403, "scope_insufficient"));
}

TEST_CASE("decide: nobody, with source and headers") {
  const Shop shop;
  CHECK(shop.decide(kRead).out == line("deny", 401, "token_missing"));
  const Args health{"--method", "GET", "--path", "/health", "--source", "10.1.2.3", "--header", "x-probe: yes"};
  CHECK(shop.decide(health).code == 0);
  CHECK(shop.decide({"--method", "GET", "--path", "/health", "--header", "X-Probe: yes"}).out ==
        line("deny", 403, "no_rule_matched"));
  CHECK(shop.decide(with(health, {"--header", "X-Probe: yes"})).code == 3);
}

TEST_CASE("decide and explain: no rule goes by a client's copy of a header that a provider forwards") {
  std::string manifests = kShop;
  const std::string place = "  audiences: [api]\n";
  manifests.insert(manifests.find(place) + place.size(), "  forward: {claims: [{path: [probe], header: X-Probe}]}\n");
  const Shop shop(manifests);
  const Args health{"--method", "GET", "--path", "/health", "--source", "10.1.2.3", "--header", "x-probe: yes"};
  CHECK(shop.decide(health).out == line("deny", 403, "no_rule_matched"));
  const Args known{"--provider", "shop/idp", "--claims", shop.claims(R"({"sub":"alice"})")};
  CHECK(shop.decide(with(health, known)).out == line("deny", 403, "no_rule_matched"));
  CHECK(shop.explain(health).out.find("header x-probe") != std::string::npos);
}

TEST_CASE("decide: a token is verified with the keys given") {
  const Shop shop;
  const Args keys{"--jwks", shop.jwks()};
  const Draft good = claims(R"("sub":"alice")", R"("sub":"alice","scope":"read")");
  CHECK(shop.decide(with(kRead, with(keys, {"--token-file", shop.token(good)}))).out ==
        line("allow", 200, "", "shop/orders", "read"));
  CHECK(shop.decide(with(kRead, with(keys, {"--token-file", "-"})), good.token() + "\n").code == 0);
  const Outcome expired = shop.decide(with(kRead, with(keys, {"--token-file", shop.token(claims("2000", "900"))})));
  CHECK(expired.code == 3);
  CHECK(expired.out == line("deny", 401, "expired"));
  CHECK(expired.err.size() > 10);
  const Outcome other =
      shop.decide(with(kRead, with(keys, {"--token-file", shop.token(header("\"es256\"", "\"x\""))})));
  CHECK(other.out == line("deny", 401, "kid_unknown"));
  CHECK(other.err.find("has no key with kid \"x\"; its kids: \"es256\"\n") != std::string::npos);
  CHECK(shop.decide(with(kRead, with(keys, {"--token-file", shop.token(good), "--header", "Authorization: Bearer x"})))
            .out == line("deny", 400, "token_multiple"));
}

TEST_CASE("decide: without keys nothing is said of a token's key, and a kid of two keys is ambiguous") {
  const Shop shop;
  const Draft good = claims(R"("sub":"alice")", R"("sub":"alice","scope":"read")");
  const Draft nameless = header(R"("kid":"es256",)", "");
  const Args by_header{"--header", "Authorization: Bearer " + good.token()};
  for (const Args& more : {Args{"--token-file", shop.token(good)}, by_header}) {
    const Outcome outcome = shop.decide(with(kRead, more));
    CHECK(outcome.code == 2);
    CHECK(outcome.out == "");
    CHECK(outcome.err.find("no keys of provider shop/idp were given") != std::string::npos);
  }
  CHECK(shop.decide(with(kRead, {"--token-file", shop.token(nameless)})).code == 2);
  CHECK(shop.decide(with(kRead, {"--token-file", shop.token(claims("2000", "900"))})).out ==
        line("deny", 401, "expired"));
  CHECK(shop.decide(with(kRead, {"--token-file", shop.token(claims("https://idp", "https://x"))})).out ==
        line("deny", 401, "issuer_unknown"));
  const std::string twice = shop.folder().file(
      "twice", key_set({key("es256").jwk({{"kid", "es256"}}), key("es256-1").jwk({{"kid", "es256"}})}));
  const Outcome ambiguous = shop.decide(with(kRead, {"--token-file", shop.token(good), "--jwks", twice}));
  CHECK(ambiguous.out == line("deny", 401, "kid_ambiguous"));
  std::string inline_keys = kShop;
  const std::string place = "  audiences: [api]\n";
  inline_keys.insert(inline_keys.find(place),
                     "  jwks: {inline: '" + key_set({key("es256").jwk({{"kid", "mine"}})}) + "'}\n");
  const Shop written(inline_keys);
  CHECK(written.decide(with(kRead, {"--token-file", written.token(good)})).out == line("deny", 401, "kid_unknown"));
}

TEST_CASE("decide: a request that two parsers could read differently") {
  const Shop shop;
  CHECK(shop.decide({"--method", "GET", "--path", "/orders//7"}).out == line("deny", 400, "path_ambiguous"));
  CHECK(shop.decide({"--method", "GET", "--path", "/health%2Fx"}).out == line("deny", 400, "path_ambiguous"));
  CHECK(shop.decide({"--method", "GET", "--path", "/users/a%2Fb/x", "--path-allow", "encoded-slash"}).out ==
        line("deny", 401, "token_missing"));
  CHECK(shop.decide({"--method", "GET", "--path", "/", "--host", "a b"}).out == line("deny", 400, "host_mismatch"));
}

TEST_CASE("explain: what about a refused request it was") {
  const Shop shop;
  const auto told = [&](const std::string& path, const Args& more = {}) {
    return shop.explain(with({"--method", "GET", "--path", path}, more)).out;
  };
  CHECK(told("/a/%2e%2e/b").find("path_ambiguous), before any policy was asked\n  the path's part \"%2e%2e\" could") !=
        std::string::npos);
  CHECK(told("/a//b").find("\n  the path holds //") != std::string::npos);
  CHECK(told("a").find("\n  the target \"a\" is no path") != std::string::npos);
  CHECK(told("http://a/", {"--host", "b"}).find("\n  the request has to name one host; it names \"a\" and \"b\"\n") !=
        std::string::npos);
  const Args two{"--header", "Authorization: Bearer x", "--header", "Authorization: Bearer y"};
  CHECK(told("/", two).find("\n  one token may be in: header authorization with bearer\n") != std::string::npos);
}

TEST_CASE("decide: no policy selects the workload") {
  const Shop shop("apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n");
  CHECK(shop.decide(kRead).out == line("deny", 403, "no_policy"));
  CHECK(shop.decide(with(kRead, {"--default-action", "Allow"})).out == line("allow", 200, ""));
}

TEST_CASE("decide: bad resources, exit 1 and each fault with its file") {
  const Shop shop(std::string(kShop) +
                  "---\napiVersion: meshauth.dev/v1alpha1\nkind: AccessPolicy\nmetadata: {name: x, namespace: "
                  "shop}\nspec: {rule: []}\n");
  const Outcome outcome = shop.decide(kRead);
  CHECK(outcome.code == 1);
  CHECK(outcome.out.empty());
  CHECK(outcome.err.find(shop.resources() + ": AccessPolicy shop/x: spec.rule: unknown field") != std::string::npos);
  CHECK(outcome.err.find("spec.rules: missing") != std::string::npos);
  CHECK(Shop("a: [\n").decide(kRead).code == 1);
  CHECK(Shop(std::string(kShop) + "---" + kShop).decide(kRead).err.find("keep one") != std::string::npos);
  const Shop root(
      std::string("apiVersion: meshauth.dev/v1alpha1\nkind: AccessPolicy\nmetadata: {name: x, namespace: shop}\nspec: "
                  "{workloads: [a], rules: []}\n"));
  CHECK(root.decide(kRead).code == 3);
  CHECK(root.decide(with(kRead, {"--root-namespace", "shop"})).code == 1);
}

TEST_CASE("decide: wrong usage, exit 2") {
  const Shop shop;
  const std::string claims = shop.claims("{}");
  const Args rows[] = {
      {"--method", "GET"},
      with(kRead, {"--claims", claims}),
      with(kRead, {"--provider", "shop/idp"}),
      with(kRead, {"--claims", claims, "--provider", "shop/other"}),
      with(kRead, {"--claims", claims, "--provider", "shop/idp", "--token-file", claims}),
      with(kRead, {"--claims", shop.folder().file("list", "[]"), "--provider", "shop/idp"}),
      with(kRead, {"--claims", shop.folder().file("twice", R"({"a":1,"a":2})"), "--provider", "shop/idp"}),
      with(kRead, {"--token-file", "/nowhere/token"}),
      with(kRead, {"--jwks", shop.folder().file("none", R"({"keys":[]})")}),
      with(kRead, {"--source", "10.0.0"}),
      with(kRead, {"--header", "no colon"}),
      with(kRead, {"--path-allow", "all"}),
      with(kRead, {"--default-action", "Maybe"}),
      with(kRead, {"-f", "/nowhere"}),
      with(kRead, {"--unknown"}),
  };
  for (const Args& row : rows) {
    CAPTURE(nlohmann::json(row).dump());
    const Outcome outcome = shop.decide(row);
    CHECK(outcome.code == 2);
    CHECK(outcome.out.empty());
    CHECK_FALSE(outcome.err.empty());
  }
  CHECK(run(add_decide, {"decide", "-f", shop.resources(), "--workload", "orders", "--method", "GET", "--path", "/"})
            .code == 2);
}

TEST_CASE("decide: several files and folders, at once or one by one") {
  const Shop shop;
  const std::string more = shop.folder().file("more.yaml", "");
  for (const Args& files : {Args{"-f", shop.resources(), more}, Args{"-f", shop.resources(), "-f", more},
                            Args{"-f", shop.folder().path().string()}}) {
    Args arguments{"decide"};
    arguments = with(arguments, files);
    arguments = with(arguments, with({"--workload", "shop/orders"}, kRead));
    CHECK(run(add_decide, arguments).out == line("deny", 401, "token_missing"));
  }
}

TEST_CASE("explain: the tree, with decide's exit codes") {
  const Shop shop;
  const Args claims{"--provider", "shop/idp", "--claims", shop.claims(R"({"sub":"alice"})")};
  const Outcome denied = shop.explain(with(kRead, claims));
  CHECK(denied.code == 3);
  CHECK(denied.out.find("deny (403 scope_insufficient); missing scopes: \"read\"\n") == 0);
  CHECK(denied.out.find("smallest change: rule read of policy shop/orders") != std::string::npos);
  const Outcome allowed = shop.explain(with({"--method", "GET", "--path", "/users/alice"}, claims));
  CHECK(allowed.code == 0);
  CHECK(allowed.out.find("allow by rule own of policy shop/orders\n") == 0);
  CHECK(allowed.out.find("  Allow own: matches\n") != std::string::npos);
  const Outcome refused =
      shop.explain(with(kRead, {"--jwks", shop.jwks(), "--token-file", shop.token(::claims("2000", "900"))}));
  CHECK(refused.out.find("deny (401 expired), before any policy was asked\n") == 0);
  const Outcome token = shop.explain(with(kRead, {"--jwks", shop.jwks(), "--token-file", shop.token({})}));
  CHECK(token.out.find("from[0].scopes.all: expected all of \"read\", found nothing") != std::string::npos);
}
