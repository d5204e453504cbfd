// RSASSA-PKCS1-v1_5 with one public key. Only for the .cc files of this room.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/algorithm.h"
#include "core/jose/montgomery52.h"
#include "core/jose/ossl.h"

namespace meshauth::jose {

/// Verifies as RFC 8017 section 8.2.2 says it: raises the signature to the public exponent, writes the one encoding
/// that a signature of this digest has, and compares them whole; nothing of what the signature says is ever parsed.
/// With OpenSSL's numbers and no more of it; keys of 2048 bits with the usual exponent by Montgomery52, where the
/// processor can: a fifth of the time of EVP_PKEY_verify saved, or more than half of it. Not thread-safe.
class RsaPkcs1 {
 public:
  /// vectors: whether Montgomery52 may be used.
  explicit RsaPkcs1(EVP_PKEY* key, bool vectors = Montgomery52::supported());

  /// digest: the hash of the signing input, by the digest of RS256, RS384 or RS512. The signature has as many bytes as
  /// the modulus.
  bool verify(Algorithm algorithm, std::string_view digest, std::string_view signature) noexcept;

 private:
  bool raise(std::string_view signature) noexcept;
  bool raise_by_products() noexcept;
  bool raise_by_vectors(std::string_view signature) noexcept;
  bool encode(Algorithm algorithm, std::string_view digest) noexcept;
  bool equal() noexcept;

  Ossl<BIGNUM> modulus_, exponent_, signature_, power_, wanted_, factor_;
  Ossl<BN_CTX> context_;
  Ossl<BN_MONT_CTX> montgomery_;
  std::optional<Montgomery52> vectors_;
  Ossl<BIGNUM> scale_;    ///< the factor that raise() leaves in; null: none
  Ossl<BIGNUM> inverse_;  ///< with a scale: of the modulus, modulo a power of 2
  /// The encoding of a digest of zeros, times the scale: for RS256, RS384, RS512; null where the modulus has no room
  /// for it.
  std::array<Ossl<BIGNUM>, 3> frames_;
  std::size_t bytes_;  ///< of the modulus
};

}  // namespace meshauth::jose
