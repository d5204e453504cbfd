// Which provider and which key judge a token.
#include "core/jose/verifier.h"

#include <doctest/doctest.h>

#include "core/jose/testing/world.h"

using namespace meshauth;
using namespace meshauth::jose;
using namespace meshauth::jose::testing;

namespace {

using Texts = std::vector<std::string>;

}  // namespace

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

TEST_CASE("a source has a key by its kid, also one that two keys share") {
  KeySet set = keys_of({key("rsa").jwk({{"kid", "rsa"}})});
  set.ambiguous_kids = {"twice"};
  const Verifier verifier({world_provider()}, {{"source", set}});
  CHECK(verifier.has_key("source", "rsa"));
  CHECK(verifier.has_key("source", "twice"));
  CHECK_FALSE(verifier.has_key("source", "RSA"));
  CHECK_FALSE(verifier.has_key("source", ""));
  CHECK_FALSE(verifier.has_key("another", "rsa"));
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

TEST_CASE("a key that names its algorithm verifies tokens of that name alone, on the same curve too") {
  for (const std::string kid : {"ed25519", "ed448"}) {
    const std::string curve = kid == "ed448" ? "Ed448" : "Ed25519";
    for (const std::string& own : {std::string(), std::string("EdDSA"), curve}) {
      std::map<std::string, std::string> members{{"kid", kid}};
      if (!own.empty()) members["alg"] = own;
      World world(world_provider(), keys_of({key(kid).jwk(members)}));
      for (const std::string& alg : {std::string("EdDSA"), curve}) {
        CAPTURE(own);
        CAPTURE(alg);
        Draft draft;
        draft.header = R"({"alg":")" + alg + R"(","kid":")" + kid + "\"}";
        draft.signed_by = kid;
        draft.signed_as = Algorithm::EdDSA;
        CHECK(world.reason(draft) == (own.empty() || own == alg ? Reason::none : Reason::alg_key_mismatch));
      }
    }
  }
}

TEST_CASE("without a kid the keys that fit are tried, at most four") {
  std::vector<std::string> jwks;
  for (int i = 0; i < 5; ++i) jwks.push_back(key("es256-" + std::to_string(i)).jwk({{"kid", "k" + std::to_string(i)}}));
  jwks.insert(jwks.begin(), key("rsa").jwk({{"kid", "rsa"}}));
  jwks.insert(jwks.begin(), jwks[1]);                                       // listed twice is one
  jwks.insert(jwks.begin(), key("es256-0").jwk({{"kid", "second-name"}}));  // one key under two names is tried once
  World world(world_provider(), keys_of(jwks));
  for (int i = 0; i < 5; ++i) {
    CAPTURE(i);
    Draft draft = header(R"("kid":"es256",)", "");
    draft.signed_by = "es256-" + std::to_string(i);
    CHECK(world.reason(draft) == (i < 4 ? Reason::none : Reason::signature_invalid));
    CHECK(verify_signature(draft.token(), keys_of(jwks), AlgorithmSet::all()).has_value() == (i < 4));
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

TEST_CASE("a header that was refused is not the header that is known") {
  JsonReader reader;
  Jws jws;
  REQUIRE(read_jws(Draft{}.token(), reader, jws));
  CHECK(jws.header == base64url_encode(Draft{}.header));
  for (const std::string bad : {R"({"alg":"none"})", R"({"alg":"ES256","crit":["x"]})", "{"}) {
    CAPTURE(bad);
    CHECK_FALSE(read_jws(base64url_encode(bad) + ".e30.AA", reader, jws));
    CHECK(jws.header == "");
    REQUIRE(read_jws(Draft{}.token(), reader, jws));
  }
}
