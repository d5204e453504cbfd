#include "core/jose/rsa.h"

#include <openssl/core_names.h>

#include <algorithm>
#include <new>

namespace meshauth::jose {
namespace {

constexpr unsigned long kUsualExponent = 65537;

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

/// EMSA-PKCS1-v1_5 (RFC 8017 section 9.2). False if there is no room for it.
bool encode(Algorithm algorithm, std::string_view digest, std::string& out) noexcept {
  constexpr std::size_t kFrame = 3, kLeastPadding = 8;  // 00 01 .. 00; at least eight ff
  const std::string_view info = digest_info(algorithm);
  const std::size_t tail = info.size() + digest.size();
  if (info.empty() || static_cast<unsigned char>(info.back()) != digest.size()) return false;
  if (out.size() < tail + kFrame + kLeastPadding) return false;
  const auto begin = out.begin(), text = out.end() - static_cast<std::ptrdiff_t>(tail);
  begin[0] = '\x00';
  begin[1] = '\x01';
  std::fill(begin + 2, text - 1, '\xff');
  text[-1] = '\x00';
  std::copy(digest.begin(), digest.end(), std::copy(info.begin(), info.end(), text));
  return true;
}

}  // namespace

RsaPkcs1::RsaPkcs1(EVP_PKEY* key)
    : modulus_(parameter(key, OSSL_PKEY_PARAM_RSA_N)),
      exponent_(parameter(key, OSSL_PKEY_PARAM_RSA_E)),
      signature_(BN_new()),
      power_(BN_new()),
      context_(BN_CTX_new()),
      montgomery_(BN_MONT_CTX_new()),
      usual_exponent_(BN_is_word(exponent_.get(), kUsualExponent) == 1),
      encoded_(static_cast<std::size_t>(BN_num_bytes(modulus_.get())), '\0'),
      wanted_(encoded_) {
  if (!signature_ || !power_ || !context_ || !montgomery_) throw std::bad_alloc();
  // Of an even modulus, which no key has, there is none: every signature is refused.
  if (BN_MONT_CTX_set(montgomery_.get(), modulus_.get(), context_.get()) != 1) montgomery_ = nullptr;
}

/// power_ = signature ^ exponent mod modulus. The usual exponent is 2^16 + 1: sixteen squarings in Montgomery's form,
/// and the product with the signature as it is, which also ends that form.
bool RsaPkcs1::raise(const BIGNUM* signature) noexcept {
  BIGNUM* power = power_.get();
  if (!usual_exponent_) {
    return BN_mod_exp_mont(power, signature, exponent_.get(), modulus_.get(), context_.get(), montgomery_.get()) == 1;
  }
  if (BN_to_montgomery(power, signature, montgomery_.get(), context_.get()) != 1) return false;
  for (int i = 0; i < 16; ++i) {
    if (BN_mod_mul_montgomery(power, power, power, montgomery_.get(), context_.get()) != 1) return false;
  }
  return BN_mod_mul_montgomery(power, power, signature, montgomery_.get(), context_.get()) == 1;
}

bool RsaPkcs1::verify(Algorithm algorithm, std::string_view digest, std::string_view signature) noexcept {
  const auto size = static_cast<int>(encoded_.size());
  if (!montgomery_ || signature.size() != encoded_.size()) return false;
  if (!encode(algorithm, digest, wanted_)) return false;
  if (BN_bin2bn(bytes_of(signature), size, signature_.get()) == nullptr) return false;
  if (BN_cmp(signature_.get(), modulus_.get()) >= 0) return false;  // RFC 8017 section 5.2.2, step 1
  if (!raise(signature_.get())) return false;
  auto* encoded = reinterpret_cast<unsigned char*>(encoded_.data());
  return BN_bn2binpad(power_.get(), encoded, size) == size && encoded_ == wanted_;
}

}  // namespace meshauth::jose
