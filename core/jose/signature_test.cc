#include "core/jose/signature.h"

#include <doctest/doctest.h>

#include <openssl/err.h>

#include "core/jose/jws.h"
#include "core/jose/testing/token_maker.h"

using namespace meshauth;
using namespace meshauth::jose;
using testing::key_set;
using testing::TestKey;

namespace {

Jwk only_key(const TestKey& key) {
  auto set = parse_key_set(key_set({key.jwk()}));
  REQUIRE(set);
  REQUIRE(set->keys.size() == 1);
  return set->keys[0];
}

std::string flip(std::string bytes, std::size_t bit) {
  bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << bit % 8));
  return bytes;
}

KeySet keys(std::initializer_list<std::string> jwks) {
  auto set = parse_key_set(key_set(jwks));
  REQUIRE(set);
  return *set;
}

constexpr std::string_view kPayload =
    "{\"iss\":\"joe\",\r\n \"exp\":1300819380,\r\n \"http://example.com/is_root\":true}";

}  // namespace

TEST_CASE("RFC 7515 appendix A.2: RS256") {
  const KeySet set = keys(
      {R"({"kty":"RSA","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ","e":"AQAB"})"});
  const auto payload = verify_signature(
      "eyJhbGciOiJSUzI1NiJ9."
      "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ."
      "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_"
      "O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_"
      "nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-"
      "eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw",
      set);
  REQUIRE(payload);
  CHECK(*payload == kPayload);
}

TEST_CASE("RFC 7515 appendix A.3: ES256") {
  const KeySet set = keys(
      {R"({"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"})"});
  const auto payload = verify_signature(
      "eyJhbGciOiJFUzI1NiJ9."
      "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ."
      "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
      set);
  REQUIRE(payload);
  CHECK(*payload == kPayload);
}

TEST_CASE("RFC 8037 appendix A.4: EdDSA, whose payload is no JSON") {
  const KeySet set = keys({R"({"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})"});
  const auto payload = verify_signature(
      "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-"
      "09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg",
      set);
  REQUIRE(payload);
  CHECK(*payload == "Example of Ed25519 signing");
}

TEST_CASE("every algorithm verifies its own signature and no other's") {
  const Digests digests;
  for (const auto& name : AlgorithmSet::all().names()) {
    const Algorithm algorithm = *algorithm_from_name(name);
    CAPTURE(name);
    const TestKey key = TestKey::of(algorithm), stranger = TestKey::of(algorithm);
    PublicKey public_key(only_key(key));
    const std::string signature = key.sign(algorithm, "input");
    for (int round = 0; round < 3; ++round) {  // the prepared context is used again
      CHECK(public_key.verify(digests, algorithm, "input", signature));
      CHECK_FALSE(public_key.verify(digests, algorithm, "Input", signature));
      CHECK_FALSE(public_key.verify(digests, algorithm, "", signature));
    }
    CHECK_FALSE(public_key.verify(digests, algorithm, "input", stranger.sign(algorithm, "input")));
    CHECK(public_key.verify(digests, algorithm, "", key.sign(algorithm, "")));
    for (const auto& other : AlgorithmSet::all().names()) {
      if (other != name) CHECK_FALSE(public_key.verify(digests, *algorithm_from_name(other), "input", signature));
    }
  }
}

TEST_CASE("every single flipped bit of a signature, and every other length, is refused") {
  const Digests digests;
  for (const Algorithm algorithm :
       {Algorithm::RS256, Algorithm::PS384, Algorithm::ES256, Algorithm::ES512, Algorithm::EdDSA}) {
    CAPTURE(algorithm_name(algorithm));
    const TestKey key = TestKey::of(algorithm);
    PublicKey public_key(only_key(key));
    const std::string signature = key.sign(algorithm, "input");
    for (std::size_t bit = 0; bit < signature.size() * 8; ++bit) {
      CAPTURE(bit);
      CHECK_FALSE(public_key.verify(digests, algorithm, "input", flip(signature, bit)));
    }
    for (std::size_t size = 0; size < signature.size(); ++size) {
      CHECK_FALSE(public_key.verify(digests, algorithm, "input", signature.substr(0, size)));
    }
    CHECK_FALSE(public_key.verify(digests, algorithm, "input", signature + '\0'));
    CHECK_FALSE(public_key.verify(digests, algorithm, "input", '\0' + signature));
    CHECK_FALSE(public_key.verify(digests, algorithm, "input", std::string(signature.size(), '\0')));
    CHECK_FALSE(public_key.verify(digests, algorithm, "input", std::string(signature.size(), '\xff')));
    CHECK(ERR_peek_error() == 0);
    CHECK(public_key.verify(digests, algorithm, "input", signature));
  }
}

TEST_CASE("an RSA signature with leading zeros cut off is refused") {
  const Digests digests;
  const TestKey key = TestKey::rsa();
  PublicKey public_key(only_key(key));
  int seen = 0;
  for (int i = 0; i < 3000 && seen == 0; ++i) {
    const std::string input = std::to_string(i);
    const std::string signature = key.sign(Algorithm::RS256, input);
    if (signature[0] != '\0') continue;
    ++seen;
    CHECK(public_key.verify(digests, Algorithm::RS256, input, signature));
    CHECK_FALSE(public_key.verify(digests, Algorithm::RS256, input, signature.substr(1)));
  }
  CHECK(seen == 1);
}

TEST_CASE("PSS: the salt has as many bytes as the digest") {
  const Digests digests;
  const TestKey key = TestKey::rsa();
  PublicKey public_key(only_key(key));
  for (const auto& [algorithm, bytes] :
       {std::pair{Algorithm::PS256, 32}, {Algorithm::PS384, 48}, {Algorithm::PS512, 64}}) {
    CHECK(public_key.verify(digests, algorithm, "input", key.sign(algorithm, "input", bytes)));
    for (const int other : {0, 1, bytes - 1, bytes + 1}) {
      CAPTURE(other);
      CHECK_FALSE(public_key.verify(digests, algorithm, "input", key.sign(algorithm, "input", other)));
    }
  }
}

TEST_CASE("PSS: a signature that begins with a zero byte is none without it") {
  const Digests digests;
  const TestKey key = TestKey::rsa();
  PublicKey public_key(only_key(key));
  for (int i = 0; i < 10'000; ++i) {  // one in 256 begins so
    const std::string signature = key.sign(Algorithm::PS256, "input", 32);
    if (signature[0] != '\0') continue;
    CHECK(public_key.verify(digests, Algorithm::PS256, "input", signature));
    CHECK_FALSE(public_key.verify(digests, Algorithm::PS256, "input", signature.substr(1)));
    return;
  }
  FAIL("no signature began with a zero byte");
}

TEST_CASE("ECDSA: DER is no JWS signature, and r and s are in [1, n)") {
  const Digests digests;
  for (const Algorithm algorithm : {Algorithm::ES256, Algorithm::ES384, Algorithm::ES512}) {
    const TestKey key = TestKey::of(algorithm);
    PublicKey public_key(only_key(key));
    const std::string signature = key.sign(algorithm, "input");
    CHECK_FALSE(public_key.verify(digests, algorithm, "input", TestKey::der_of(signature)));
    const std::size_t half = signature.size() / 2;
    const std::string zero(half, '\0');
    CHECK_FALSE(public_key.verify(digests, algorithm, "input", zero + signature.substr(half)));
    CHECK_FALSE(public_key.verify(digests, algorithm, "input", signature.substr(0, half) + zero));
    CHECK_FALSE(public_key.verify(digests, algorithm, "input", zero + zero));
  }
}

TEST_CASE("r||s becomes the DER that OpenSSL writes, and nothing outside [1, n) does") {
  const std::string order(
      "\xff\xff\xff\xff\x00\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff\xbc\xe6\xfa\xad\xa7\x17\x9e\x84\xf3\xb9\xca\xc2"
      "\xfc\x63\x25\x51",
      32);
  const auto number = [](std::size_t bytes, unsigned char value) {
    std::string out(bytes, '\0');
    out.back() = static_cast<char>(value);
    return out;
  };
  const auto der = [](const std::string& raw, const std::string& n) {
    unsigned char out[kMaxEcdsaDer];
    return std::string(reinterpret_cast<char*>(out), ecdsa_to_der(raw, n, out));
  };
  std::string below = order, above = order;
  --below.back();
  ++above.back();
  for (const std::string& r :
       {number(32, 1), number(32, 0x7f), number(32, 0x80), std::string(32, '\x7f'), std::string(32, '\x80'), below}) {
    CHECK(der(r + number(32, 5), order) == TestKey::der_of(r + number(32, 5)));
    CHECK(der(number(32, 5) + r, order) == TestKey::der_of(number(32, 5) + r));
  }
  for (const std::string& bad : {number(32, 0), order, above, std::string(32, '\xff')}) {
    CHECK(der(bad + number(32, 5), order).empty());
    CHECK(der(number(32, 5) + bad, order).empty());
  }
  CHECK(der(number(31, 5) + number(32, 5), order).empty());
  const std::string p521 =
      '\x01' + std::string(65, '\xff');  // as large as P-521's order, and longer than 127 bytes in DER
  CHECK(der(number(66, 1) + '\x01' + std::string(65, '\x80'), p521) ==
        TestKey::der_of(number(66, 1) + '\x01' + std::string(65, '\x80')));
  const std::string large = '\x01' + std::string(65, '\xfe');
  CHECK(der(large + large, p521) == TestKey::der_of(large + large));
}

TEST_CASE("EdDSA verifies between digests with one shared context") {
  const Digests digests;
  const TestKey rsa = TestKey::rsa(), ed = TestKey::ed25519(), ed448 = TestKey::ed448();
  PublicKey rsa_key(only_key(rsa)), ed_key(only_key(ed)), ed448_key(only_key(ed448));
  for (int i = 0; i < 3; ++i) {
    CHECK(rsa_key.verify(digests, Algorithm::RS256, "a", rsa.sign(Algorithm::RS256, "a")));
    CHECK(ed_key.verify(digests, Algorithm::EdDSA, "a", ed.sign(Algorithm::EdDSA, "a")));
    CHECK_FALSE(ed_key.verify(digests, Algorithm::EdDSA, "b", ed.sign(Algorithm::EdDSA, "a")));
    CHECK(ed448_key.verify(digests, Algorithm::EdDSA, "a", ed448.sign(Algorithm::EdDSA, "a")));
    CHECK(rsa_key.verify(digests, Algorithm::PS512, "a", rsa.sign(Algorithm::PS512, "a")));
  }
}

TEST_CASE("verify_signature selects keys as the verifier does") {
  const TestKey a = TestKey::p256(), b = TestKey::p256();
  const KeySet set = keys({a.jwk({{"kid", "a"}}), b.jwk({{"kid", "b"}})});
  const auto reason = [&](const std::string& token, AlgorithmSet allowed = AlgorithmSet::all()) {
    const auto payload = verify_signature(token, set, allowed);
    return payload ? Reason::none : payload.error().reason;
  };
  CHECK(reason(a.token(Algorithm::ES256, R"({"alg":"ES256","kid":"a"})", "any \xff bytes")) == Reason::none);
  CHECK(reason(b.token(Algorithm::ES256, R"({"alg":"ES256"})", "")) == Reason::none);
  CHECK(reason(a.token(Algorithm::ES256, R"({"alg":"ES256","kid":"b"})", "x")) == Reason::signature_invalid);
  CHECK(reason(a.token(Algorithm::ES256, R"({"alg":"ES256","kid":"c"})", "x")) == Reason::kid_unknown);
  CHECK(reason(a.token(Algorithm::ES256, R"({"alg":"RS256","kid":"a"})", "x")) == Reason::alg_key_mismatch);
  CHECK(reason(a.token(Algorithm::ES256, R"({"alg":"RS256"})", "x")) == Reason::kid_missing_no_key);
  CHECK(reason(a.token(Algorithm::ES256, R"({"alg":"ES256","kid":"a"})", "x"), {Algorithm::RS256}) ==
        Reason::alg_not_allowed);
}
