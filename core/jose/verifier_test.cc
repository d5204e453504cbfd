#include "core/jose/verifier.h"

#include <doctest/doctest.h>

#include <cmath>
#include <tuple>

#include "core/jose/testing/world.h"

using namespace meshauth;
using namespace meshauth::jose;
using namespace meshauth::jose::testing;

namespace {

using Texts = std::vector<std::string>;

}  // namespace

TEST_CASE("a good token gives its claims and who it speaks of") {
  World world;
  const Draft draft = claims_plus(
      R"("jti":"t-1","azp":"web","client_id":"no","scope":"read  write ","scp":["admin scope","x"],"groups":["g 1",7],"realm_access":{"roles":["r"]})");
  const VerifiedToken token = world.accepted(draft);
  CHECK(token.claims_json == draft.claims);
  CHECK(token.issuer == "https://idp");
  CHECK(token.token_id == "t-1");
  CHECK(token.expires == 2000);
  CHECK(token.unknown_kid_sources.empty());
  CHECK(std::string_view(token.claims["sub"]) == "alice");
  REQUIRE(token.identities.size() == 1);
  const Identity& identity = token.identities[0];
  CHECK(identity.provider == 0);
  CHECK(identity.subject == "alice");
  CHECK(identity.client == "web");
  CHECK(identity.scopes == Texts{"read", "write", "admin scope", "x"});
  CHECK(identity.groups == Texts{"g 1", "7"});
  CHECK(identity.roles == Texts{"r"});
}

TEST_CASE("claims that are missing or of another type leave the mapping empty") {
  World world;
  const auto identity = [&](const Draft& draft) { return world.accepted(draft).identities[0]; };
  const Identity none = identity(claims(R"(,"sub":"alice")", ""));
  CHECK(none.subject == "");
  CHECK(none.client == "");
  CHECK(none.scopes.empty());
  CHECK(none.groups.empty());
  CHECK(none.roles.empty());
  CHECK(identity(claims(R"("alice")", R"({"a":1})")).subject == "");
  CHECK(identity(claims(R"("alice")", "42")).subject == "42");
  CHECK(identity(claims_plus(R"("azp":null,"client_id":"cli")")).client == "cli");
  CHECK(identity(claims_plus(R"("groups":"one group")")).groups == Texts{"one group"});
  CHECK(identity(claims_plus(R"("scope":{"a":1},"realm_access":[1])")).scopes.empty());
  CHECK(world.accepted(claims_plus(R"("jti":5)")).token_id == "");
}

TEST_CASE("every algorithm end to end") {
  World world;
  const std::tuple<std::string, Algorithm, std::string> cases[] = {
      {"RS256", Algorithm::RS256, "rsa"},   {"RS384", Algorithm::RS384, "rsa"},
      {"RS512", Algorithm::RS512, "rsa"},   {"PS256", Algorithm::PS256, "rsa"},
      {"PS384", Algorithm::PS384, "rsa"},   {"PS512", Algorithm::PS512, "rsa"},
      {"ES256", Algorithm::ES256, "es256"}, {"ES384", Algorithm::ES384, "es384"},
      {"ES512", Algorithm::ES512, "es512"}, {"EdDSA", Algorithm::EdDSA, "ed25519"},
      {"EdDSA", Algorithm::EdDSA, "ed448"}, {"Ed25519", Algorithm::EdDSA, "ed25519"},
      {"Ed448", Algorithm::EdDSA, "ed448"},
  };
  for (const auto& [name, algorithm, kid] : cases) {
    CAPTURE(name);
    CAPTURE(kid);
    Draft draft;
    draft.header = R"({"alg":")" + name + R"(","kid":")" + kid + "\"}";
    draft.signed_by = kid;
    draft.signed_as = algorithm;
    CHECK(world.reason(draft) == Reason::none);
    draft.header = R"({"alg":")" + name + "\"}";
    CHECK(world.reason(draft) == Reason::none);
    ProviderSettings without = world_provider();
    without.algorithms = {};
    for (const auto& other : AlgorithmSet::all().names()) {
      if (*algorithm_from_name(other) != algorithm) without.algorithms.add(*algorithm_from_name(other));
    }
    CHECK(World(without).reason(draft) == Reason::alg_not_allowed);
  }
}

TEST_CASE("one flipped bit anywhere in header, payload or signature is never accepted") {
  World world;
  for (const bool with_kid : {true, false}) {
    Draft draft;
    if (!with_kid) draft.header = R"({"alg":"ES256"})";
    const std::string token = draft.token();
    REQUIRE(world.verifier().verify(token, kNow));
    for (std::size_t bit = 0; bit < token.size() * 8; ++bit) {
      std::string flipped = token;
      flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << bit % 8));
      CAPTURE(bit);
      CHECK_FALSE(world.verifier().verify(flipped, kNow));
    }
  }
}

TEST_CASE("times hold to the second, with skew") {
  for (const int skew : {0, 30}) {
    ProviderSettings provider = world_provider();
    provider.clock_skew = Seconds(skew);
    World world(provider);
    const Draft draft = claims_plus(R"("nbf":950)");
    const std::pair<double, Reason> cases[] = {
        {950.0 - skew, Reason::none},
        {949.0 - skew, Reason::not_yet_valid},
        {949.999 - skew, Reason::not_yet_valid},
        {1999.0 + skew, Reason::none},
        {1999.999 + skew, Reason::none},
        {2000.0 + skew, Reason::expired},
        {2001.0 + skew, Reason::expired},
    };
    CAPTURE(skew);
    for (const auto& [now, reason] : cases) {
      CAPTURE(now);
      CHECK(world.reason(at(now, draft)) == reason);
    }
    CHECK(world.reason(at(900.0 - skew)) == Reason::none);
    CHECK(world.reason(at(899.0 - skew)) == Reason::issued_in_future);
  }
}

TEST_CASE("a NumericDate is any finite JSON number in [0, 2^53)") {
  World world;
  for (const std::string date :
       {"2000", "2000.5", "2e3", "2.0E+3", "20000e-1", "9007199254740991", "9.007199254740991e15"}) {
    CAPTURE(date);
    CHECK(world.reason(claims("2000", date)) == Reason::none);
  }
  for (const std::string date :
       {"\"2000\"", "null", "true", "[2000]", "{}", "-1", "-0.5", "9007199254740992", "1e16", "18446744073709551615",
        "1e308", "1e400", "123456789012345678901234567890", "-9223372036854775808"}) {
    CAPTURE(date);
    CHECK(world.reason(claims("2000", date)) == Reason::numericdate_invalid);
    CHECK(world.reason(claims("900", date)) == Reason::numericdate_invalid);
    CHECK(world.reason(claims_plus("\"nbf\":" + date)) == Reason::numericdate_invalid);
  }
  CHECK(world.reason(claims_plus("\"large\":123456789012345678901234567890,\"larger\":[-1e999]")) == Reason::none);
  // Small is small, also where a number that no double holds stands beside it.
  const std::string small = "0." + std::string(400, '0') + "1";
  CHECK(world.reason(claims_plus("\"nbf\":" + small)) == Reason::none);
  CHECK(world.reason(claims_plus("\"nbf\":" + small + ",\"x\":1e400")) == Reason::none);
  CHECK(world.reason(claims("900", "0")) == Reason::none);
  CHECK(world.reason(claims("900", "-0.0")) == Reason::none);
  CHECK(world.reason(claims(R"("exp":2000,)", "")) == Reason::exp_missing);
  CHECK(world.reason(claims(R"(,"iat":900)", "")) == Reason::none);
}

TEST_CASE("the lifetime is limited where the provider says so") {
  ProviderSettings provider = world_provider();
  provider.max_token_lifetime = Seconds(1100);
  World world(provider);
  CHECK(world.reason({}) == Reason::none);
  CHECK(world.reason(claims("900", "899.5")) == Reason::lifetime_too_long);
  CHECK(world.reason(claims("2000", "2001")) == Reason::lifetime_too_long);
  CHECK(world.reason(claims(R"(,"iat":900)", "")) == Reason::claim_required);
}

TEST_CASE("the audience is one of ours, in a string or a list of strings") {
  World world;
  for (const std::string aud : {R"("api")", R"("other-api")", R"(["api"])", R"(["x","api"])", R"(["api","x"])"}) {
    CAPTURE(aud);
    CHECK(world.reason(claims(R"("api")", aud)) == Reason::none);
  }
  for (const std::string aud :
       {R"("API")", R"("api ")", R"("ap")", R"("api/")", R"("")", "[]", "null", "5", "true", R"({"api":1})", R"(["x"])",
        R"([["api"]])", R"(["api",5])", R"(["api",null])", R"("api other-api")"}) {
    CAPTURE(aud);
    CHECK(world.reason(claims(R"("api")", aud)) == Reason::audience_mismatch);
  }
  CHECK(world.reason(claims(R"("aud":"api",)", "")) == Reason::audience_mismatch);
}

TEST_CASE("the audience may be in another claim, as Cognito's client_id") {
  ProviderSettings provider = world_provider();
  provider.audience_claim = {"client_id"};
  World world(provider);
  CHECK(world.reason({}) == Reason::audience_mismatch);
  CHECK(world.reason(claims(R"("aud":"api")", R"("client_id":"api")")) == Reason::none);
  provider.audience_claim = {"a", "b"};
  CHECK(World(provider).reason(claims_plus(R"("a":{"b":["api"]})")) == Reason::none);
  provider.audience_claim = {};
  CHECK(World(provider).reason({}) == Reason::audience_mismatch);
  provider = world_provider();
  provider.audiences = {};
  CHECK(World(provider).reason({}) == Reason::audience_mismatch);
}

TEST_CASE("typ: what the provider lists, case and application/ ignored") {
  World world;
  for (const std::string typ : {"JWT", "jwt", "at+jwt", "AT+JWT", "application/at+jwt", "Application/JWT"}) {
    CAPTURE(typ);
    CHECK(world.reason(header(R"("JWT")", "\"" + typ + "\"")) == Reason::none);
  }
  CHECK(world.reason(header(R"(,"typ":"JWT")", "")) == Reason::none);
  for (const std::string typ :
       {R"("logout+jwt")", R"("dpop+jwt")", R"("")", R"("application/")", R"("JWT ")", "null", "5", R"(["JWT"])"}) {
    CAPTURE(typ);
    CHECK(world.reason(header(R"("JWT")", typ)) == Reason::typ_not_allowed);
  }
  ProviderSettings strict = world_provider();
  strict.token_types = {"at+jwt"};
  World access_only(strict);
  CHECK(access_only.reason({}) == Reason::typ_not_allowed);
  CHECK(access_only.reason(header(R"(,"typ":"JWT")", "")) == Reason::typ_not_allowed);
  CHECK(access_only.reason(header("JWT", "at+jwt")) == Reason::none);
}

TEST_CASE("required claims all hold") {
  ProviderSettings provider = world_provider();
  provider.required_claims = {{{"token_use"}, ClaimOperator::In, {"access"}},
                              {{"banned"}, ClaimOperator::NotExists, {}}};
  World world(provider);
  CHECK(world.reason(claims_plus(R"("token_use":"access")")) == Reason::none);
  CHECK(world.reason(claims_plus(R"("token_use":"id")")) == Reason::claim_required);
  CHECK(world.reason({}) == Reason::claim_required);
  CHECK(world.reason(claims_plus(R"("token_use":"access","banned":false)")) == Reason::claim_required);
}

TEST_CASE(
    "each check comes before the next: a token that fails all is refused for the first, then for the second, ...") {
  ProviderSettings provider = world_provider();
  provider.algorithms = {Algorithm::ES256, Algorithm::RS256};
  provider.max_token_lifetime = Seconds(100000);
  provider.required_claims = {{{"tier"}, ClaimOperator::In, {"gold"}}};
  World world(provider);
  Draft draft;
  draft.header = R"({"alg":"HS256","crit":["x"],"zip":"DEF","kid":"no","typ":"x"})";
  draft.claims = R"([{"iss":"https://x","aud":"x","exp":1,"iat":-1,"nbf":99999}])";
  draft.signed_by = "es384";
  draft.signed_as = Algorithm::ES384;
  const auto step = [&](std::string Draft::*part, std::string_view from, std::string_view to, Reason next) {
    draft.*part = edit(draft.*part, from, to);
    CAPTURE(from);
    CHECK(world.reason(draft) == next);
  };
  CHECK(world.reason(draft) == Reason::alg_not_allowed);
  step(&Draft::header, "HS256", "ES384", Reason::crit_present);
  step(&Draft::header, R"("crit":["x"],)", "", Reason::header_forbidden);
  step(&Draft::header, R"("zip":"DEF",)", "", Reason::json_invalid);
  draft.claims = draft.claims.substr(1, draft.claims.size() - 2);
  CHECK(world.reason(draft) == Reason::issuer_unknown);
  step(&Draft::claims, "https://x", "https://idp", Reason::alg_not_allowed);
  step(&Draft::header, "ES384", "ES256", Reason::typ_not_allowed);
  step(&Draft::header, R"("typ":"x")", R"("typ":"JWT")", Reason::numericdate_invalid);
  step(&Draft::claims, R"("exp":1,"iat":-1)", R"("iat":80000)", Reason::exp_missing);
  step(&Draft::claims, R"("iat":80000)", R"("exp":1,"iat":80000)", Reason::expired);
  step(&Draft::claims, R"("exp":1,)", R"("exp":900000,)", Reason::not_yet_valid);
  step(&Draft::claims, R"("nbf":99999)", R"("nbf":9)", Reason::issued_in_future);
  step(&Draft::claims, R"("iat":80000)", R"("iat":9)", Reason::lifetime_too_long);
  step(&Draft::claims, R"("exp":900000)", R"("exp":2000)", Reason::audience_mismatch);
  step(&Draft::claims, R"("aud":"x")", R"("aud":"api")", Reason::claim_required);
  step(&Draft::claims, R"("aud":"api")", R"("aud":"api","tier":"gold")", Reason::kid_unknown);
  step(&Draft::header, R"("no")", R"("rsa")", Reason::alg_key_mismatch);
  step(&Draft::header, R"("rsa")", R"("es256")", Reason::signature_invalid);
  draft.signed_by = "es256";
  draft.signed_as = Algorithm::ES256;
  CHECK(world.reason(draft) == Reason::none);
}

TEST_CASE("expires is the next moment at which any provider could judge otherwise") {
  ProviderSettings strict = world_provider("ns/a"), lax = world_provider("ns/b");
  lax.clock_skew = Seconds(100);
  Verifier verifier({strict, lax}, {{"source", world_keys()}});
  const auto expires = [&](const Draft& draft) {
    const auto token = verifier.verify(draft.token(), draft.now);
    REQUIRE(token);
    return std::pair(token->identities.size(), token->expires);
  };
  CHECK(expires({}) == std::pair<std::size_t, double>(2, 2000));
  CHECK(expires(at(2050)) == std::pair<std::size_t, double>(1, 2100));
  CHECK(expires(claims_plus(R"("nbf":1050)")) == std::pair<std::size_t, double>(1, 1050));  // then ns/a vouches too
  CHECK(expires(at(1050, claims_plus(R"("nbf":1050)"))) == std::pair<std::size_t, double>(2, 2000));
  CHECK(expires(claims("900", "1001")) == std::pair<std::size_t, double>(1, 1001));
  for (const double now : {1000.0, 1049.0, 1050.0, 1999.0, 2000.0, 2099.0}) {
    const Draft draft = claims_plus(R"("nbf":1050)");
    const auto [before, until] = expires(at(now, draft));
    CHECK(until > now);
    CHECK(expires(at(std::nextafter(until, 0), draft)).first == before);
  }
}

TEST_CASE("a moved verifier goes on") {
  World world;
  Verifier moved = std::move(world.verifier());
  CHECK(moved.verify(Draft{}.token(), kNow));
  Verifier empty({}, {});
  CHECK(verdict(empty, {}) == "issuer_unknown");
  empty = std::move(moved);
  CHECK(verdict(empty, {}) == "ns/main");
}

TEST_CASE("what the token before had in its header decides nothing of this one") {
  Draft rsa;
  rsa.header = R"({"alg":"RS256","kid":"rsa"})";
  rsa.signed_by = "rsa";
  rsa.signed_as = Algorithm::RS256;
  const Draft drafts[] = {
      {},
      rsa,
      header("ES256", "none"),
      header("\"es256\"", "\"no\""),
      header_plus(R"("crit":["exp"])"),
      header("JWT", "other"),
      claims("alice", "bob"),
      claims("2000", "1"),
      spoilt([](std::string token) { return token.substr(token.find('.')); }),
      spoilt([](std::string token) { return "=" + token; }),
      spoilt([](std::string token) { return token + "A"; }),
  };
  World kept;
  for (const Draft& before : drafts) {
    for (const Draft& draft : drafts) {
      kept.reason(before);
      CHECK(reason_name(kept.reason(draft)) == reason_name(World().reason(draft)));
    }
  }
  CHECK(kept.accepted(rsa).issuer == "https://idp");
}

TEST_CASE("no refusal repeats the token") {
  World world;
  for (const Draft& draft :
       {header("ES256", "HS256"), claims("2000", "1"), header("\"es256\"", "\"no\""), claims("alice", "bob")}) {
    const std::string token = draft.token() + (draft.claims.find("bob") != std::string::npos ? "A" : "");
    const auto refused = world.verifier().verify(token, kNow);
    REQUIRE_FALSE(refused);
    const auto first = token.substr(0, token.find('.')), last = token.substr(token.rfind('.') + 1);
    CHECK(refused.error().detail.find(first) == std::string::npos);
    CHECK(refused.error().detail.find(last) == std::string::npos);
  }
}
