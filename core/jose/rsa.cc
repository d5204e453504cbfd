#include "core/jose/rsa.h"

#include <openssl/core_names.h>

#include <algorithm>
#include <new>

namespace meshauth::jose {
namespace {

constexpr unsigned long kUsualExponent = 65537;
constexpr int kSquarings = 16;  ///< and one product: the power of the usual exponent

/// DigestInfo up to the digest itself, DER: RFC 8017 section 9.2, note 1.
std::string_view digest_info(Algorithm algorithm) noexcept {
  using namespace std::string_view_literals;
  switch (algorithm) {
    case Algorithm::RS256:
      return "\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20"sv;
    case Algorithm::RS384:
      return "\x30\x41\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x02\x05\x00\x04\x30"sv;
    case Algorithm::RS512:
      return "\x30\x51\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x03\x05\x00\x04\x40"sv;
    default:
      return {};
  }
}

Ossl<BIGNUM> parameter(EVP_PKEY* key, const char* name) {
  BIGNUM* value = nullptr;
  if (EVP_PKEY_get_bn_param(key, name, &value) != 1) throw std::bad_alloc();
  return Ossl<BIGNUM>(value);
}

constexpr Algorithm kAlgorithms[] = {Algorithm::RS256, Algorithm::RS384, Algorithm::RS512};

/// EMSA-PKCS1-v1_5 (RFC 8017 section 9.2) of a digest of zeros, as a number of that many bytes: the digest is at its
/// end, and so the encoding of any digest is this plus that. Null if there is no room for it.
Ossl<BIGNUM> frame(Algorithm algorithm, std::size_t bytes) {
  constexpr std::size_t kFrame = 3, kLeastPadding = 8;  // 00 01 .. 00; at least eight ff
  const std::string_view info = digest_info(algorithm);
  const std::size_t tail = info.size() + static_cast<unsigned char>(info.back());
  if (bytes < tail + kFrame + kLeastPadding) return nullptr;
  std::string text(bytes, '\0');
  const auto begin = text.begin(), end = text.end() - static_cast<std::ptrdiff_t>(tail);
  begin[1] = '\x01';
  std::fill(begin + 2, end - 1, '\xff');
  std::copy(info.begin(), info.end(), end);
  Ossl<BIGNUM> out(BN_bin2bn(bytes_of(text), static_cast<int>(bytes), nullptr));
  if (!out) throw std::bad_alloc();
  return out;
}

constexpr int kFactorBits = 8 * (64 + 1);  ///< the longest digest, and some more

/// to = from mod 2^kFactorBits
bool low_bits(BIGNUM* to, const BIGNUM* from) noexcept {
  if (to != from && BN_copy(to, from) == nullptr) return false;
  return BN_num_bits(to) <= kFactorBits || BN_mask_bits(to, kFactorBits) == 1;
}

/// 1/odd mod 2^kFactorBits
Ossl<BIGNUM> inverse_of(const BIGNUM* odd, BN_CTX* context) {
  const Ossl<BIGNUM> power(BN_new());
  if (!power || BN_set_bit(power.get(), kFactorBits) != 1) throw std::bad_alloc();
  Ossl<BIGNUM> out(BN_mod_inverse(nullptr, odd, power.get(), context));
  if (!out) throw std::bad_alloc();
  return out;
}

std::string bytes_of_number(const BIGNUM* number, std::size_t size) {
  std::string out(size, '\0');
  if (BN_bn2binpad(number, reinterpret_cast<unsigned char*>(out.data()), static_cast<int>(size)) < 0)
    throw std::bad_alloc();
  return out;
}

}  // namespace

RsaPkcs1::RsaPkcs1(EVP_PKEY* key, bool vectors)
    : modulus_(parameter(key, OSSL_PKEY_PARAM_RSA_N)),
      exponent_(parameter(key, OSSL_PKEY_PARAM_RSA_E)),
      signature_(BN_new()),
      power_(BN_new()),
      wanted_(BN_new()),
      factor_(BN_new()),
      context_(BN_CTX_new()),
      montgomery_(BN_MONT_CTX_new()),
      bytes_(static_cast<std::size_t>(BN_num_bytes(modulus_.get()))) {
  if (!signature_ || !power_ || !wanted_ || !factor_ || !context_ || !montgomery_) throw std::bad_alloc();
  for (std::size_t i = 0; i < frames_.size(); ++i) frames_[i] = frame(kAlgorithms[i], bytes_);
  // Of an even modulus, which no key has, there is none: every signature is refused.
  if (BN_MONT_CTX_set(montgomery_.get(), modulus_.get(), context_.get()) != 1) montgomery_ = nullptr;
  if (!montgomery_ || BN_is_word(exponent_.get(), kUsualExponent) != 1) return;
  if (vectors && bytes_ == Montgomery52::kBytes && BN_num_bits(modulus_.get()) == 8 * static_cast<int>(bytes_))
    vectors_.emplace(bytes_of_number(modulus_.get(), bytes_));
  // What the products leave in a power, they leave in a power of 1.
  if (BN_one(signature_.get()) != 1 || !raise(bytes_of_number(signature_.get(), bytes_))) throw std::bad_alloc();
  scale_.reset(BN_dup(power_.get()));
  if (!scale_) throw std::bad_alloc();
  inverse_ = inverse_of(modulus_.get(), context_.get());
  for (const auto& frame : frames_) {
    if (frame && BN_mod_mul(frame.get(), frame.get(), scale_.get(), modulus_.get(), context_.get()) != 1)
      throw std::bad_alloc();
  }
}

/// power_ = signature ^ exponent * scale mod modulus; signature_ is the same number as `signature`. A product in
/// Montgomery's form is that of both factors and R^-1. The usual exponent is 2^16 + 1: sixteen squarings of the
/// signature as it is, and a product with it, leave R^-65536; to take the signature into that form first and have no
/// factor left would be one more product, and the slowest.
bool RsaPkcs1::raise(std::string_view signature) noexcept {
  if (vectors_) return raise_by_vectors(signature);
  if (BN_is_word(exponent_.get(), kUsualExponent) == 1) return raise_by_products();
  return BN_mod_exp_mont(power_.get(), signature_.get(), exponent_.get(), modulus_.get(), context_.get(),
                         montgomery_.get()) == 1;
}

bool RsaPkcs1::raise_by_products() noexcept {
  BIGNUM* power = power_.get();
  const auto times = [&](const BIGNUM* a, const BIGNUM* b) {
    return BN_mod_mul_montgomery(power, a, b, montgomery_.get(), context_.get()) == 1;
  };
  if (!times(signature_.get(), signature_.get())) return false;
  for (int i = 1; i < kSquarings; ++i) {
    if (!times(power, power)) return false;
  }
  return times(power, signature_.get());
}

bool RsaPkcs1::raise_by_vectors(std::string_view signature) noexcept {
  const auto number = Montgomery52::read(signature);
  auto power = vectors_->times(number, number);
  for (int i = 1; i < kSquarings; ++i) power = vectors_->times(power, power);
  const auto bytes = Montgomery52::write(vectors_->times(power, number));
  if (BN_lebin2bn(bytes.data(), static_cast<int>(bytes.size()), power_.get()) == nullptr) return false;
  return BN_cmp(power_.get(), modulus_.get()) < 0 || BN_sub(power_.get(), power_.get(), modulus_.get()) == 1;
}

/// wanted_ = a number that modulo the modulus is the encoding of the digest * scale; without a scale, that encoding.
bool RsaPkcs1::encode(Algorithm algorithm, std::string_view digest) noexcept {
  const auto at = std::find(std::begin(kAlgorithms), std::end(kAlgorithms), algorithm);
  if (at == std::end(kAlgorithms) || static_cast<unsigned char>(digest_info(algorithm).back()) != digest.size())
    return false;
  const BIGNUM* frame = frames_[static_cast<std::size_t>(at - std::begin(kAlgorithms))].get();
  BIGNUM* wanted = wanted_.get();
  if (frame == nullptr || BN_bin2bn(bytes_of(digest), static_cast<int>(digest.size()), wanted) == nullptr) return false;
  if (scale_ && BN_mul(wanted, wanted, scale_.get(), context_.get()) != 1) return false;
  return BN_add(wanted, wanted, frame) == 1;
}

/// wanted_ == power_ modulo the modulus. Their difference is then a multiple of it, by a factor of at most as many bits
/// as a digest has and one: its last bits are those of the difference / modulus, and one product tells whether they
/// are all of it. That takes half the time of a division.
bool RsaPkcs1::equal() noexcept {
  BIGNUM *wanted = wanted_.get(), *power = power_.get(), *factor = factor_.get();
  if (!scale_) return BN_cmp(power, wanted) == 0;
  if (BN_add(wanted, wanted, modulus_.get()) != 1 || BN_sub(wanted, wanted, power) != 1) return false;  // never below 0
  return low_bits(factor, wanted) && BN_mul(factor, factor, inverse_.get(), context_.get()) == 1 &&
         low_bits(factor, factor) && BN_mul(power, factor, modulus_.get(), context_.get()) == 1 &&
         BN_cmp(power, wanted) == 0;
}

bool RsaPkcs1::verify(Algorithm algorithm, std::string_view digest, std::string_view signature) noexcept {
  if (!montgomery_ || signature.size() != bytes_) return false;
  if (BN_bin2bn(bytes_of(signature), static_cast<int>(bytes_), signature_.get()) == nullptr) return false;
  if (BN_cmp(signature_.get(), modulus_.get()) >= 0) return false;  // RFC 8017 section 5.2.2, step 1
  return encode(algorithm, digest) && raise(signature) && equal();
}

}  // namespace meshauth::jose
