// The curves of RFC 7518 section 6.2.1.1 and RFC 8037, and which algorithm a key fits. Only for this room.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

#include "core/base/algorithm.h"
#include "core/jose/key_set.h"

namespace meshauth::jose {

struct Curve {
  std::string_view name;
  std::string_view kty;  ///< EC or OKP
  std::size_t bytes;     ///< EC: one coordinate, and each of r and s; OKP: the public key
  const char* openssl_name;
  Algorithm algorithm;  ///< the only one of this curve
  int nid;              ///< EC; 0 for OKP
};

/// nullptr for a curve that is not known.
const Curve* curve_named(std::string_view name) noexcept;

/// The algorithms of the key's type and curve, limited to its own `alg` where it has one. Names alone: of a token the
/// key asks more where it says "Ed25519", "Ed448" or "EdDSA" (KeyRing).
AlgorithmSet fitting_algorithms(const Jwk& jwk) noexcept;

}  // namespace meshauth::jose
