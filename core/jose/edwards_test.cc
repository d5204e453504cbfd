#include "core/jose/edwards.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "core/jose/testing/token_maker.h"
#include "core/jose/verifier.h"

using namespace meshauth;
using namespace meshauth::jose;
using testing::key_set;
using testing::TestKey;

namespace {

std::string bytes_of_hex(std::string_view hex) {
  std::string out;
  for (std::size_t i = 0; i < hex.size(); i += 2) {
    out += static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16));
  }
  return out;
}

/// Little-endian, of the curve's size, from the last bytes of the number in hexadecimal.
std::string ed25519_point(const std::string& hex, char sign = '\0') {
  std::string out = bytes_of_hex(std::string(64 - hex.size(), '0') + hex);
  std::reverse(out.begin(), out.end());
  out.back() = static_cast<char>(out.back() | sign);
  return out;
}
std::string ed448_point(const std::string& hex, char sign = '\0') {
  std::string out = bytes_of_hex(std::string(114 - hex.size(), '0') + hex);
  std::reverse(out.begin(), out.end());
  out.back() = static_cast<char>(out.back() | sign);
  return out;
}

constexpr char kSigns[] = {'\0', '\x80'};

const std::string kPrime25519 = "7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff";
const std::string kHalf448 = std::string(55, 'f');  // of the upper 28 bytes, all but their last digit

std::string jwk_of(const std::string& crv, const std::string& point) {
  return R"({"kty":"OKP","kid":"k","crv":")" + crv + R"(","x":")" + base64url_encode(point) + "\"}";
}

}  // namespace

TEST_CASE("every key that OpenSSL makes is good") {
  for (int i = 0; i < 300; ++i) {
    const auto point = [](const TestKey& key) { return *base64url_decode(key.member("x")); };
    CHECK(judge_ed25519(point(TestKey::ed25519())) == Point::Good);
    CHECK(judge_ed448(point(TestKey::ed448())) == Point::Good);
  }
}

TEST_CASE("the public keys of RFC 8032 section 7 are good") {
  for (const std::string_view hex : {"d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
                                     "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
                                     "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025"}) {
    CHECK(judge_ed25519(bytes_of_hex(hex)) == Point::Good);
  }
  CHECK(judge_ed448(bytes_of_hex("5fd7449b59b461fd2ce787ec616ad46a1da1342485a70e1f8a0ea75d80e96778"
                                 "edf124769b46c7061bd6783df1e50f6cd1fa1abeafe8256180")) == Point::Good);
}

TEST_CASE("a y that no point has is off the curve") {
  for (const char sign : kSigns) {
    for (const char* y : {"02", "07", "08", "0b", "0c", "0d", "11"}) {
      CHECK(judge_ed25519(ed25519_point(y, sign)) == Point::OffCurve);
    }
    for (const char* y : {"02", "06", "0a", "0b", "0e", "0f", "10"}) {
      CHECK(judge_ed448(ed448_point(y, sign)) == Point::OffCurve);
    }
    for (const char* y : {"03", "04", "05", "09"}) CHECK(judge_ed25519(ed25519_point(y, sign)) == Point::Good);
    for (const char* y : {"03", "04", "05", "07"}) CHECK(judge_ed448(ed448_point(y, sign)) == Point::Good);
  }
}

TEST_CASE("a y that is not below the prime is a second spelling of another") {
  for (const char sign : kSigns) {
    for (const char* last : {"ed", "ee", "f0", "f1", "f2", "ff"}) {  // 0, 1, 3, 4, 5 and the last there is
      CHECK(judge_ed25519(ed25519_point(kPrime25519 + last, sign)) == Point::OffCurve);
    }
    const std::string zeros(55, '0'), ones(56, 'f');
    CHECK(judge_ed448(ed448_point(kHalf448 + "e" + ones, sign)) == Point::OffCurve);         // 0
    CHECK(judge_ed448(ed448_point(kHalf448 + "f" + zeros + "0", sign)) == Point::OffCurve);  // 1
    CHECK(judge_ed448(ed448_point(kHalf448 + "f" + zeros + "2", sign)) == Point::OffCurve);  // 3
    CHECK(judge_ed448(ed448_point("01" + zeros + "0" + zeros + "3", sign)) == Point::OffCurve);
  }
}

TEST_CASE("points of small order are named, whatever the sign of x") {
  for (const char sign : kSigns) {
    for (const std::string& y : {std::string("00"), std::string("01"), kPrime25519 + "ec",
                                 std::string("05fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826"),
                                 std::string("7a03ac9277fdc74ec6cc392cfa53202a0f67100d760b3cba4fd84d3d706a17c7")}) {
      CAPTURE(y);
      CHECK(judge_ed25519(ed25519_point(y, sign)) == Point::SmallOrder);
    }
    for (const std::string& y : {std::string("00"), std::string("01"), kHalf448 + "e" + std::string(55, 'f') + "e"}) {
      CAPTURE(y);
      CHECK(judge_ed448(ed448_point(y, sign)) == Point::SmallOrder);
    }
  }
}

TEST_CASE("a key that is no such point is skipped and named, and signs nothing") {
  const std::pair<std::string, std::string_view> cases[] = {
      {jwk_of("Ed25519", ed25519_point("02")), "the point is not on curve Ed25519"},
      {jwk_of("Ed448", ed448_point("02")), "the point is not on curve Ed448"},
      {jwk_of("Ed25519", ed25519_point("01")), "the point is of small order on curve Ed25519"},
      {jwk_of("Ed448", ed448_point("01")), "the point is of small order on curve Ed448"},
  };
  for (const auto& [jwk, reason] : cases) {
    const auto set = parse_key_set(key_set({jwk}));
    REQUIRE(set);
    CHECK(set->keys.empty());
    REQUIRE(set->skipped.size() == 1);
    CHECK(set->skipped[0].kid == "k");
    CHECK(set->skipped[0].reason.starts_with(reason));
    // R is the neutral point and S is 0: 8 S B = 8 R + 8 h A holds for any text where the order of A divides 8.
    const std::string input = base64url_encode(R"({"alg":"EdDSA","kid":"k"})") + "." + base64url_encode("{}");
    const std::size_t half = jwk.find("Ed448") == std::string::npos ? 32 : 57;
    const std::string forged = "\x01" + std::string(2 * half - 1, '\0');
    const auto verified = verify_signature(input + "." + base64url_encode(forged), *set);
    REQUIRE_FALSE(verified);
    CHECK(verified.error().reason == Reason::kid_unknown);
  }
}
