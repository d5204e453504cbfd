// One public key, ready to verify. Only for the .cc files of this room.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string_view>

#include "core/base/algorithm.h"
#include "core/jose/curve.h"
#include "core/jose/ossl.h"
#include "core/jose/rsa.h"

namespace meshauth::jose {

/// Digests fetched once, and one context for all of them: a fetch per signature costs more than the hash of a token.
class Digests {
 public:
  Digests();
  const EVP_MD* of(Algorithm algorithm) const noexcept;  ///< not for EdDSA, which has none
  EVP_MD_CTX* context() const noexcept { return context_.get(); }

 private:
  Ossl<EVP_MD> sha256_, sha384_, sha512_;
  Ossl<EVP_MD_CTX> context_;
};

/// Keeps one prepared context per algorithm, made at its first use. Not thread-safe.
class PublicKey {
 public:
  explicit PublicKey(const Jwk& jwk);

  /// True only for a valid signature in JWS form (RFC 7518 sections 3.3 to 3.5, RFC 8037 section 3.1) by an algorithm
  /// of the key's type and curve. OpenSSL's error queue is left empty.
  bool verify(const Digests& digests, Algorithm algorithm, std::string_view input, std::string_view signature);

 private:
  bool verify_digest(const Digests& digests, Algorithm algorithm, std::string_view input, std::string_view signature);
  bool verify_eddsa(const Digests& digests, std::string_view input, std::string_view signature);
  EVP_PKEY_CTX* prepared(const Digests& digests, Algorithm algorithm);

  std::shared_ptr<EVP_PKEY> key_;
  const Curve* curve_;                          ///< nullptr for RSA
  std::size_t signature_bytes_;                 ///< exactly
  std::string order_;                           ///< EC: n, big-endian, as many bytes as a coordinate
  std::optional<RsaPkcs1> pkcs1_;               ///< RSA, made at the first use
  std::array<Ossl<EVP_PKEY_CTX>, 9> contexts_;  ///< by Algorithm; all but RS* and EdDSA
};

/// r||s as DER of Ecdsa-Sig-Value (RFC 3279 section 2.2.3), written to `out`, which holds kMaxEcdsaDer bytes. 0 if r or
/// s is not in [1, order).
std::size_t ecdsa_to_der(std::string_view raw, std::string_view order, unsigned char* out) noexcept;
constexpr std::size_t kMaxEcdsaDer = 3 + 2 * (2 + 67);

}  // namespace meshauth::jose
