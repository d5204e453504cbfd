#include "core/base/base64.h"

#include <array>
#include <cstdint>

namespace meshauth {
namespace {

constexpr std::string_view kUrlAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
constexpr std::string_view kPlainAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::uint8_t kBad = 0xff;

constexpr std::array<std::uint8_t, 256> reverse(std::string_view alphabet) {
  std::array<std::uint8_t, 256> table{};
  for (auto& value : table) value = kBad;
  for (std::size_t i = 0; i < alphabet.size(); ++i) {
    table[static_cast<unsigned char>(alphabet[i])] = static_cast<std::uint8_t>(i);
  }
  return table;
}

constexpr auto kUrlTable = reverse(kUrlAlphabet);
constexpr auto kPlainTable = reverse(kPlainAlphabet);

std::optional<std::string> decode(std::string_view text, const std::array<std::uint8_t, 256>& table) {
  const std::size_t rest = text.size() % 4;
  if (rest == 1) return std::nullopt;
  std::string out;
  out.resize(text.size() / 4 * 3 + (rest == 0 ? 0 : rest - 1));
  const auto* in = reinterpret_cast<const unsigned char*>(text.data());
  const auto* const end = in + (text.size() - rest);
  char* to = out.data();
  std::uint32_t bad = 0;  // its high bit is set by kBad and by no digit
  for (; in != end; in += 4, to += 3) {
    const std::uint32_t a = table[in[0]], b = table[in[1]], c = table[in[2]], d = table[in[3]];
    bad |= a | b | c | d;
    const std::uint32_t bits = a << 18 | b << 12 | c << 6 | d;
    to[0] = static_cast<char>(bits >> 16);
    to[1] = static_cast<char>(bits >> 8);
    to[2] = static_cast<char>(bits);
  }
  if (rest != 0) {
    const std::uint32_t a = table[in[0]], b = table[in[1]], c = rest == 3 ? table[in[2]] : 0;
    bad |= a | b | c;
    to[0] = static_cast<char>(a << 2 | b >> 4);
    if (rest == 3) to[1] = static_cast<char>(b << 4 | c >> 2);
    const std::uint32_t unused = rest == 3 ? c & 0x3 : b & 0xf;
    if (unused != 0) return std::nullopt;  // a second spelling of the same bytes
  }
  if ((bad & 0x80) != 0) return std::nullopt;
  return out;
}

std::string encode(std::string_view bytes, std::string_view alphabet) {
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  std::uint32_t bits = 0;
  int count = 0;
  for (const char c : bytes) {
    bits = bits << 8 | static_cast<unsigned char>(c);
    count += 8;
    while (count >= 6) {
      count -= 6;
      out += alphabet[bits >> count & 0x3f];
    }
  }
  if (count > 0) out += alphabet[bits << (6 - count) & 0x3f];
  return out;
}

}  // namespace

std::optional<std::string> base64url_decode(std::string_view text) {
  return decode(text, kUrlTable);
}
std::string base64url_encode(std::string_view bytes) {
  return encode(bytes, kUrlAlphabet);
}

std::optional<std::string> base64_decode(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  std::size_t padding = 0;
  while (padding < 2 && padding < text.size() && text[text.size() - 1 - padding] == '=') ++padding;
  return decode(text.substr(0, text.size() - padding), kPlainTable);
}

std::string base64_encode(std::string_view bytes) {
  std::string out = encode(bytes, kPlainAlphabet);
  while (out.size() % 4 != 0) out += '=';
  return out;
}

}  // namespace meshauth
