#include "core/base/base64.h"

#include <array>
#include <cstdint>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace meshauth {
namespace {

constexpr std::string_view kUrlAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
constexpr std::string_view kPlainAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::uint8_t kBad = 0x80;  // set by no digit

using Digits = std::array<std::uint8_t, 256>;

constexpr Digits reverse(std::string_view alphabet) {
  Digits digits{};
  for (auto& value : digits) value = kBad;
  for (std::size_t digit = 0; digit < alphabet.size(); ++digit)
    digits[static_cast<unsigned char>(alphabet[digit])] = static_cast<std::uint8_t>(digit);
  return digits;
}

struct Alphabet {
  Digits digits;
  char digit_62, digit_63;
};
constexpr Alphabet kUrl{reverse(kUrlAlphabet), '-', '_'};
constexpr Alphabet kPlain{reverse(kPlainAlphabet), '+', '/'};

#if defined(__x86_64__)
/// 32 characters at a time, as far as whole vectors of output go; both pointers move on. False: one is no digit.
/// (W. Mula and D. Lemire, "Faster Base64 Encoding and Decoding Using AVX2 Instructions", 2018, section 4; with
/// comparisons in place of tables, which a request would find cold.)
[[gnu::target("avx2")]] bool decode_vectors(const unsigned char*& in, const unsigned char* end, char*& to,
                                            const Alphabet& alphabet) {
  constexpr std::ptrdiff_t kRead = 32, kSpare = 12;  // characters whose bytes the last store of 32 would run over
  if (end - in < kRead + kSpare) return true;
  const __m256i before_upper = _mm256_set1_epi8('A' - 1), after_upper = _mm256_set1_epi8('Z' + 1);
  const __m256i before_lower = _mm256_set1_epi8('a' - 1), after_lower = _mm256_set1_epi8('z' + 1);
  const __m256i before_digit = _mm256_set1_epi8('0' - 1), after_digit = _mm256_set1_epi8('9' + 1);
  const __m256i digit_62 = _mm256_set1_epi8(alphabet.digit_62), digit_63 = _mm256_set1_epi8(alphabet.digit_63);
  const __m256i from_upper = _mm256_set1_epi8(0 - 'A'), from_lower = _mm256_set1_epi8(26 - 'a');
  const __m256i from_digit = _mm256_set1_epi8(52 - '0');
  const __m256i from_62 = _mm256_set1_epi8(static_cast<char>(62 - alphabet.digit_62));
  const __m256i from_63 = _mm256_set1_epi8(static_cast<char>(63 - alphabet.digit_63));
  const __m256i to_12_bits = _mm256_set1_epi32(0x01400140), to_24_bits = _mm256_set1_epi32(0x00011000);
  const __m256i order = _mm256_setr_epi8(2, 1, 0, 6, 5, 4, 10, 9, 8, 14, 13, 12, -1, -1, -1, -1, 2, 1, 0, 6, 5, 4, 10,
                                         9, 8, 14, 13, 12, -1, -1, -1, -1);
  const __m256i together = _mm256_setr_epi32(0, 1, 2, 4, 5, 6, 3, 7);
  __m256i all_known = _mm256_set1_epi8(-1);
  const unsigned char* from = in;
  char* into = to;
  for (; end - from >= kRead + kSpare; from += kRead, into += kRead / 4 * 3) {
    const __m256i text = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
    const __m256i upper = _mm256_and_si256(_mm256_cmpgt_epi8(text, before_upper), _mm256_cmpgt_epi8(after_upper, text));
    const __m256i lower = _mm256_and_si256(_mm256_cmpgt_epi8(text, before_lower), _mm256_cmpgt_epi8(after_lower, text));
    const __m256i digit = _mm256_and_si256(_mm256_cmpgt_epi8(text, before_digit), _mm256_cmpgt_epi8(after_digit, text));
    const __m256i is_62 = _mm256_cmpeq_epi8(text, digit_62), is_63 = _mm256_cmpeq_epi8(text, digit_63);
    const __m256i letter = _mm256_or_si256(upper, lower), other = _mm256_or_si256(is_62, is_63);
    all_known = _mm256_and_si256(all_known, _mm256_or_si256(_mm256_or_si256(letter, digit), other));
    const __m256i shift_letter =
        _mm256_or_si256(_mm256_and_si256(upper, from_upper), _mm256_and_si256(lower, from_lower));
    const __m256i shift_other = _mm256_or_si256(_mm256_and_si256(is_62, from_62), _mm256_and_si256(is_63, from_63));
    const __m256i shift =
        _mm256_or_si256(_mm256_or_si256(shift_letter, shift_other), _mm256_and_si256(digit, from_digit));
    const __m256i bits = _mm256_madd_epi16(_mm256_maddubs_epi16(_mm256_add_epi8(text, shift), to_12_bits), to_24_bits);
    const __m256i bytes = _mm256_permutevar8x32_epi32(_mm256_shuffle_epi8(bits, order), together);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(into), bytes);
  }
  in = from;
  to = into;
  return _mm256_movemask_epi8(all_known) == -1;
}
#endif

bool decode(std::string_view text, const Alphabet& alphabet, std::string& out) {
  const std::size_t rest = text.size() % 4;
  if (rest == 1) return false;
  out.resize(text.size() / 4 * 3 + (rest == 0 ? 0 : rest - 1));
  const auto* in = reinterpret_cast<const unsigned char*>(text.data());
  const auto* const end = in + (text.size() - rest);
  char* to = out.data();
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2") != 0 && !decode_vectors(in, end, to, alphabet)) return false;
#endif
  std::uint32_t bad = 0;
  const auto digit = [&](std::size_t place) -> std::uint32_t {
    const std::uint8_t value = alphabet.digits[in[place]];
    bad |= value;
    return value;
  };
  for (; in != end; in += 4, to += 3) {
    const std::uint32_t bits = digit(0) << 18 | digit(1) << 12 | digit(2) << 6 | digit(3);
    to[0] = static_cast<char>(bits >> 16);
    to[1] = static_cast<char>(bits >> 8);
    to[2] = static_cast<char>(bits);
  }
  if (rest != 0) {
    const std::uint32_t bits = digit(0) << 18 | digit(1) << 12 | (rest == 3 ? digit(2) << 6 : 0);
    to[0] = static_cast<char>(bits >> 16);
    if (rest == 3) to[1] = static_cast<char>(bits >> 8);
    // What is left over must be zero, else it is a second spelling of the same bytes.
    if ((rest == 3 ? bits & 0xff : bits >> 8 & 0xff) != 0) return false;
  }
  return (bad & kBad) == 0;
}

std::optional<std::string> decoded(std::string_view text, const Alphabet& alphabet) {
  std::optional<std::string> out(std::in_place);
  if (!decode(text, alphabet, *out)) out.reset();
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
  return decoded(text, kUrl);
}
bool base64url_decode(std::string_view text, std::string& out) {
  return decode(text, kUrl, out);
}
std::string base64url_encode(std::string_view bytes) {
  return encode(bytes, kUrlAlphabet);
}

std::optional<std::string> base64_decode(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  std::size_t padding = 0;
  while (padding < 2 && padding < text.size() && text[text.size() - 1 - padding] == '=') ++padding;
  return decoded(text.substr(0, text.size() - padding), kPlain);
}

std::string base64_encode(std::string_view bytes) {
  std::string out = encode(bytes, kPlainAlphabet);
  while (out.size() % 4 != 0) out += '=';
  return out;
}

}  // namespace meshauth
