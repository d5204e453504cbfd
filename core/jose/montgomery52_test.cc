#include "core/jose/montgomery52.h"

#include <doctest/doctest.h>

#include <random>
#include <string>
#include <vector>

#include "core/jose/ossl.h"

using namespace meshauth::jose;

namespace {

Ossl<BIGNUM> number_of(const std::string& bytes) {
  return Ossl<BIGNUM>(BN_bin2bn(bytes_of(bytes), static_cast<int>(bytes.size()), nullptr));
}

/// Random, or one of those with which carries and digits at their ends go wrong.
std::string a_number(std::mt19937_64& random) {
  std::string out(Montgomery52::kBytes, random() % 2 == 0 ? '\xff' : '\0');
  switch (random() % 4) {
    case 0:
      break;
    case 1: {  // one bit, or all but one
      char& byte = out[random() % out.size()];
      byte = static_cast<char>(byte ^ (1 << random() % 8));
      break;
    }
    case 2:  // random after the first bytes, or before the last ones
      for (std::size_t i = random() % out.size(); i < out.size(); ++i) out[i] = static_cast<char>(random());
      break;
    default:
      for (char& byte : out) byte = static_cast<char>(random());
  }
  return out;
}

/// OpenSSL's numbers for one modulus.
struct Reference {
  explicit Reference(const std::string& bytes) : modulus(number_of(bytes)), context(BN_CTX_new()), inverse(BN_new()) {
    Ossl<BIGNUM> r(BN_new());
    REQUIRE(BN_set_bit(r.get(), static_cast<int>(Montgomery52::kBits)) == 1);
    REQUIRE(BN_mod_inverse(inverse.get(), r.get(), modulus.get(), context.get()) != nullptr);
  }
  Ossl<BIGNUM> times(const BIGNUM* a, const BIGNUM* b) const {
    Ossl<BIGNUM> out(BN_new());
    REQUIRE(BN_mod_mul(out.get(), a, b, modulus.get(), context.get()) == 1);
    REQUIRE(BN_mod_mul(out.get(), out.get(), inverse.get(), modulus.get(), context.get()) == 1);
    return out;
  }
  Ossl<BIGNUM> modulus;
  Ossl<BN_CTX> context;
  Ossl<BIGNUM> inverse;
};

Ossl<BIGNUM> to_openssl(const Montgomery52::Number& number) {
  const auto bytes = Montgomery52::write(number);
  return Ossl<BIGNUM>(BN_lebin2bn(bytes.data(), static_cast<int>(bytes.size()), nullptr));
}

}  // namespace

TEST_CASE("bytes become digits and digits bytes") {
  std::mt19937_64 random(1);
  for (int i = 0; i < 200; ++i) {
    const std::string bytes = a_number(random);
    const auto number = Montgomery52::read(bytes);
    for (const std::uint64_t digit : number.digits) CHECK(digit < std::uint64_t{1} << 52);
    CHECK(BN_cmp(to_openssl(number).get(), number_of(bytes).get()) == 0);
  }
  CHECK(Montgomery52::read("\x02\x01").digits[0] == 0x201);
}

TEST_CASE("products are OpenSSL's, modulo the modulus, and stay below twice that") {
  if (!Montgomery52::supported()) {
    MESSAGE("this processor has no AVX-512 IFMA");
    return;
  }
  std::mt19937_64 random(20261130);
  for (int m = 0; m < 100; ++m) {
    std::string modulus = a_number(random);
    modulus.front() = static_cast<char>(modulus.front() | 0x80);
    modulus.back() = static_cast<char>(modulus.back() | 1);
    const Montgomery52 ours(modulus);
    const Reference reference(modulus);
    Ossl<BIGNUM> twice(BN_dup(reference.modulus.get()));
    REQUIRE(BN_lshift1(twice.get(), twice.get()) == 1);
    const auto check = [&](const Montgomery52::Number& a, const Montgomery52::Number& b) {
      const auto got = ours.times(a, b);
      const auto number = to_openssl(got);
      CHECK(BN_cmp(number.get(), twice.get()) < 0);
      const auto wanted = reference.times(to_openssl(a).get(), to_openssl(b).get());
      if (BN_cmp(number.get(), reference.modulus.get()) >= 0)
        BN_sub(number.get(), number.get(), reference.modulus.get());
      CHECK(BN_cmp(number.get(), wanted.get()) == 0);
      return got;
    };
    for (int i = 0; i < 100; ++i) {
      const auto a = Montgomery52::read(a_number(random)), b = Montgomery52::read(a_number(random));
      auto power = check(a, b);
      for (int n = 0; n < 3; ++n) power = check(power, n == 1 ? power : a);
    }
  }
}
