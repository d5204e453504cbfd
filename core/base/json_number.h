// Numbers that JSON allows and 64 bits do not.
#pragma once

#include <string>
#include <string_view>

namespace meshauth {

/// The same JSON text with every number that neither a 64-bit integer nor a finite double can hold written as the
/// double nearest to it: integers of many digits as doubles, 1e400 as the largest double. RFC 8259 section 6 allows any
/// number and lets a reader limit its range and precision; a token with one in some claim is still good, and as a date
/// such a number is out of range. Text that is not JSON comes out as wrong as it was.
std::string with_representable_numbers(std::string_view json);

}  // namespace meshauth
