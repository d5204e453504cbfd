// JWK and JWK Set (RFC 7517, RFC 7518 section 6, RFC 8037): public keys that this project can verify with.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/algorithm.h"
#include "core/base/result.h"

struct evp_pkey_st;

namespace meshauth::jose {

struct Jwk {
  std::string kid;         ///< empty: none
  std::string kty;         ///< RSA, EC, OKP
  std::string crv;         ///< EC and OKP
  std::string alg;         ///< as written; empty: none, which is normal
  std::string issuer;      ///< Entra: the one issuer that this key may sign for, may hold {tenantid}; empty: any
  std::string thumbprint;  ///< RFC 7638, base64url
  std::string json;        ///< public members only (kty, kid, alg, crv, n, e, x, y, issuer), names sorted, no spaces
  std::shared_ptr<evp_pkey_st> key;

  /// Can this key verify a signature of that algorithm (type, curve, and its own alg)?
  bool fits(Algorithm algorithm) const noexcept;
};

struct SkippedKey {
  std::string kid;
  std::string reason;  ///< "RSA modulus of 1024 bits; at least 2048"
};

struct KeySet {
  std::vector<Jwk> keys;                    ///< usable, in the set's order, the same key listed once
  std::vector<SkippedKey> skipped;          ///< named, never used
  std::vector<std::string> ambiguous_kids;  ///< two different keys that could both verify: refused, the rest stay
};

struct KeySetLimits {
  std::size_t bytes = 1024 * 1024;
  std::size_t keys = 256;
};

/// The error refuses the whole set: not JSON, no `keys` list, too large, or secret material in it (oct, d, p, q, ...).
/// A set without any usable key is no error here: the caller sees keys.empty().
Result<KeySet> parse_key_set(std::string_view json, const KeySetLimits& limits = {});

/// {"keys":[...]} of the public members; parse_key_set reads it back to the same keys. Deterministic.
std::string to_json(const std::vector<Jwk>& keys);

/// The same with {"ambiguous_kids":[...]} before the keys if there are any, so that a reader of the copy still refuses
/// them as ambiguous, not as unknown (an unknown kid asks for a refetch).
std::string to_json(const KeySet& set);

}  // namespace meshauth::jose
