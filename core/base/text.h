// Small things about text that several rooms need.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace meshauth {

/// Text from outside as it may stand in a message: in double quotes, control characters (also U+0080 to U+009F, line
/// and paragraph separators and those that turn the direction of text), quotes, backslashes and invalid UTF-8 escaped,
/// cut with "..." after `most` bytes.
std::string in_quotes(std::string_view text, std::size_t most = 80);

/// Every piece between separators, empty ones too: split("a..b", '.') has three.
std::vector<std::string_view> split(std::string_view text, char separator);

/// Without blanks and tabs at both ends: OWS of RFC 9110 section 5.6.3.
std::string_view trim(std::string_view text) noexcept;

/// ASCII only; bytes above 127 stay.
std::string to_lower(std::string_view text);
bool iequals(std::string_view a, std::string_view b) noexcept;

/// The longest prefix of at most `most` bytes that cuts no UTF-8 character in two.
std::string_view utf8_prefix(std::string_view text, std::size_t most) noexcept;

/// True for well-formed UTF-8 (RFC 3629).
bool valid_utf8(std::string_view text) noexcept;

}  // namespace meshauth
