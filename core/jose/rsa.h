// RSASSA-PKCS1-v1_5 with one public key. Only for the .cc files of this room.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "core/base/algorithm.h"
#include "core/jose/ossl.h"

namespace meshauth::jose {

/// Verifies as RFC 8017 section 8.2.2 says it: raises the signature to the public exponent, writes the one encoding
/// that a signature of this digest has, and compares them whole; nothing of what the signature says is ever parsed.
/// With OpenSSL's numbers and no more of it, which saves a fifth of the time of EVP_PKEY_verify. Not thread-safe.
class RsaPkcs1 {
 public:
  explicit RsaPkcs1(EVP_PKEY* key);

  /// digest: the hash of the signing input, by the digest of RS256, RS384 or RS512. The signature has as many bytes as
  /// the modulus.
  bool verify(Algorithm algorithm, std::string_view digest, std::string_view signature) noexcept;

 private:
  bool raise(const BIGNUM* signature) noexcept;

  Ossl<BIGNUM> modulus_, exponent_, signature_, power_;
  Ossl<BN_CTX> context_;
  Ossl<BN_MONT_CTX> montgomery_;
  bool usual_exponent_ = false;   ///< 65537
  std::string encoded_, wanted_;  ///< as many bytes as the modulus
};

}  // namespace meshauth::jose
