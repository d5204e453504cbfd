#include "core/engine/forwarded.h"

#include "core/engine/testing.h"

using namespace meshauth;
using namespace meshauth::engine;
using namespace meshauth::engine::testing;

namespace {

/// okta forwards two claims and removes its token from Authorization, web from a cookie, app from a header of its own;
/// keep lets its token pass.
Mesh forwarding_mesh() {
  Mesh mesh;
  ProviderSettings okta = provider(), web = provider("ns/web", "https://web"), app = provider("ns/app", "https://app");
  const ProviderSettings keep = provider("ns/keep", "https://keep");
  okta.forward_claims = {{{"email"}, "X-User-Email"}, {{"groups"}, "X-User-Groups"}};
  okta.forward_token = web.forward_token = app.forward_token = false;
  web.token_sources = {{"", "", "session"}};
  app.token_sources = {{"x-app-token", "", ""}};
  mesh.add(okta).add(web).add(app).add(keep);
  mesh.add("ns/p", {rule("all", {from(), from("web"), from("app"), from("keep"), anyone()})});
  return mesh;
}

/// The value of one of auth.conf's headers, after the decision.
std::string forwarded(Request request, std::string_view name) {
  const auto snapshot = forwarding_mesh().snapshot();
  const Outcome outcome = decide(*snapshot, request.view(), kNow, {}, nullptr);
  return forwarded_value(snapshot.get(), &outcome, name, request.headers());
}

}  // namespace

TEST_CASE("an identity header is the claim of who calls, and never the client's copy") {
  const std::string alice = token(R"("email":"alice@x","groups":["a,b","c"])");
  const auto ours = [&] { return Request().header("x-user-email", "root@x").header("x_user_email", "root@x"); };
  CHECK(forwarded(ours().bearer(alice), "x-user-email") == "alice@x");
  CHECK(forwarded(ours().bearer(alice), "x_user_email") == "alice@x");
  CHECK(forwarded(ours().bearer(alice), "X-User-Email") == "alice@x");
  CHECK(forwarded(ours().bearer(alice), "x-user-groups") == "a%2Cb,c");
  CHECK(forwarded(ours().bearer(token()), "x-user-email").empty());
  CHECK(forwarded(ours().bearer("a.b"), "x-user-email").empty());
  CHECK(forwarded(ours(), "x-user-email").empty());
  CHECK(forwarded(Request().header("x-other", "1"), "x-other").empty());
}

TEST_CASE("a header of tokens passes as it came, without a token that its provider removes") {
  CHECK(forwarded(Request().bearer(token()), "authorization").empty());
  CHECK(forwarded(Request().bearer("a.b"), "authorization").empty());  // whose it is, nobody knows
  const std::string keep = token("", "https://keep");
  CHECK(forwarded(Request().bearer(keep), "authorization") == "Bearer " + keep);
  CHECK(forwarded(Request().header("authorization", "Basic dTpw"), "authorization") == "Basic dTpw");
  CHECK(forwarded(Request().header("authorization", ""), "authorization").empty());
  CHECK(forwarded(Request().header("proxy-authorization", "Basic dTpw"), "proxy_authorization") == "Basic dTpw");
  const std::string app = token("", "https://app");
  CHECK(forwarded(Request().header("x-app-token", app), "x-app-token").empty());
  CHECK(forwarded(Request().header("x-app-token", app).header("authorization", "Basic dTpw"), "authorization") ==
        "Basic dTpw");
}

TEST_CASE("of the cookies the token alone is taken out") {
  const std::string web = token("", "https://web");
  CHECK(forwarded(Request().header("cookie", "a=1; session=" + web + "; b=2"), "cookie") == "a=1; b=2");
  CHECK(forwarded(Request().header("cookie", "a=1;; ").header("cookie", "session=" + web), "cookie") == "a=1");
  CHECK(forwarded(Request().header("cookie", "session=a.b; sessions=2"), "cookie") == "sessions=2");
  CHECK(forwarded(Request().header("cookie", "a=1; b=2"), "cookie") == "a=1; b=2");
  CHECK(forwarded(Request().bearer(token()).header("cookie", "a=1"), "cookie") == "a=1");
  CHECK(forwarded(Request(), "cookie").empty());
}

TEST_CASE("without a bundle the client's headers of tokens still pass, and no other") {
  Request request;
  request.header("authorization", "Basic dTpw").header("x-user-email", "root@x").header("x-app-token", "t");
  CHECK(forwarded_value(nullptr, nullptr, "authorization", request.headers()) == "Basic dTpw");
  CHECK(forwarded_value(nullptr, nullptr, "x-user-email", request.headers()).empty());
  CHECK(forwarded_value(nullptr, nullptr, "x-app-token", request.headers()).empty());
}

TEST_CASE("control characters become harmless, the rest stays") {
  CHECK(harmless("a\r\n\tb\x7f\x01") == "a%0D%0A%09b%7F%01");
  CHECK(harmless(std::string_view("\0", 1)) == "%00");
  CHECK(harmless("\xc3\xa9 %\"") == "\xc3\xa9 %\"");
  for (const std::string text : {"a", "", "a b", "\xc3\xa9"}) CHECK(is_harmless(text));
  for (const std::string text : {"\n", "a\x7f", "\x1f"}) CHECK_FALSE(is_harmless(text));
}

TEST_CASE("names of headers are one where '-', '_' and case are all that differs") {
  CHECK(same_header("X-User-Email", "x_user_email"));
  CHECK(same_header("", ""));
  CHECK_FALSE(same_header("x-user", "x-user-"));
  CHECK_FALSE(same_header("x-user", "x.user"));
  CHECK_FALSE(same_header("x-user-a", "x-user-b"));
}

TEST_CASE("scopes for the log have nothing in them that ends a line") {
  const auto snapshot = forwarding_mesh().snapshot();
  CHECK(scope_text(ask(*snapshot, Request().bearer(token(R"("scope":"a b\nc")")))) == "a b%0Ac");
  CHECK(scope_text(ask(*snapshot, Request())).empty());
}
