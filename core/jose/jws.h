// JWS compact serialization (RFC 7515 section 3.1), read strictly, before any key or claim is looked at.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/algorithm.h"
#include "core/base/json_doc.h"
#include "core/jose/key_set.h"
#include "core/jose/refusal.h"

namespace meshauth::jose {

constexpr std::size_t kMaxTokenBytes = 16 * 1024;

/// A token whose form and header are right. signing_input points into the token's text.
struct Jws {
  std::string_view signing_input;  ///< "header.payload" as it was sent
  std::string header;              ///< its first segment as it was sent; empty where that was refused
  std::string payload;
  std::string signature;
  Algorithm algorithm{};
  std::string_view curve;  ///< RFC 9864's "Ed25519" or "Ed448" as alg: the key must have it; else empty

  /// alg as it was sent.
  std::string_view alg() const noexcept { return curve.empty() ? algorithm_name(algorithm) : curve; }
  /// nullopt: none. "": there, but no string or empty, so that no key has it.
  std::optional<std::string> kid;
  /// Lower case, without `application/`. nullopt: none. "": there, but no string or empty, so that no list has it.
  std::optional<std::string> typ;
};

/// Checks in this order: token_too_large, token_segments, base64_invalid (header, payload, signature), json_invalid
/// json_duplicate json_too_deep (header), alg_not_allowed (missing, unknown, none, symmetric), crit_present,
/// header_forbidden (b64, zip, enc). jwk, jku, x5u, x5c, x5t and unknown members are ignored: never sources of keys.
/// `out`, whose memory is used again, holds anything where it is refused. A header that it holds already, as most
/// tokens of one issuer have the same, is not read again.
tl::expected<void, Refusal> read_jws(std::string_view token, JsonReader& reader, Jws& out);

/// The signature alone: form, header, key selection, signature; no claim is looked at and the payload may be anything.
/// Gives the payload's bytes. may_sign: which keys count; empty: all of them.
tl::expected<std::string, Refusal> verify_signature(std::string_view token, const KeySet& keys,
                                                    AlgorithmSet allowed = AlgorithmSet::all(),
                                                    const std::function<bool(const Jwk&)>& may_sign = {});

}  // namespace meshauth::jose
