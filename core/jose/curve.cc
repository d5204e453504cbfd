#include "core/jose/curve.h"

#include <openssl/obj_mac.h>

namespace meshauth::jose {
namespace {

constexpr Curve kCurves[] = {
    {"P-256", "EC", 32, "P-256", Algorithm::ES256, NID_X9_62_prime256v1},
    {"P-384", "EC", 48, "P-384", Algorithm::ES384, NID_secp384r1},
    {"P-521", "EC", 66, "P-521", Algorithm::ES512, NID_secp521r1},
    {"Ed25519", "OKP", 32, "ED25519", Algorithm::EdDSA, 0},
    {"Ed448", "OKP", 57, "ED448", Algorithm::EdDSA, 0},
};

constexpr AlgorithmSet kRsa{Algorithm::RS256, Algorithm::RS384, Algorithm::RS512,
                            Algorithm::PS256, Algorithm::PS384, Algorithm::PS512};

}  // namespace

const Curve* curve_named(std::string_view name) noexcept {
  for (const Curve& curve : kCurves) {
    if (curve.name == name) return &curve;
  }
  return nullptr;
}

AlgorithmSet fitting_algorithms(const Jwk& jwk) noexcept {
  AlgorithmSet by_type;
  const Curve* curve = curve_named(jwk.crv);
  if (jwk.kty == "RSA") {
    by_type = kRsa;
  } else if (curve != nullptr && curve->kty == jwk.kty) {
    by_type.add(curve->algorithm);
  }
  if (jwk.alg.empty()) return by_type;
  const auto own = alg_from_name(jwk.alg);
  const bool other_curve = own && !own->curve.empty() && own->curve != jwk.crv;
  if (!own || other_curve || !by_type.contains(own->algorithm)) return {};
  return {own->algorithm};
}

}  // namespace meshauth::jose
