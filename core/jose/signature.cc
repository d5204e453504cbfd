#include "core/jose/signature.h"

#include <openssl/ec.h>
#include <openssl/rsa.h>

#include <algorithm>
#include <new>

namespace meshauth::jose {
namespace {

constexpr std::size_t kEd25519Signature = 64;  // RFC 8032 sections 5.1.6 and 5.2.6
constexpr std::size_t kEd448Signature = 114;

bool is_pkcs1(Algorithm algorithm) {
  return algorithm == Algorithm::RS256 || algorithm == Algorithm::RS384 || algorithm == Algorithm::RS512;
}

std::string order_of(const Curve& curve) {
  EC_GROUP* group = EC_GROUP_new_by_curve_name(curve.nid);
  std::string order(curve.bytes, '\0');
  const BIGNUM* value = group == nullptr ? nullptr : EC_GROUP_get0_order(group);
  const bool fits = value != nullptr && BN_bn2binpad(value, reinterpret_cast<unsigned char*>(order.data()),
                                                     static_cast<int>(order.size())) == static_cast<int>(order.size());
  EC_GROUP_free(group);
  if (!fits) throw std::bad_alloc();
  return order;
}

/// One DER INTEGER; the value is not zero.
std::size_t put_integer(std::string_view value, unsigned char* out) noexcept {
  while (value.front() == '\0') value.remove_prefix(1);
  const std::size_t sign = (static_cast<unsigned char>(value.front()) & 0x80) != 0 ? 1 : 0;
  out[0] = 0x02;
  out[1] = static_cast<unsigned char>(value.size() + sign);
  out[2] = 0;
  std::copy(value.begin(), value.end(), out + 2 + sign);
  return 2 + sign + value.size();
}

bool in_range(std::string_view value, std::string_view order) noexcept {
  const bool zero = std::all_of(value.begin(), value.end(), [](char c) { return c == '\0'; });
  return !zero && value < order;  // equal lengths, compared as unsigned bytes (char_traits<char>::compare is memcmp)
}

}  // namespace

Digests::Digests()
    : sha256_(EVP_MD_fetch(nullptr, "SHA256", nullptr)),
      sha384_(EVP_MD_fetch(nullptr, "SHA384", nullptr)),
      sha512_(EVP_MD_fetch(nullptr, "SHA512", nullptr)),
      context_(EVP_MD_CTX_new()) {
  if (!sha256_ || !sha384_ || !sha512_ || !context_) throw std::bad_alloc();
}

const EVP_MD* Digests::of(Algorithm algorithm) const noexcept {
  switch (algorithm) {
    case Algorithm::RS256:
    case Algorithm::PS256:
    case Algorithm::ES256:
      return sha256_.get();
    case Algorithm::RS384:
    case Algorithm::PS384:
    case Algorithm::ES384:
      return sha384_.get();
    case Algorithm::RS512:
    case Algorithm::PS512:
    case Algorithm::ES512:
      return sha512_.get();
    case Algorithm::EdDSA:
      break;
  }
  return nullptr;
}

PublicKey::PublicKey(const Jwk& jwk) : key_(jwk.key), curve_(curve_named(jwk.crv)) {
  if (curve_ == nullptr) {
    signature_bytes_ = static_cast<std::size_t>(EVP_PKEY_get_size(key_.get()));  // RSA: the modulus's bytes
  } else if (curve_->nid != 0) {
    signature_bytes_ = 2 * curve_->bytes;
    order_ = order_of(*curve_);
  } else {
    signature_bytes_ = curve_->name == "Ed448" ? kEd448Signature : kEd25519Signature;
  }
}

bool PublicKey::verify(const Digests& digests, Algorithm algorithm, std::string_view input,
                       std::string_view signature) {
  if (signature.size() != signature_bytes_) return false;
  if (curve_ != nullptr && curve_->algorithm != algorithm) return false;
  if (curve_ == nullptr && algorithm >= Algorithm::ES256) return false;
  const bool valid = algorithm == Algorithm::EdDSA ? verify_eddsa(digests, input, signature)
                                                   : verify_digest(digests, algorithm, input, signature);
  if (!valid) ERR_clear_error();
  return valid;
}

bool PublicKey::verify_digest(const Digests& digests, Algorithm algorithm, std::string_view input,
                              std::string_view signature) {
  const EVP_MD* digest = digests.of(algorithm);
  unsigned char hash[EVP_MAX_MD_SIZE];
  unsigned int hash_bytes = 0;
  if (EVP_DigestInit_ex2(digests.context(), digest, nullptr) != 1 ||
      EVP_DigestUpdate(digests.context(), input.data(), input.size()) != 1 ||
      EVP_DigestFinal_ex(digests.context(), hash, &hash_bytes) != 1) {
    return false;
  }
  if (is_pkcs1(algorithm)) {
    if (!pkcs1_) pkcs1_.emplace(key_.get());
    return pkcs1_->verify(algorithm, {reinterpret_cast<const char*>(hash), hash_bytes}, signature);
  }
  EVP_PKEY_CTX* context = prepared(digests, algorithm);
  if (context == nullptr) return false;
  if (order_.empty()) {
    return EVP_PKEY_verify(context, bytes_of(signature), signature.size(), hash, hash_bytes) == 1;
  }
  unsigned char der[kMaxEcdsaDer];
  const std::size_t der_bytes = ecdsa_to_der(signature, order_, der);
  return der_bytes != 0 && EVP_PKEY_verify(context, der, der_bytes, hash, hash_bytes) == 1;
}

bool PublicKey::verify_eddsa(const Digests& digests, std::string_view input, std::string_view signature) {
  EVP_MD_CTX* context = digests.context();
  const bool valid =
      EVP_DigestVerifyInit(context, nullptr, nullptr, nullptr, key_.get()) == 1 &&
      EVP_DigestVerify(context, bytes_of(signature), signature.size(), bytes_of(input), input.size()) == 1;
  EVP_MD_CTX_reset(context);  // else the next digest would find a key in it
  return valid;
}

EVP_PKEY_CTX* PublicKey::prepared(const Digests& digests, Algorithm algorithm) {
  auto& slot = contexts_[static_cast<std::size_t>(algorithm)];
  if (slot) return slot.get();
  const EVP_MD* digest = digests.of(algorithm);
  Ossl<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new_from_pkey(nullptr, key_.get(), nullptr));
  bool ready = context && EVP_PKEY_verify_init(context.get()) == 1;
  if (ready && order_.empty()) ready = EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_PSS_PADDING) == 1;
  ready = ready && EVP_PKEY_CTX_set_signature_md(context.get(), digest) == 1;
  if (ready && order_.empty()) {
    ready = EVP_PKEY_CTX_set_rsa_mgf1_md(context.get(), digest) == 1 &&
            EVP_PKEY_CTX_set_rsa_pss_saltlen(context.get(), RSA_PSS_SALTLEN_DIGEST) == 1;
  }
  if (!ready) return nullptr;
  slot = std::move(context);
  return slot.get();
}

std::size_t ecdsa_to_der(std::string_view raw, std::string_view order, unsigned char* out) noexcept {
  const std::size_t half = order.size();
  if (raw.size() != 2 * half) return 0;
  const std::string_view r = raw.substr(0, half), s = raw.substr(half);
  if (!in_range(r, order) || !in_range(s, order)) return 0;
  unsigned char body[2 * (2 + 67)];
  std::size_t size = put_integer(r, body);
  size += put_integer(s, body + size);
  std::size_t at = 0;
  out[at++] = 0x30;
  if (size > 127) out[at++] = 0x81;  // P-521 alone
  out[at++] = static_cast<unsigned char>(size);
  std::copy(body, body + size, out + at);
  return at + size;
}

}  // namespace meshauth::jose
