#include "core/base/text.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <cstdint>
#include <utility>

namespace meshauth {
namespace {
constexpr char lower(char c) noexcept {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
}

/// Of well-formed UTF-8: the code point that the text begins with, and its bytes.
std::pair<std::uint32_t, std::size_t> first_code_point(std::string_view text) noexcept {
  const auto lead = static_cast<unsigned char>(text.front());
  if (lead < 0x80) return {lead, 1};
  const std::size_t size = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  std::uint32_t code = lead & (0xffU >> (size + 1));
  for (std::size_t i = 1; i < size; ++i) code = code << 6 | (static_cast<unsigned char>(text[i]) & 0x3fU);
  return {code, size};
}

/// What a terminal obeys (C1), what ends a line, and what shows text in another order than it has (Unicode's
/// Bidi_Control).
constexpr bool misleads(std::uint32_t code) noexcept {
  return (code >= 0x80 && code <= 0x9f) || code == 0x61c || code == 0x200e || code == 0x200f ||
         (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
}
}  // namespace

std::string in_quotes(std::string_view text, std::size_t most) {
  const bool cut = text.size() > most;
  const std::string_view shown = utf8_prefix(text, most);
  const bool utf8 = valid_utf8(shown);
  std::string out = "\"";
  for (std::size_t at = 0; at < shown.size();) {
    const char c = shown[at];
    const auto byte = static_cast<unsigned char>(c);
    std::size_t size = 1;
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20 || byte == 0x7f || (byte > 0x7f && !utf8)) {
      out += fmt::format("\\x{:02x}", byte);
    } else if (const auto [code, bytes] = first_code_point(shown.substr(at)); misleads(code)) {
      out += fmt::format("\\u{:04x}", code);
      size = bytes;
    } else {
      out += shown.substr(at, bytes);
      size = bytes;
    }
    at += size;
  }
  out += cut ? "...\"" : "\"";
  return out;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> out;
  out.reserve(1 + static_cast<std::size_t>(std::count(text.begin(), text.end(), separator)));
  for (;;) {
    const auto at = text.find(separator);
    out.push_back(text.substr(0, at));
    if (at == std::string_view::npos) return out;
    text.remove_prefix(at + 1);
  }
}

std::string_view trim(std::string_view text) noexcept {
  const auto first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

std::string to_lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), lower);
  return out;
}

bool iequals(std::string_view a, std::string_view b) noexcept {
  return a.size() == b.size() &&
         std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) { return lower(x) == lower(y); });
}

std::string_view utf8_prefix(std::string_view text, std::size_t most) noexcept {
  if (text.size() <= most) return text;
  const auto continues = [&](std::size_t at) { return (static_cast<unsigned char>(text[at]) & 0xc0) == 0x80; };
  std::size_t size = most;
  while (size > 0 && continues(size)) --size;
  return text.substr(0, size);
}

bool valid_utf8(std::string_view text) noexcept {
  return simdjson::validate_utf8(text.data(), text.size());
}

}  // namespace meshauth
