#include "core/jose/key_set.h"

#include <doctest/doctest.h>

#include "core/base/digest.h"
#include "core/jose/curve.h"
#include "core/jose/jws.h"
#include "core/jose/testing/token_maker.h"

using namespace meshauth;
using namespace meshauth::jose;
using testing::key_set;
using testing::TestKey;

namespace {

const TestKey& rsa() {
  static const TestKey key = TestKey::rsa();
  return key;
}
const TestKey& other_rsa() {
  static const TestKey key = TestKey::rsa();
  return key;
}
const TestKey& ec() {
  static const TestKey key = TestKey::p256();
  return key;
}

KeySet parsed(const std::string& json) {
  auto set = parse_key_set(json);
  REQUIRE_MESSAGE(set, (set ? "" : set.error().message));
  return std::move(*set);
}

/// The one reason why the one key of the set is skipped.
std::string skipped(const std::string& jwk) {
  const KeySet set = parsed(key_set({jwk}));
  CHECK(set.keys.empty());
  REQUIRE(set.skipped.size() == 1);
  return set.skipped[0].reason;
}

bool says(const std::string& text, std::string_view part) {
  const bool found = text.find(part) != std::string::npos;
  CHECK_MESSAGE(found, text << " -- does not say: " << part);
  return found;
}

std::string with(std::string jwk, const std::string& members) {
  jwk.pop_back();
  return jwk + "," + members + "}";
}

}  // namespace

TEST_CASE("RFC 7638 section 3.1: the thumbprint of its RSA key") {
  const KeySet set = parsed(key_set(
      {R"({"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","alg":"RS256","kid":"2011-04-29"})"}));
  REQUIRE(set.keys.size() == 1);
  CHECK(set.keys[0].thumbprint == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
  CHECK(set.keys[0].kid == "2011-04-29");
  CHECK(set.keys[0].fits(Algorithm::RS256));
  CHECK_FALSE(set.keys[0].fits(Algorithm::PS256));
}

TEST_CASE("RFC 8037 appendix A.3: the thumbprint of its Ed25519 key") {
  const KeySet set =
      parsed(key_set({R"({"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})"}));
  REQUIRE(set.keys.size() == 1);
  CHECK(set.keys[0].thumbprint == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
}

TEST_CASE("a key of each type fits its own algorithms and no other") {
  const std::pair<TestKey, AlgorithmSet> cases[] = {
      {rsa(),
       {Algorithm::RS256, Algorithm::RS384, Algorithm::RS512, Algorithm::PS256, Algorithm::PS384, Algorithm::PS512}},
      {ec(), {Algorithm::ES256}},
      {TestKey::p384(), {Algorithm::ES384}},
      {TestKey::p521(), {Algorithm::ES512}},
      {TestKey::ed25519(), {Algorithm::EdDSA}},
      {TestKey::ed448(), {Algorithm::EdDSA}},
  };
  for (const auto& [key, algorithms] : cases) {
    const KeySet set = parsed(key_set({key.jwk({{"kid", "k"}})}));
    REQUIRE(set.keys.size() == 1);
    CAPTURE(set.keys[0].json);
    CHECK(set.skipped.empty());
    for (const auto& name : AlgorithmSet::all().names()) {
      const Algorithm algorithm = *algorithm_from_name(name);
      CHECK(set.keys[0].fits(algorithm) == algorithms.contains(algorithm));
      const KeySet bound = parsed(key_set({key.jwk({{"alg", name}})}));
      CHECK(bound.keys.size() == (algorithms.contains(algorithm) ? 1 : 0));
      CHECK(bound.skipped.size() == (algorithms.contains(algorithm) ? 0 : 1));
      if (!bound.keys.empty()) CHECK(fitting_algorithms(bound.keys[0]) == AlgorithmSet{algorithm});
    }
  }
}

TEST_CASE("RFC 9864: Ed25519 and Ed448 as alg fit their own curve alone") {
  CHECK(parsed(key_set({TestKey::ed25519().jwk({{"alg", "Ed25519"}})})).keys.size() == 1);
  CHECK(parsed(key_set({TestKey::ed448().jwk({{"alg", "Ed448"}})})).keys.size() == 1);
  says(skipped(TestKey::ed25519().jwk({{"alg", "Ed448"}})), "Ed448");
  says(skipped(TestKey::ed448().jwk({{"alg", "Ed25519"}})), "Ed25519");
}

TEST_CASE("a key that cannot be used is skipped, named, and leaves the others") {
  const KeySet set =
      parsed(key_set({rsa().jwk({{"kid", "enc"}, {"use", "enc"}}), ec().jwk({{"kid", "good"}}), "7", "null"}));
  REQUIRE(set.keys.size() == 1);
  CHECK(set.keys[0].kid == "good");
  REQUIRE(set.skipped.size() == 3);
  CHECK(set.skipped[0].kid == "enc");
  says(set.skipped[0].reason, "\"enc\"");
  CHECK(set.skipped[1].kid == "");
}

TEST_CASE("RSA: 2048 to 8192 bits, an odd exponent in 3..2^32, no padding but one sign byte") {
  says(skipped(TestKey::rsa(1024).jwk()), "1024 bits; at least 2048");
  says(skipped(TestKey::rsa(2040).jwk()), "2040 bits; at least 2048");
  CHECK(parsed(key_set({TestKey::rsa(2048, 3).jwk()})).keys.size() == 1);
  const auto number = [](std::size_t bytes, char first, char last) {
    std::string out(bytes, '\x55');
    out.front() = first;
    out.back() = last;
    return base64url_encode(out);
  };
  const auto rsa_key = [&](const std::string& n, const std::string& e) {
    return R"({"kty":"RSA","n":")" + n + R"(","e":")" + e + "\"}";
  };
  CHECK(parsed(key_set({rsa_key(number(1024, '\x80', '\x01'), "AQAB")})).keys.size() == 1);
  says(skipped(rsa_key(number(1025, '\x01', '\x01'), "AQAB")), "8193 bits; at most 8192");
  says(skipped(rsa_key(number(256, '\x7f', '\x01'), "AQAB")), "2047 bits");
  says(skipped(rsa_key(number(256, '\x80', '\x02'), "AQAB")), "even");
  const std::string n = rsa().member("n");
  says(skipped(rsa_key(n, base64url_encode("\x01"))), "exponent is 1");
  says(skipped(rsa_key(n, base64url_encode("\x02"))), "exponent is 2");
  says(skipped(rsa_key(n, base64url_encode(std::string("\x01\x00\x00", 3)))), "exponent is 65536");
  CHECK(parsed(key_set({rsa_key(n, base64url_encode("\xff\xff\xff\xff"))})).keys.size() == 1);
  says(skipped(rsa_key(n, base64url_encode(std::string("\x01\x00\x00\x00\x01", 5)))), "larger than 2^32");
  says(skipped(rsa_key(n, number(256, '\x01', '\x01'))), "larger than 2^32");
  says(skipped(rsa_key(n, base64url_encode(std::string("\x00", 1)))), "zero");
  says(skipped(rsa_key(n, "AQAB=")), "base64url");
  says(skipped(rsa_key(n, "")), "base64url");
  says(skipped(rsa_key("!" + n, "AQAB")), "base64url");
  says(skipped(R"({"kty":"RSA","e":"AQAB"})"), "n is missing");
  says(skipped(R"({"kty":"RSA","n":5,"e":"AQAB"})"), "n is missing or not a string");
}

TEST_CASE("RSA: crv means nothing and is not kept") {
  const KeySet set = parsed(key_set({rsa().jwk({{"crv", "P-256"}, {"kid", "a"}})}));
  REQUIRE(set.keys.size() == 1);
  CHECK(set.keys[0].crv == "");
  CHECK(set.keys[0].json == parsed(key_set({rsa().jwk({{"kid", "a"}})})).keys[0].json);
  const std::string token = rsa().token(Algorithm::RS256, R"({"alg":"RS256","kid":"a"})", "{}");
  CHECK(verify_signature(token, set));
}

TEST_CASE("one leading zero in n is tolerated and does not make another key") {
  const std::string n = *base64url_decode(rsa().member("n"));
  const std::string padded = base64url_encode(std::string(1, '\0') + n);
  const KeySet set = parsed(key_set({rsa().jwk({{"kid", "a"}}), rsa().jwk({{"kid", "a"}, {"n", padded}})}));
  CHECK(set.keys.size() == 1);
  CHECK(set.ambiguous_kids.empty());
  CHECK(parsed(key_set({rsa().jwk({{"n", padded}})})).keys[0].json == parsed(key_set({rsa().jwk()})).keys[0].json);
  says(skipped(rsa().jwk({{"n", base64url_encode(std::string(2, '\0') + n)}})), "zero");
}

TEST_CASE("EC: exact coordinates of a point on the curve") {
  const auto flipped = [](const TestKey& key, const std::string& name) {
    std::string bytes = *base64url_decode(key.member(name));
    bytes.back() = static_cast<char>(bytes.back() ^ 1);
    return key.jwk({{name, base64url_encode(bytes)}});
  };
  for (const TestKey& key : {ec(), TestKey::p384(), TestKey::p521()}) {
    says(skipped(flipped(key, "x")), "not on curve");
    says(skipped(flipped(key, "y")), "not on curve");
    const std::string x = *base64url_decode(key.member("x"));
    says(skipped(key.jwk({{"x", base64url_encode(std::string(1, '\0') + x)}})), "exactly");
    says(skipped(key.jwk({{"x", base64url_encode(x.substr(1))}})), "exactly");
    const std::string zeros = base64url_encode(std::string(x.size(), '\0'));
    says(skipped(key.jwk({{"x", zeros}, {"y", zeros}})), "not on curve");
  }
  says(skipped(ec().jwk({{"crv", "P-384"}})), "exactly 48");
  says(skipped(TestKey::ec("secp256k1", 32).jwk()), "secp256k1");
  says(skipped(ec().jwk({{"crv", "p-256"}})), "p-256");
  says(skipped(ec().jwk({{"crv", "Ed25519"}})), "\"Ed25519\" is not P-256, P-384 or P-521");
  says(skipped(R"({"kty":"EC","x":"","y":""})"), "curve");
  // Coordinates at and above the field's prime are other spellings of small ones.
  const std::string prime(
      "\xff\xff\xff\xff\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff"
      "\xff\xff\xff\xff",
      32);
  says(skipped(ec().jwk({{"x", base64url_encode(prime)}})), "not on curve");
}

TEST_CASE("OKP: keys that sign, of exact length") {
  says(skipped(TestKey::ed25519().jwk({{"crv", "X25519"}})), "X25519");
  says(skipped(TestKey::ed25519().jwk({{"crv", "P-256"}})), "\"P-256\" is not Ed25519 or Ed448");
  says(skipped(TestKey::ed25519().jwk({{"crv", "Ed448"}})), "exactly 57");
  says(skipped(TestKey::ed448().jwk({{"crv", "Ed25519"}})), "exactly 32");
}

TEST_CASE("keys for something else, or of a type that is not known") {
  says(skipped(rsa().jwk({{"use", "enc"}})), "use");
  says(skipped(rsa().jwk({{"use", ""}})), "use");
  says(skipped(with(rsa().jwk(), R"("use":1)")), "use is not a string");
  CHECK(parsed(key_set({rsa().jwk({{"use", "sig"}})})).keys.size() == 1);
  says(skipped(with(rsa().jwk(), R"("key_ops":["encrypt","wrapKey"])")), "verify");
  says(skipped(with(rsa().jwk(), R"("key_ops":[])")), "verify");
  says(skipped(with(rsa().jwk(), R"("key_ops":"verify")")), "key_ops is not a list");
  CHECK(parsed(key_set({with(rsa().jwk(), R"("key_ops":["sign","verify"])")})).keys.size() == 1);
  says(skipped(R"({"kty":"AKP","alg":"ML-DSA-44","pub":"AA"})"), "AKP");
  says(skipped(R"({"kid":"x"})"), "kty");
  says(skipped(R"({"kty":5})"), "kty is not a string");
  says(skipped(rsa().jwk({{"kty", "rsa"}})), "rsa");
  says(skipped(rsa().jwk({{"alg", "RSA-OAEP"}})), "RSA-OAEP");
  says(skipped(rsa().jwk({{"alg", "HS256"}})), "HS256");
  says(skipped(rsa().jwk({{"alg", "none"}})), "none");
  says(skipped(with(rsa().jwk(), R"("kid":7)")), "kid is not a string");
  says(skipped(rsa().jwk({{"kid", std::string(257, 'k')}})), "257");
  CHECK(parsed(key_set({rsa().jwk({{"kid", std::string(256, 'k')}})})).keys.size() == 1);
}

TEST_CASE("secret material refuses the whole set and does not stand in the message") {
  for (const std::string member : {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}) {
    CAPTURE(member);
    for (const std::string& secret : {with(rsa().jwk({{"kid", "leak"}}), "\"" + member + "\":\"c2VjcmV0\""),
                                      with(rsa().jwk({{"kid", "leak"}, {"use", "enc"}}), "\"" + member + "\":null"),
                                      "{\"kty\":\"odd\",\"kid\":\"leak\",\"" + member + "\":1}"}) {
      const auto set = parse_key_set(key_set({ec().jwk(), secret}));
      REQUIRE_FALSE(set);
      says(set.error().message, "leak");
      says(set.error().message, "secret");
      CHECK(set.error().message.find("c2VjcmV0") == std::string::npos);
    }
  }
  for (const std::string oct :
       {R"({"kty":"oct"})", R"({"kty":"oct","k":"c2VjcmV0","alg":"HS256"})", R"({"kty":"oct","use":"enc"})"}) {
    CHECK_FALSE(parse_key_set(key_set({ec().jwk(), oct})));
  }
}

TEST_CASE("what is no key set is refused") {
  for (const std::string text :
       {"", "[]", "{}", "null", "\"keys\"", R"({"keys":{}})", R"({"keys":null})", R"({"keys":"x"})", R"({"Keys":[]})",
        R"({"keys":[]}x)", R"({"keys":[],"keys":[]})", "<html></html>", R"({"kty":"RSA"})"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_key_set(text));
  }
  CHECK_FALSE(parse_key_set(key_set({R"({"kty":"RSA","kty":"EC"})"})));
  CHECK(parse_key_set(R"({"keys":[]})")->keys.empty());
}

TEST_CASE("a set is bounded in bytes, keys and depth") {
  const std::string one = key_set({ec().jwk()});
  CHECK(parse_key_set(one, {.bytes = one.size(), .keys = 1}));
  CHECK_FALSE(parse_key_set(one, {.bytes = one.size() - 1, .keys = 1}));
  CHECK_FALSE(parse_key_set(one, {.bytes = one.size(), .keys = 0}));
  std::string many = R"({"keys":[)";
  for (int i = 0; i < 256; ++i) many += "{},";
  CHECK_FALSE(parse_key_set(many + "{}]}"));
  many.back() = ']';
  CHECK(parsed(many + "}").skipped.size() == 256);
}

TEST_CASE("the same key listed twice is one; under two kids it is two") {
  CHECK(parsed(key_set({rsa().jwk({{"kid", "a"}}), rsa().jwk({{"kid", "a"}}), rsa().jwk({{"kid", "a"}, {"x5t", "z"}})}))
            .keys.size() == 1);
  const KeySet set = parsed(key_set({rsa().jwk({{"kid", "a"}}), rsa().jwk({{"kid", "b"}}), rsa().jwk()}));
  CHECK(set.keys.size() == 3);
  CHECK(set.ambiguous_kids.empty());
}

TEST_CASE(
    "the same key with and without alg, or for two issuers, is no other key: each entry counts and none is refused") {
  const std::map<std::string, std::string> plain{{"kid", "a"}}, rs256{{"kid", "a"}, {"alg", "RS256"}},
      ps256{{"kid", "a"}, {"alg", "PS256"}}, one{{"kid", "a"}, {"issuer", "https://one"}},
      two{{"kid", "a"}, {"issuer", "https://two"}};
  for (const auto& [first, second] : {std::pair{plain, rs256}, std::pair{rs256, plain}, std::pair{rs256, ps256},
                                      std::pair{plain, one}, std::pair{one, two}}) {
    const KeySet set = parsed(key_set({rsa().jwk(first), rsa().jwk(second), rsa().jwk(first)}));
    CHECK(set.ambiguous_kids.empty());
    REQUIRE(set.keys.size() == 2);
    CHECK(set.keys[0].json == parsed(key_set({rsa().jwk(first)})).keys[0].json);
    CHECK(set.keys[1].json == parsed(key_set({rsa().jwk(second)})).keys[0].json);
  }
}

TEST_CASE("two different keys with one kid that could both verify: the kid is refused, the rest stay") {
  const KeySet set =
      parsed(key_set({rsa().jwk({{"kid", "a"}}), ec().jwk({{"kid", "good"}}), other_rsa().jwk({{"kid", "a"}})}));
  CHECK(set.ambiguous_kids == std::vector<std::string>{"a"});
  REQUIRE(set.keys.size() == 1);
  CHECK(set.keys[0].kid == "good");
}

TEST_CASE("two different keys with one kid that no token could mean both of are both used") {
  const KeySet types = parsed(key_set({rsa().jwk({{"kid", "a"}}), ec().jwk({{"kid", "a"}})}));
  CHECK(types.keys.size() == 2);
  CHECK(types.ambiguous_kids.empty());
  const KeySet algorithms =
      parsed(key_set({rsa().jwk({{"kid", "a"}, {"alg", "RS256"}}), other_rsa().jwk({{"kid", "a"}, {"alg", "PS256"}})}));
  CHECK(algorithms.keys.size() == 2);
  const KeySet one_open =
      parsed(key_set({rsa().jwk({{"kid", "a"}, {"alg", "RS256"}}), other_rsa().jwk({{"kid", "a"}})}));
  CHECK(one_open.keys.empty());
  const KeySet unusable = parsed(key_set({rsa().jwk({{"kid", "a"}}), other_rsa().jwk({{"kid", "a"}, {"use", "enc"}})}));
  CHECK(unusable.keys.size() == 1);
  CHECK(unusable.ambiguous_kids.empty());
  const KeySet without = parsed(key_set({rsa().jwk(), other_rsa().jwk()}));
  CHECK(without.keys.size() == 2);
}

TEST_CASE("the JSON is deterministic, public only, and read back to the same keys") {
  const std::string text =
      key_set({with(ec().jwk({{"kid", "e\"1"}, {"issuer", "https://i/{tenantid}"}, {"x5t", "zz"}}), R"("x5c":["AA"])"),
               rsa().jwk({{"kid", "r"}, {"alg", "RS256"}, {"use", "sig"}}), TestKey::ed25519().jwk()});
  const KeySet set = parsed(text);
  const std::string json = to_json(set.keys);
  CHECK(json.starts_with(R"({"keys":[{"crv":"P-256","issuer":"https://i/{tenantid}","kid":"e\"1","kty":"EC","x":")"));
  CHECK(json.find("\"x5") == std::string::npos);
  CHECK(json.find(' ') == std::string::npos);
  const KeySet again = parsed(json);
  CHECK(to_json(again.keys) == json);
  REQUIRE(again.keys.size() == 3);
  CHECK(again.keys[0].issuer == "https://i/{tenantid}");
  CHECK(again.keys[1].alg == "RS256");
  for (std::size_t i = 0; i < 3; ++i) CHECK(again.keys[i].thumbprint == set.keys[i].thumbprint);
  CHECK(to_json(std::vector<Jwk>{}) == R"({"keys":[]})");
}

TEST_CASE("a copy of a set still knows which kids are ambiguous") {
  const KeySet set =
      parsed(key_set({rsa().jwk({{"kid", "a"}}), other_rsa().jwk({{"kid", "a"}}), ec().jwk({{"kid", "b"}})}));
  const KeySet copy = parsed(to_json(set));
  CHECK(copy.ambiguous_kids == set.ambiguous_kids);
  CHECK(copy.keys.size() == 1);
  CHECK(to_json(copy) == to_json(set));
  const KeySet plain = parsed(key_set({ec().jwk()}));
  CHECK(to_json(plain) == to_json(plain.keys));
}
