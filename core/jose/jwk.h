// One JWK. Only for the .cc files of this room; others read whole sets (key_set.h).
#pragma once

#include <simdjson.h>

#include <optional>
#include <string_view>

#include "core/jose/key_set.h"

namespace meshauth::jose {

constexpr std::size_t kMaxKidBytes = 256;

/// The member that makes this key a secret: one of RFC 7518's private parameters (d p q dp dq qi oth k), or kty "oct".
/// nullopt: a public key, or none at all.
std::optional<std::string_view> secret_member(simdjson::dom::object jwk);

/// `kid` if it is a string, at most kMaxKidBytes of it; for naming a key that is skipped.
std::string kid_of(simdjson::dom::object jwk);

/// A key that this project can verify with. The error says why it cannot.
Result<Jwk> parse_jwk(simdjson::dom::object jwk);

}  // namespace meshauth::jose
