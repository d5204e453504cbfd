#include "core/jose/rsa.h"

#include <doctest/doctest.h>

#include <openssl/rsa.h>

#include <random>

using namespace meshauth;
using namespace meshauth::jose;

namespace {

struct Hash {
  Algorithm algorithm;
  const EVP_MD* digest;
};
const Hash kHashes[] = {
    {Algorithm::RS256, EVP_sha256()}, {Algorithm::RS384, EVP_sha384()}, {Algorithm::RS512, EVP_sha512()}};

Ossl<EVP_PKEY> make_key(std::size_t bits, unsigned long exponent) {
  Ossl<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new_from_name(nullptr, "RSA", nullptr));
  Ossl<BIGNUM> e(BN_new());
  BN_set_word(e.get(), exponent);
  EVP_PKEY* key = nullptr;
  REQUIRE(EVP_PKEY_keygen_init(context.get()) == 1);
  REQUIRE(EVP_PKEY_CTX_set_rsa_keygen_bits(context.get(), static_cast<int>(bits)) == 1);
  REQUIRE(EVP_PKEY_CTX_set1_rsa_keygen_pubexp(context.get(), e.get()) == 1);
  REQUIRE(EVP_PKEY_generate(context.get(), &key) == 1);
  return Ossl<EVP_PKEY>(key);
}

/// sign: with the key's private half, any bytes of the digest's size. Else the public operation asks OpenSSL.
Ossl<EVP_PKEY_CTX> context_of(EVP_PKEY* key, const EVP_MD* digest, bool sign) {
  Ossl<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new_from_pkey(nullptr, key, nullptr));
  REQUIRE((sign ? EVP_PKEY_sign_init(context.get()) : EVP_PKEY_verify_init(context.get())) == 1);
  REQUIRE(EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_PADDING) == 1);
  REQUIRE(EVP_PKEY_CTX_set_signature_md(context.get(), digest) == 1);
  return context;
}

std::string sign(EVP_PKEY* key, const EVP_MD* digest, const std::string& hash) {
  std::string out(static_cast<std::size_t>(EVP_PKEY_get_size(key)), '\0');
  std::size_t size = out.size();
  const auto context = context_of(key, digest, true);
  REQUIRE(EVP_PKEY_sign(context.get(), reinterpret_cast<unsigned char*>(out.data()), &size, bytes_of(hash),
                        hash.size()) == 1);
  REQUIRE(size == out.size());
  return out;
}

/// The block that is signed, raised with the private exponent as it is: for encodings that no signer makes.
std::string sign_block(EVP_PKEY* key, const std::string& block) {
  Ossl<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new_from_pkey(nullptr, key, nullptr));
  REQUIRE(EVP_PKEY_decrypt_init(context.get()) == 1);
  REQUIRE(EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_NO_PADDING) == 1);
  std::string out(block.size(), '\0');
  std::size_t size = out.size();
  REQUIRE(EVP_PKEY_decrypt(context.get(), reinterpret_cast<unsigned char*>(out.data()), &size, bytes_of(block),
                           block.size()) == 1);
  return out;
}

bool openssl_accepts(EVP_PKEY* key, const EVP_MD* digest, const std::string& hash, const std::string& signature) {
  const auto context = context_of(key, digest, false);
  const bool valid =
      EVP_PKEY_verify(context.get(), bytes_of(signature), signature.size(), bytes_of(hash), hash.size()) == 1;
  ERR_clear_error();
  return valid;
}

std::string random_bytes(std::mt19937_64& random, std::size_t size) {
  std::string out(size, '\0');
  for (char& c : out) c = static_cast<char>(random());
  return out;
}

std::string added(const std::string& number, const BIGNUM* modulus) {
  Ossl<BIGNUM> sum(BN_bin2bn(bytes_of(number), static_cast<int>(number.size()), nullptr));
  BN_add(sum.get(), sum.get(), modulus);
  std::string out(number.size(), '\0');
  const int size = BN_bn2binpad(sum.get(), reinterpret_cast<unsigned char*>(out.data()), static_cast<int>(out.size()));
  return size < 0 ? "" : out;
}

}  // namespace

TEST_CASE("a signature is accepted exactly where OpenSSL's own verification accepts it") {
  std::mt19937_64 random(20261124);
  const std::pair<std::size_t, unsigned long> kinds[] = {{2048, 65537}, {2048, 3},     {2049, 65537},       {2050, 17},
                                                         {3072, 65537}, {2048, 65539}, {2048, 4294967291UL}};
  for (const auto& [bits, exponent] : kinds) {
    CAPTURE(bits);
    CAPTURE(exponent);
    const auto key = make_key(bits, exponent);
    RsaPkcs1 ours(key.get()), by_products(key.get(), false);
    std::size_t accepted = 0, asked = 0;
    for (const Hash& made : kHashes) {
      for (int round = 0; round < 8; ++round) {
        const std::string hash = random_bytes(random, static_cast<std::size_t>(EVP_MD_get_size(made.digest)));
        const std::string valid = sign(key.get(), made.digest, hash);
        std::vector<std::string> signatures{valid, random_bytes(random, valid.size()), std::string(valid.size(), '\0'),
                                            std::string(valid.size() - 1, '\0') + "\1",
                                            std::string(valid.size(), '\xff')};
        for (int i = 0; i < 8; ++i) {
          signatures.push_back(valid);
          char& byte = signatures.back()[random() % valid.size()];
          byte = static_cast<char>(byte ^ (1 << random() % 8));
        }
        for (const std::string& signature : signatures) {
          for (const Hash& said : kHashes) {
            const std::string text = said.algorithm == made.algorithm
                                         ? hash
                                         : random_bytes(random, static_cast<std::size_t>(EVP_MD_get_size(said.digest)));
            const bool wanted = openssl_accepts(key.get(), said.digest, text, signature);
            CHECK(ours.verify(said.algorithm, text, signature) == wanted);
            CHECK(by_products.verify(said.algorithm, text, signature) == wanted);
            accepted += wanted ? 1 : 0;
            ++asked;
          }
        }
      }
    }
    CHECK(accepted == 3 * 8);
    CHECK(asked > 900);
  }
}

TEST_CASE("a number that is another one's equal modulo n is no signature") {
  const auto key = make_key(2048, 65537);
  BIGNUM* n = nullptr;
  REQUIRE(EVP_PKEY_get_bn_param(key.get(), "n", &n) == 1);
  const Ossl<BIGNUM> modulus(n);
  RsaPkcs1 ours(key.get());
  const std::string hash(32, 'h');
  int fitting = 0;
  for (int i = 0; i < 64 && fitting < 4; ++i) {
    std::string text = hash;
    text[0] = static_cast<char>(i);
    const std::string valid = sign(key.get(), EVP_sha256(), text);
    CHECK(ours.verify(Algorithm::RS256, text, valid));
    const std::string equal = added(valid, n);
    if (equal.empty()) continue;  // more bytes than the modulus
    ++fitting;
    CHECK_FALSE(ours.verify(Algorithm::RS256, text, equal));
  }
  CHECK(fitting > 0);
}

TEST_CASE("only the one encoding of the digest is accepted, whoever signed the others") {
  const auto key = make_key(2048, 65537);
  RsaPkcs1 ours(key.get());
  const std::string hash(32, 'h');
  const std::string info("\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20", 19);
  const auto block = [&](const std::string& head, const std::string& tail) {
    return head + std::string(256 - head.size() - tail.size(), '\xff') + tail;
  };
  const std::string start("\0\1", 2), end = std::string("\0", 1) + info + hash;
  CHECK(ours.verify(Algorithm::RS256, hash, sign_block(key.get(), block(start, end))));
  // Without the NULL of the parameters, as RFC 8017 appendix A.2.4 lets a reader accept.
  const std::string no_null("\x30\x2f\x30\x0b\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x04\x20", 17);
  const std::pair<const char*, std::string> wrong[] = {
      {"block type 2", block(std::string("\0\2", 2), end)},
      {"block type 0", block(std::string("\0\0", 2), end)},
      {"no zero before the text", block(start, info + hash)},
      {"parameters without NULL", block(start, std::string("\0", 1) + no_null + hash)},
      {"a digest without its name", block(start, std::string("\0", 1) + hash)},
      {"short padding, garbage after (CVE-2006-4339)",
       start + std::string(8, '\xff') + end + std::string(256 - 2 - 8 - end.size(), 'g')},
      {"a digest of SHA-1's name",
       block(start, std::string("\0\x30\x21\x30\x09\x06\x05\x2b\x0e\x03\x02\x1a\x05\x00\x04\x20", 16) + hash)},
      {"padding with another byte in it",
       [&] {
         std::string bytes = block(start, end);
         bytes[40] = '\xfe';
         return bytes;
       }()},
  };
  for (const auto& [what, bytes] : wrong) {
    CAPTURE(what);
    REQUIRE(bytes.size() == 256);
    CHECK_FALSE(ours.verify(Algorithm::RS256, hash, sign_block(key.get(), bytes)));
  }
}

TEST_CASE("a digest or a signature of another size is refused") {
  const auto key = make_key(2048, 65537);
  RsaPkcs1 ours(key.get());
  const std::string hash(32, 'h');
  const std::string valid = sign(key.get(), EVP_sha256(), hash);
  CHECK(ours.verify(Algorithm::RS256, hash, valid));
  CHECK_FALSE(ours.verify(Algorithm::RS256, hash.substr(1), valid));
  CHECK_FALSE(ours.verify(Algorithm::RS512, hash, valid));
  CHECK_FALSE(ours.verify(Algorithm::PS256, hash, valid));
  CHECK_FALSE(ours.verify(Algorithm::RS256, hash, valid.substr(1)));
  CHECK_FALSE(ours.verify(Algorithm::RS256, hash, std::string("\0", 1) + valid));
  CHECK_FALSE(ours.verify(Algorithm::RS256, hash, ""));
  CHECK(ours.verify(Algorithm::RS256, hash, valid));  // nothing of them stays
}

TEST_CASE("where the padding would have less than eight bytes every signature is refused") {
  const auto key = make_key(600, 65537);  // no key set holds one
  RsaPkcs1 ours(key.get());
  const auto accepted = [&](Algorithm algorithm, const std::string& info, std::size_t digest) {
    const std::string hash(digest, 'h'), end = std::string("\0", 1) + info + hash;
    const std::string block = std::string("\0\1", 2) + std::string(75 - 2 - end.size(), '\xff') + end;
    return ours.verify(algorithm, hash, sign_block(key.get(), block));
  };
  const std::string of_sha256("\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20", 19),
      of_sha384("\x30\x41\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x02\x05\x00\x04\x30", 19);
  CHECK(accepted(Algorithm::RS256, of_sha256, 32));
  CHECK_FALSE(accepted(Algorithm::RS384, of_sha384, 48));  // five bytes
  CHECK_FALSE(ours.verify(Algorithm::RS512, std::string(64, 'h'), std::string(75, '\1')));
}
