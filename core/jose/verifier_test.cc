#include "core/jose/verifier.h"

#include <doctest/doctest.h>

#include <limits>

#include "core/jose/testing/world.h"

using namespace meshauth;
using namespace meshauth::jose;
using namespace meshauth::jose::testing;

namespace {

using Texts = std::vector<std::string>;

/// What a verifier of several providers says of a draft: the ids that vouch, or the reason's name.
std::string verdict(Verifier& verifier, const Draft& draft, const std::vector<bool>& only = {}) {
  const auto token = verifier.verify(draft.token(), draft.now, only);
  if (!token) return std::string(reason_name(token.error().reason));
  std::string ids;
  for (const Identity& identity : token->identities) {
    ids += (ids.empty() ? "" : " ") + verifier.providers()[identity.provider].id;
  }
  return ids;
}

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
  CHECK(std::string_view(token.claims.root()["sub"]) == "alice");
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
  for (const std::string date : {"\"2000\"", "null", "true", "[2000]", "{}", "-1", "-0.5", "9007199254740992", "1e16",
                                 "18446744073709551615", "1e308", "-9223372036854775808"}) {
    CAPTURE(date);
    CHECK(world.reason(claims("2000", date)) == Reason::numericdate_invalid);
    CHECK(world.reason(claims("900", date)) == Reason::numericdate_invalid);
    CHECK(world.reason(claims_plus("\"nbf\":" + date)) == Reason::numericdate_invalid);
  }
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

TEST_CASE("iss is compared byte for byte, with the aliases and with nothing else") {
  ProviderSettings provider = world_provider("ns/google", "https://accounts.google.com");
  provider.issuer_aliases = {"accounts.google.com"};
  World world(provider);
  for (const std::string iss : {"https://accounts.google.com", "accounts.google.com"}) {
    CHECK(world.reason(claims("https://idp", iss)) == Reason::none);
    CHECK(world.accepted(claims("https://idp", iss)).issuer == iss);
  }
  for (const std::string iss :
       {"https://accounts.google.com/", "HTTPS://accounts.google.com", "https://accounts.google.com#", "", "google",
        "https://accounts.google.co", "http://accounts.google.com", " accounts.google.com"}) {
    CAPTURE(iss);
    CHECK(world.reason(claims("https://idp", iss)) == Reason::issuer_unknown);
  }
  for (const std::string iss : {"null", "5", R"(["accounts.google.com"])", R"({"a":1})"}) {
    CHECK(world.reason(claims(R"("https://idp")", iss)) == Reason::issuer_unknown);
  }
  CHECK(world.reason(claims(R"("iss":"https://idp",)", "")) == Reason::issuer_unknown);
}

TEST_CASE("the template issuer takes the token's tenant") {
  ProviderSettings provider = world_provider("ns/entra", "https://login/{tenantid}/v2.0");
  provider.required_claims = {{{"tid"}, ClaimOperator::In, {"t-1", "t-2"}}};
  World world(provider);
  const auto tenant = [&](const std::string& iss, const std::string& tid) {
    return world.reason(claims_plus("\"tid\":" + tid, claims("https://idp", iss)));
  };
  CHECK(tenant("https://login/t-1/v2.0", R"("t-1")") == Reason::none);
  CHECK(tenant("https://login/t-2/v2.0", R"("t-2")") == Reason::none);
  CHECK(tenant("https://login/t-1/v2.0", R"("t-2")") == Reason::issuer_unknown);
  CHECK(tenant("https://login/t-3/v2.0", R"("t-3")") == Reason::claim_required);
  CHECK(tenant("https://login//v2.0", R"("")") == Reason::issuer_unknown);
  CHECK(tenant("https://login/t-1/v2.0", "null") == Reason::issuer_unknown);
  CHECK(tenant("https://login/5/v2.0", "5") == Reason::issuer_unknown);
  CHECK(tenant("https://login/{tenantid}/v2.0", R"("t-1")") == Reason::issuer_unknown);
  CHECK(tenant("https://login/t-1/v2.0/", R"("t-1")") == Reason::issuer_unknown);
  CHECK(tenant("https://login/t-1/x/v2.0", R"("t-1/x")") == Reason::claim_required);
  CHECK(world.reason(claims("https://idp", "https://login/t-1/v2.0")) == Reason::issuer_unknown);
}

TEST_CASE("a key bound to an issuer signs for it alone") {
  ProviderSettings provider = world_provider("ns/entra", "https://login/{tenantid}/v2.0");
  provider.issuer_aliases = {"https://sts/t-1/"};
  const KeySet keys = keys_of({key("es256").jwk({{"kid", "es256"}, {"issuer", "https://login/{tenantid}/v2.0"}}),
                               key("es256-consumer").jwk({{"kid", "consumer"}, {"issuer", "https://login/t-9/v2.0"}})});
  World world(provider, keys);
  const auto tenant = [&](const std::string& tid, Draft draft = {}) {
    return claims_plus("\"tid\":\"" + tid + "\"",
                       claims("https://idp", "https://login/" + tid + "/v2.0", std::move(draft)));
  };
  Draft consumer = header("\"es256\"", "\"consumer\"");
  consumer.signed_by = "es256-consumer";
  CHECK(world.reason(tenant("t-1")) == Reason::none);
  CHECK(world.reason(tenant("t-9", consumer)) == Reason::none);
  CHECK(world.reason(tenant("t-1", consumer)) == Reason::issuer_unknown);
  Draft no_kid = tenant("t-1", consumer);
  no_kid.header = R"({"alg":"ES256"})";
  CHECK(world.reason(no_kid) == Reason::signature_invalid);  // only the other key may sign for t-1
  CHECK(world.reason(claims_plus(R"("tid":"t-1")", claims("https://idp", "https://sts/t-1/"))) == Reason::none);
  CHECK(world.reason(claims_plus(R"("tid":"t-1")", claims("https://idp", "https://sts/t-1/", consumer))) ==
        Reason::issuer_unknown);
}

TEST_CASE("kid selects, and an unknown one never falls back to another key") {
  World one_key(world_provider(), keys_of({key("es256").jwk({{"kid", "es256"}})}));
  CHECK(one_key.reason({}) == Reason::none);
  for (const std::string kid : {R"("ES256")", R"("es256 ")", R"("")", "null", "5", R"(["es256"])"}) {
    CAPTURE(kid);
    CHECK(one_key.reason(header(R"("es256")", kid)) == Reason::kid_unknown);
  }
  World nameless(world_provider(), keys_of({key("es256").jwk()}));
  CHECK(nameless.reason({}) == Reason::kid_unknown);
  CHECK(nameless.reason(header(R"("es256")", R"("")")) == Reason::kid_unknown);
  CHECK(nameless.reason(header(R"("kid":"es256",)", "")) == Reason::none);
}

TEST_CASE("an unknown kid names its source and itself, for the refetch") {
  World world;
  const auto refused = world.verifier().verify(header(R"("es256")", "\"" + std::string(300, 'k') + "\"").token(), kNow);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().reason == Reason::kid_unknown);
  CHECK(refused.error().key_source == "source");
  CHECK(refused.error().kid == std::string(256, 'k'));
  CHECK(refused.error().issuer == "https://idp");
  CHECK(refused.error().unknown_kid_sources == Texts{"source"});
  const auto expired = world.verifier().verify(header(R"("es256")", R"("new")", claims("2000", "500")).token(), kNow);
  CHECK(expired.error().reason == Reason::expired);  // a token that is refused anyway asks for no refetch
  CHECK(expired.error().unknown_kid_sources.empty());
  CHECK(expired.error().kid == "");
}

TEST_CASE("a key does not verify with an algorithm that is not its own") {
  World world(world_provider(),
              keys_of({key("rsa").jwk({{"kid", "rsa"}, {"alg", "RS256"}}), key("es256").jwk({{"kid", "es256"}})}));
  Draft rsa;
  rsa.signed_by = "rsa";
  const auto as = [&](const std::string& alg, Algorithm algorithm) {
    Draft draft = rsa;
    draft.header = R"({"kid":"rsa","alg":")" + alg + "\"}";
    draft.signed_as = algorithm;
    return world.reason(draft);
  };
  CHECK(as("RS256", Algorithm::RS256) == Reason::none);
  CHECK(as("RS384", Algorithm::RS384) == Reason::alg_key_mismatch);
  CHECK(as("PS256", Algorithm::PS256) == Reason::alg_key_mismatch);
  CHECK(as("ES256", Algorithm::RS256) == Reason::alg_key_mismatch);
  CHECK(as("EdDSA", Algorithm::RS256) == Reason::alg_key_mismatch);
  CHECK(world.reason(header("ES256", "ES384")) == Reason::alg_key_mismatch);
  World edwards;
  Draft ed;
  ed.header = R"({"alg":"Ed448","kid":"ed25519"})";
  ed.signed_by = "ed25519";
  ed.signed_as = Algorithm::EdDSA;
  CHECK(edwards.reason(ed) == Reason::alg_key_mismatch);
}

TEST_CASE("without a kid the keys that fit are tried, at most four") {
  std::vector<std::string> jwks;
  for (int i = 0; i < 5; ++i) jwks.push_back(key("es256-" + std::to_string(i)).jwk({{"kid", "k" + std::to_string(i)}}));
  jwks.insert(jwks.begin(), key("rsa").jwk({{"kid", "rsa"}}));
  jwks.insert(jwks.begin(), jwks[1]);  // listed twice is one
  jwks.push_back(key("es256-0").jwk({{"kid", "second-name"}}));
  World world(world_provider(), keys_of(jwks));
  for (int i = 0; i < 5; ++i) {
    CAPTURE(i);
    Draft draft = header(R"("kid":"es256",)", "");
    draft.signed_by = "es256-" + std::to_string(i);
    CHECK(world.reason(draft) == (i < 4 ? Reason::none : Reason::signature_invalid));
  }
  Draft no_key = header(R"("kid":"es256",)", "");
  no_key.header = edit(no_key.header, "ES256", "ES384");
  CHECK(world.reason(no_key) == Reason::kid_missing_no_key);
}

TEST_CASE("an ambiguous kid is refused, with and without its name, and the rest stay") {
  World world(world_provider(), keys_of({key("es256").jwk({{"kid", "twice"}}), key("es256-1").jwk({{"kid", "twice"}}),
                                         key("es256-2").jwk({{"kid", "good"}})}));
  CHECK(world.reason(header("\"es256\"", "\"twice\"")) == Reason::kid_ambiguous);
  CHECK(world.reason(header(R"("kid":"es256",)", "")) == Reason::signature_invalid);
  Draft good = header("\"es256\"", "\"good\"");
  good.signed_by = "es256-2";
  CHECK(world.reason(good) == Reason::none);
}

TEST_CASE("one kid for two types of key: alg chooses") {
  World world(world_provider(), keys_of({key("rsa").jwk({{"kid", "es256"}}), key("es256").jwk({{"kid", "es256"}})}));
  CHECK(world.reason({}) == Reason::none);
  Draft rsa = header("ES256", "RS256");
  rsa.signed_by = "rsa";
  rsa.signed_as = Algorithm::RS256;
  CHECK(world.reason(rsa) == Reason::none);
  CHECK(world.reason(header("ES256", "ES512")) == Reason::alg_key_mismatch);
}

TEST_CASE("a provider sees the keys of its own source alone") {
  ProviderSettings a = world_provider("ns/a"), b = world_provider("ns/b");
  a.key_source = "source-a";
  b.key_source = "source-b";
  Verifier verifier({b, a}, {{"source-a", keys_of({key("es256").jwk({{"kid", "es256"}})})},
                             {"source-b", keys_of({key("es256-b").jwk({{"kid", "es256"}})})}});
  CHECK(verdict(verifier, {}) == "ns/a");
  Draft by_b;
  by_b.signed_by = "es256-b";
  CHECK(verdict(verifier, by_b) == "ns/b");
  by_b.signed_by = "es256-c";
  CHECK(verdict(verifier, by_b) == "signature_invalid");
  ProviderSettings lost = world_provider("ns/lost");
  lost.key_source = "nowhere";
  Verifier without_keys({lost}, {});
  CHECK(verdict(without_keys, {}) == "kid_unknown");
  CHECK(verdict(without_keys, header(R"("kid":"es256",)", "")) == "kid_missing_no_key");
}

TEST_CASE("every provider that the token names and whose checks pass vouches, in the order of ids") {
  ProviderSettings c = world_provider("ns/c"), a = world_provider("ns/a"), b = world_provider("ns/b");
  b.audiences = {"elsewhere"};
  ProviderSettings other = world_provider("ns/other", "https://other");
  Verifier verifier({c, other, b, a}, {{"source", world_keys()}});
  const auto token = verifier.verify(Draft{}.token(), kNow);
  REQUIRE(token);
  REQUIRE(token->identities.size() == 2);
  CHECK(token->identities[0].provider == 3);  // an index into providers(), as they were given
  CHECK(token->identities[1].provider == 0);
  CHECK(verifier.providers()[3].id == "ns/a");
  CHECK(verdict(verifier, claims(R"("api")", R"(["api","elsewhere"])")) == "ns/a ns/b ns/c");
  CHECK(verdict(verifier, {}, {true, true, true, false}) == "ns/c");
  CHECK(verdict(verifier, {}, {false, false, false, true}) == "ns/a");
  CHECK(verdict(verifier, {}, {false, false, true, false}) == "audience_mismatch");
  CHECK(verdict(verifier, {}, {false, true, false, false}) == "issuer_unknown");
  CHECK(verdict(verifier, {}, {false}) == "issuer_unknown");
  CHECK(verdict(verifier, {}, {true}) == "ns/c");
}

TEST_CASE("where none vouches the reason is that of the provider that got furthest, the first by id among equals") {
  ProviderSettings early = world_provider("ns/a"), late = world_provider("ns/b");
  early.algorithms = {Algorithm::RS256};
  Verifier verifier({late, early}, {{"source", world_keys()}});
  CHECK(verdict(verifier, {}) == "ns/b");
  const std::pair<Draft, std::string> cases[] = {
      {header("JWT", "logout+jwt"), "typ_not_allowed"},       {claims("2000", "1000"), "expired"},
      {claims(R"("api")", R"("x")"), "audience_mismatch"},    {header("\"es256\"", "\"x\""), "kid_unknown"},
      {header("\"es256\"", "\"es384\""), "alg_key_mismatch"},
  };
  for (const auto& [draft, reason] : cases) CHECK(verdict(verifier, draft) == reason);
  late.clock_skew = Seconds(5000);
  early.algorithms = AlgorithmSet::all();
  Verifier times({late, early}, {{"source", world_keys()}});
  CHECK(verdict(times, claims_plus(R"("nbf":7000)", claims("2000", "1000"))) == "expired");
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

TEST_CASE("sources that lack the kid are named also where another source knows it") {
  ProviderSettings a = world_provider("ns/a"), b = world_provider("ns/b");
  b.key_source = "source-b";
  Verifier verifier({a, b}, {{"source", world_keys()}, {"source-b", keys_of({key("rsa").jwk({{"kid", "rsa"}})})}});
  const auto token = verifier.verify(Draft{}.token(), kNow);
  REQUIRE(token);
  CHECK(token->identities.size() == 1);
  CHECK(token->unknown_kid_sources == Texts{"source-b"});
  Draft wrong;
  wrong.signed_by = "es256-x";
  const auto refused = verifier.verify(wrong.token(), kNow);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().reason == Reason::signature_invalid);
  CHECK(refused.error().unknown_kid_sources == Texts{"source-b"});
  CHECK(refused.error().kid == "es256");
  CHECK(refused.error().key_source == "");
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
