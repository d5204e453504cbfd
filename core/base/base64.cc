#include "core/base/base64.h"

#include <array>
#include <cstdint>

namespace meshauth {
namespace {

constexpr std::string_view kUrlAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
constexpr std::string_view kPlainAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::uint32_t kBad = 0x8000'0000;  // set by no digit

/// What the digit at each of the four places of a group adds to its three bytes, of which the first is the lowest.
using Places = std::array<std::array<std::uint32_t, 256>, 4>;

constexpr std::uint32_t bytes_lowest_first(std::uint32_t bits) {
  return (bits >> 16 & 0xff) | (bits & 0xff00) | (bits & 0xff) << 16;
}

constexpr Places reverse(std::string_view alphabet) {
  Places places{};
  for (std::size_t place = 0; place < 4; ++place) {
    for (auto& value : places[place]) value = kBad;
    for (std::uint32_t digit = 0; digit < alphabet.size(); ++digit) {
      places[place][static_cast<unsigned char>(alphabet[digit])] = bytes_lowest_first(digit << (18 - 6 * place));
    }
  }
  return places;
}

constexpr Places kUrlPlaces = reverse(kUrlAlphabet);
constexpr Places kPlainPlaces = reverse(kPlainAlphabet);

bool decode(std::string_view text, const Places& places, std::string& out) {
  const std::size_t rest = text.size() % 4;
  if (rest == 1) return false;
  out.resize(text.size() / 4 * 3 + (rest == 0 ? 0 : rest - 1));
  const auto* in = reinterpret_cast<const unsigned char*>(text.data());
  const auto* const end = in + (text.size() - rest);
  char* to = out.data();
  std::uint32_t bad = 0;
  for (; in != end; in += 4, to += 3) {
    const std::uint32_t bytes = places[0][in[0]] | places[1][in[1]] | places[2][in[2]] | places[3][in[3]];
    bad |= bytes;
    to[0] = static_cast<char>(bytes);
    to[1] = static_cast<char>(bytes >> 8);
    to[2] = static_cast<char>(bytes >> 16);
  }
  if (rest != 0) {
    const std::uint32_t bytes = places[0][in[0]] | places[1][in[1]] | (rest == 3 ? places[2][in[2]] : 0);
    bad |= bytes;
    to[0] = static_cast<char>(bytes);
    if (rest == 3) to[1] = static_cast<char>(bytes >> 8);
    // What is left over must be zero, else it is a second spelling of the same bytes.
    bad |= (rest == 3 ? bytes >> 16 & 0xff : bytes >> 8 & 0xff) != 0 ? kBad : 0;
  }
  return (bad & kBad) == 0;
}

std::optional<std::string> decoded(std::string_view text, const Places& places) {
  std::optional<std::string> out(std::in_place);
  if (!decode(text, places, *out)) out.reset();
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
  return decoded(text, kUrlPlaces);
}
bool base64url_decode(std::string_view text, std::string& out) {
  return decode(text, kUrlPlaces, out);
}
std::string base64url_encode(std::string_view bytes) {
  return encode(bytes, kUrlAlphabet);
}

std::optional<std::string> base64_decode(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  std::size_t padding = 0;
  while (padding < 2 && padding < text.size() && text[text.size() - 1 - padding] == '=') ++padding;
  return decoded(text.substr(0, text.size() - padding), kPlainPlaces);
}

std::string base64_encode(std::string_view bytes) {
  std::string out = encode(bytes, kPlainAlphabet);
  while (out.size() % 4 != 0) out += '=';
  return out;
}

}  // namespace meshauth
