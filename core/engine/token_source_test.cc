#include "core/engine/token_source.h"

#include "core/engine/testing.h"

using namespace meshauth;
using namespace meshauth::engine;
using namespace meshauth::engine::testing;

namespace {

TokenSources sources_of(std::vector<TokenSource> at) {
  ProviderSettings settings = provider();
  settings.token_sources = std::move(at);
  return TokenSources({settings}, {true});
}

const TokenSource kBearer{"authorization", "bearer", ""}, kDpop{"authorization", "DPoP", ""}, kBare{"x-token", "", ""},
    kBareAuthorization{"authorization", "", ""}, kCookie{"", "", "session"};

}  // namespace

TEST_CASE("a token is found where a provider looks for it, and nowhere else") {
  const TokenSources all = sources_of({kBearer, kBare, kCookie});
  const auto token_of = [&](Request request) -> std::string {
    const auto found = all.find(request.headers());
    REQUIRE(found);
    return *found ? std::string((*found)->token) : "-";
  };
  CHECK(token_of(Request().header("authorization", "Bearer a.b.c")) == "a.b.c");
  CHECK(token_of(Request().header("authorization", "bEARER   a.b.c ")) == "a.b.c");
  CHECK(token_of(Request().header("x-token", "a.b.c")) == "a.b.c");
  CHECK(token_of(Request().header("cookie", "a=1; session=a.b.c; sessions=2")) == "a.b.c");
  CHECK(token_of(Request().header("cookie", "a=1").header("cookie", "session=a.b.c")) == "a.b.c");
  CHECK(token_of(Request().header("cookie", "Session=a.b.c")) == "-");
  CHECK(token_of(Request().header("cookie", "a=1,2, sessions=3, session; session=a.b.c")) == "a.b.c");
  CHECK(token_of(Request().header("authorization", "Basic dTpw")) == "-");
  CHECK(token_of(Request().header("authorization", "BearerX a.b.c")) == "-");
  CHECK(token_of(Request().header("authorization", "")) == "-");
  CHECK(token_of(Request().header("proxy-authorization", "Bearer a.b.c")) == "-");
  CHECK(token_of(Request("/x?access_token=a.b.c")) == "-");
}

TEST_CASE("what is no single token at its place has a reason") {
  struct Case {
    std::vector<std::pair<std::string, std::string>> headers;
    Reason reason;
  };
  const std::string large(jose::kMaxTokenBytes + 1, 'a');
  const Case cases[] = {
      {{{"authorization", "Bearer a"}, {"authorization", "Bearer b"}}, Reason::token_multiple},
      {{{"authorization", "Basic a"}, {"authorization", "Bearer b"}}, Reason::token_multiple},
      {{{"authorization", "Bearer b"}, {"authorization", "Basic a"}}, Reason::token_multiple},
      {{{"authorization", "Bearer a"}, {"authorization", "Bearer a"}}, Reason::token_multiple},
      {{{"authorization", "Bearer a, Bearer b"}}, Reason::token_multiple},
      {{{"authorization", "Bearer a,b"}}, Reason::token_multiple},
      {{{"authorization", "Basic dTpw, bearer b"}}, Reason::token_multiple},
      {{{"authorization", "Bearer a"}, {"x-token", "b"}}, Reason::token_multiple},
      {{{"authorization", "Bearer a"}, {"cookie", "session=b"}}, Reason::token_multiple},
      {{{"x-token", "a"}, {"x-token", "b"}}, Reason::token_multiple},
      {{{"x-token", "a,b"}}, Reason::token_multiple},
      {{{"cookie", "session=a; session=a"}}, Reason::token_multiple},
      {{{"cookie", "session=a"}, {"cookie", "session=a"}}, Reason::token_multiple},
      {{{"authorization", "Bearer"}, {"x-token", "b"}}, Reason::token_multiple},
      {{{"authorization", "Bearer"}}, Reason::token_malformed_source},
      {{{"authorization", "Bearer "}}, Reason::token_malformed_source},
      {{{"authorization", "Bearer\ta"}}, Reason::token_malformed_source},
      {{{"authorization", "Bearer a b"}}, Reason::token_malformed_source},
      {{{"authorization", "Bearer \"a\""}}, Reason::token_malformed_source},
      {{{"authorization", "Bearer a\x01"}}, Reason::token_malformed_source},
      {{{"x-token", ""}}, Reason::token_malformed_source},
      {{{"x-token", "Bearer a"}}, Reason::token_malformed_source},
      {{{"cookie", "session="}}, Reason::token_malformed_source},
      {{{"cookie", "session=\"a\""}}, Reason::token_malformed_source},
      {{{"cookie", "a=1, session=b"}}, Reason::token_malformed_source},
      {{{"cookie", "a=1,b=2,session =b; session=c"}}, Reason::token_malformed_source},
      {{{"authorization", "Bearer " + large}}, Reason::token_too_large},
      {{{"x-token", large}}, Reason::token_too_large},
      {{{"cookie", "session=" + large}}, Reason::token_too_large},
  };
  const TokenSources all = sources_of({kBearer, kBare, kCookie});
  for (const Case& c : cases) {
    CAPTURE(c.headers.front().first);
    CAPTURE(c.headers.front().second.substr(0, 60));
    Request request;
    for (const auto& [name, value] : c.headers) request.header(name, value);
    const auto found = all.find(request.headers());
    if (found) {
      REQUIRE(*found);
      CHECK_FALSE(is_token((*found)->token));
    }
    CHECK(reason_name(found ? Reason::token_malformed_source : found.error()) == reason_name(c.reason));
  }
}

TEST_CASE("a header with a scheme is read by its scheme before it is read whole") {
  for (const auto& order : {std::vector{kBareAuthorization, kBearer}, std::vector{kBearer, kBareAuthorization}}) {
    const TokenSources both = sources_of(order);
    Request schemed, bare;
    schemed.header("authorization", "Bearer a.b.c");
    bare.header("authorization", "d.e.f");
    CHECK(both.find(schemed.headers()).value()->token == "a.b.c");
    CHECK(both.find(bare.headers()).value()->token == "d.e.f");
  }
}

TEST_CASE("two schemes in one header are two places of one token") {
  const TokenSources both = sources_of({kBearer, kDpop});
  Request one, two;
  one.header("authorization", "dpop a.b.c");
  CHECK(both.find(one.headers()).value()->token == "a.b.c");
  two.header("authorization", "dpop a.b.c, bearer d.e.f");
  CHECK(both.find(two.headers()).error() == Reason::token_multiple);
}

TEST_CASE("a place that two providers name is one, and only those may vouch that look there") {
  ProviderSettings a = provider("ns/a"), b = provider("ns/b"), c = provider("ns/c");
  a.token_sources = {kBearer};
  b.token_sources = {kBearer, kCookie};
  c.token_sources = {kCookie};
  const TokenSources sources({a, b, c}, {true, true, true});
  REQUIRE(sources.sources().size() == 2);
  Request bearer, cookie;
  bearer.header("authorization", "Bearer x");
  cookie.header("cookie", "session=x");
  CHECK(sources.sources()[sources.find(bearer.headers()).value()->source].providers == ProviderMask{true, true, false});
  CHECK(sources.sources()[sources.find(cookie.headers()).value()->source].providers == ProviderMask{false, true, true});

  const TokenSources without({a, b, c}, {true, false, false});
  CHECK_FALSE(without.find(cookie.headers()).value());
}
