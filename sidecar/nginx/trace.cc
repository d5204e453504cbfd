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

using Vector = unsigned char __attribute__((vector_size(16)));  // of GCC: two or three instructions for each line here

Vector digits_of(Vector halves) noexcept {
  return halves + '0' + ((halves > 9) & ('a' - '0' - 10));
}

/// 48 hexadecimal digits: 32 to one place, 16 to another.
void write_hex(char* at, char* other, const TraceRandom& random) noexcept {
  const auto write = [](char* to, Vector digits) { std::memcpy(to, &digits, sizeof digits); };
  static_assert(std::endian::native == std::endian::little);
  using Words = std::uint64_t __attribute__((vector_size(16)));
  const auto bytes = [](std::uint64_t first, std::uint64_t second) {  // in the order of writing
    return reinterpret_cast<Vector>(Words{__builtin_bswap64(first), __builtin_bswap64(second)});
  };
  const Vector two = bytes(random[0], random[1]), one = bytes(random[2], 0);
  const Vector high = two >> 4, low = two & 15, other_high = one >> 4, other_low = one & 15;
  write(at, digits_of(__builtin_shufflevector(high, low, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23)));
  write(at + 16,
        digits_of(__builtin_shufflevector(high, low, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31)));
  write(other, digits_of(__builtin_shufflevector(other_high, other_low, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22,
                                                 7, 23)));
}

}  // namespace

std::optional<Trace> trace_of(std::string_view header) noexcept {
  if (!is_valid(header)) return std::nullopt;
  Trace out;
  std::memcpy(out.text.data(), "00", 2);
  std::memcpy(out.text.data() + 2, header.data() + 2, kLength - 2);
  return out;
}

Trace new_trace(const TraceRandom& random) noexcept {
  Trace out;
  char* const text = out.text.data();
  std::memcpy(text, "00-00000000000000000000000000000000-0000000000000000-00", kLength);
  // The lowest bits keep an id from being all zero, which would be invalid.
  write_hex(text + 3, text + 36, {random[0], random[1] | 1, random[2] | 1});
  return out;
}

void NewTraces::make() noexcept {
  for (Trace& each : made_) each = new_trace(ids_.next());
  left_ = made_.size();
}

}  // namespace meshauth::nginx
