// SHA-256 (FIPS 180-4).
#pragma once

#include <string>
#include <string_view>

namespace meshauth {

/// The 32 raw bytes.
std::string sha256(std::string_view bytes);

/// 64 lower-case hexadecimal digits.
std::string sha256_hex(std::string_view bytes);

}  // namespace meshauth
