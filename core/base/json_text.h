// Writing JSON by hand where its bytes must be fixed: key sets, thumbprints, the command line's answers.
#pragma once

#include <string>
#include <string_view>

namespace meshauth {

/// Appends the text as a JSON string (RFC 8259 section 7) in double quotes: quote, backslash and control characters
/// escaped, everything else as it is. The text must be UTF-8.
void append_json_string(std::string& out, std::string_view text);

/// The JSON string alone.
std::string json_string(std::string_view text);

}  // namespace meshauth
