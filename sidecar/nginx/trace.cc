#include "sidecar/nginx/trace.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace meshauth::nginx {
namespace {

constexpr std::size_t kLength = sizeof(Trace::text);

bool is_hex(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

bool all_zero(std::string_view text) {
  return text.find_first_not_of('0') == std::string_view::npos;
}

bool is_valid(std::string_view text) {
  if (text.size() < kLength || text[2] != '-' || text[35] != '-' || text[52] != '-') return false;
  const std::string_view version = text.substr(0, 2), trace = text.substr(3, 32), parent = text.substr(36, 16),
                         flags = text.substr(53, 2);
  if (!is_hex(version) || !is_hex(trace) || !is_hex(parent) || !is_hex(flags) || version == "ff") return false;
  if (all_zero(trace) || all_zero(parent)) return false;
  if (version == "00") return text.size() == kLength;
  return text.size() == kLength || text[kLength] == '-';
}

/// Eight hexadecimal digits, in the order of writing.
void write_hex(char* at, std::uint32_t number) noexcept {
  static_assert(std::endian::native == std::endian::little);
  std::uint64_t digits = number;  // spread out, one to a byte
  digits = (digits | digits << 16) & 0x0000ffff0000ffff;
  digits = (digits | digits << 8) & 0x00ff00ff00ff00ff;
  digits = (digits | digits << 4) & 0x0f0f0f0f0f0f0f0f;
  const std::uint64_t letters = (digits + 0x0606060606060606) >> 4 & 0x0101010101010101;  // 1 where 10 or more
  digits = __builtin_bswap64(digits + 0x3030303030303030 + letters * ('a' - '0' - 10));
  std::memcpy(at, &digits, sizeof digits);
}

void write_hex(char* at, std::uint64_t number) noexcept {
  write_hex(at, static_cast<std::uint32_t>(number >> 32));
  write_hex(at + 8, static_cast<std::uint32_t>(number));
}

}  // namespace

Trace trace_of(std::string_view header, const TraceRandom& random) noexcept {
  Trace out{};
  char* const text = out.text.data();
  std::memcpy(text, "00-00000000000000000000000000000000-0000000000000000-00", kLength);
  if (is_valid(header)) {
    std::memcpy(text + 2, header.data() + 2, kLength - 2);
    return out;
  }
  write_hex(text + 3, random[0]);
  write_hex(text + 19, random[1] | 1);  // the lowest bit keeps an id from being all zero, which would be invalid
  write_hex(text + 36, random[2] | 1);
  return out;
}

}  // namespace meshauth::nginx
