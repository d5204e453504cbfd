// The points of Ed25519 and Ed448 (RFC 8032). OpenSSL takes any bytes of the right length for such a key and looks at
// the point with each signature, where one of small order makes a signature valid that nobody made. Only for this room.
#pragma once

#include <string_view>

namespace meshauth::jose {

enum class Point : unsigned char {
  Good,
  OffCurve,    ///< no point has this encoding (RFC 8032 sections 5.1.3 and 5.2.3), or it is not the canonical one
  SmallOrder,  ///< of order 1, 2, 4 or 8: no private key has it
};

/// The point that a public key encodes, as RFC 8725 section 3.4 asks. `encoded` has the curve's 32 or 57 bytes.
/// Takes some 0.1 ms: for a key that is read, not for a token.
Point judge_ed25519(std::string_view encoded);
Point judge_ed448(std::string_view encoded);

}  // namespace meshauth::jose
