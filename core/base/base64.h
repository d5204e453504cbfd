// base64url without padding (RFC 7515 section 2, RFC 4648 section 5), strictly canonical, and plain base64 for keys in
// ConfigMaps and Secrets.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace meshauth {

/// Decodes base64url without padding. Refuses padding, white space, characters of another alphabet, a length of 1 mod 4
/// and unused bits that are not zero, so that one value has one spelling. nullopt if refused.
std::optional<std::string> base64url_decode(std::string_view text);
/// The same into a text whose memory is used again. False if refused; then `out` holds anything.
bool base64url_decode(std::string_view text, std::string& out);
std::string base64url_encode(std::string_view bytes);

/// Plain base64 with padding (RFC 4648 section 4), canonical.
std::optional<std::string> base64_decode(std::string_view text);
std::string base64_encode(std::string_view bytes);

}  // namespace meshauth
