#include "core/jose/montgomery52.h"

#include <algorithm>
#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace meshauth::jose {
namespace {

constexpr std::uint64_t kDigit = (std::uint64_t{1} << 52) - 1;

#if defined(__x86_64__)
constexpr std::size_t kLanes = 8, kVectors = Montgomery52::kDigits / kLanes;

struct Vectors {
  __m512i at[kVectors];
};

[[gnu::target("avx512f"), gnu::always_inline]] inline Vectors load(const Montgomery52::Number& number) noexcept {
  Vectors out;
#pragma GCC unroll 5
  for (std::size_t v = 0; v < kVectors; ++v) out.at[v] = _mm512_loadu_si512(&number.digits[v * kLanes]);
  return out;
}

/// sum = (sum + number * digit) / 2^52, lane by lane, without what the least lane loses. Returns the second lane.
[[gnu::target("avx512f,avx512ifma"), gnu::always_inline]] inline std::uint64_t add(Vectors& sum, const Vectors& number,
                                                                                   std::uint64_t digit) noexcept {
  const __m512i x = _mm512_set1_epi64(static_cast<long long>(digit));
  const __m512i zero = _mm512_setzero_si512();
#pragma GCC unroll 5
  for (std::size_t v = 0; v < kVectors; ++v) sum.at[v] = _mm512_madd52lo_epu64(sum.at[v], number.at[v], x);
#pragma GCC unroll 5
  for (std::size_t v = 0; v < kVectors; ++v) {
    // A mask of all lanes: without one, GCC 12's header begins with a vector that is not initialized.
    sum.at[v] = _mm512_maskz_alignr_epi64(0xff, v + 1 < kVectors ? sum.at[v + 1] : zero, sum.at[v], 1);
  }
#pragma GCC unroll 5
  for (std::size_t v = 0; v < kVectors; ++v) sum.at[v] = _mm512_madd52hi_epu64(sum.at[v], number.at[v], x);
  return static_cast<std::uint64_t>(_mm512_maskz_extracti32x4_epi32(0xf, sum.at[0], 0)[1]);
}
#endif

}  // namespace

Montgomery52::Number Montgomery52::read(std::string_view bytes) noexcept {
  std::array<unsigned char, kBits / 8 + 8> least_first{};
  std::reverse_copy(bytes.begin(), bytes.end(), least_first.begin());
  Number out;
  for (std::size_t i = 0; i < kDigits; ++i) {
    std::uint64_t word = 0;
    std::memcpy(&word, &least_first[52 * i / 8], sizeof word);
    out.digits[i] = word >> (52 * i % 8) & kDigit;
  }
  return out;
}

std::array<unsigned char, Montgomery52::kBits / 8> Montgomery52::write(const Number& number) noexcept {
  constexpr std::size_t kTwoDigits = 13;  // bytes
  std::array<unsigned char, kBits / 8> out{};
  for (std::size_t i = 0; i < kDigits; i += 2) {
    const auto two = static_cast<unsigned __int128>(number.digits[i + 1]) << 52 | number.digits[i];
    std::memcpy(&out[i / 2 * kTwoDigits], &two, kTwoDigits);
  }
  return out;
}

Montgomery52::Montgomery52(std::string_view modulus) noexcept : modulus_(read(modulus)), inverse_(1) {
  // Newton: each step doubles the bits that are right, of which an odd number's inverse has one.
  const std::uint64_t low = modulus_.digits[0] | modulus_.digits[1] << 52;
  for (int i = 0; i < 6; ++i) inverse_ *= 2 - low * inverse_;
  inverse_ = -inverse_;
}

#if defined(__x86_64__)
bool Montgomery52::supported() noexcept {
  return __builtin_cpu_supports("avx512f") != 0 && __builtin_cpu_supports("avx512ifma") != 0;
}

/// Digit by digit of b: adds a * digit, and the multiple of the modulus that makes the least digit of the sum 0, and
/// drops that digit. Two sums, which do not wait for each other; and the least digit is kept apart and its lane left to
/// itself, since the next multiple waits for it. No lane overflows: of 64 bits it gets less than 2^53 in each of the 40
/// turns.
[[gnu::target("avx512f,avx512ifma")]] Montgomery52::Number Montgomery52::times(const Number& a,
                                                                               const Number& b) const noexcept {
  const Vectors factor = load(a), modulus = load(modulus_);
  Vectors products{}, multiples{};
  std::uint64_t least = 0, second = 0;
  for (const std::uint64_t digit : b.digits) {
    auto whole = static_cast<unsigned __int128>(a.digits[0]) * digit + least;
    const std::uint64_t multiple = static_cast<std::uint64_t>(whole) * inverse_ & kDigit;
    whole += static_cast<unsigned __int128>(modulus_.digits[0]) * multiple;
    least = static_cast<std::uint64_t>(whole >> 52) + second + (a.digits[1] * digit & kDigit) +
            (modulus_.digits[1] * multiple & kDigit);
    second = add(products, factor, digit) + add(multiples, modulus, multiple);
  }
  Number out;
  for (std::size_t v = 0; v < kVectors; ++v)
    _mm512_storeu_si512(&out.digits[v * kLanes], _mm512_add_epi64(products.at[v], multiples.at[v]));
  out.digits[0] = least;
  std::uint64_t carry = 0;
  for (std::uint64_t& digit : out.digits) {
    carry += digit;
    digit = carry & kDigit;
    carry >>= 52;
  }
  return out;
}
#else
bool Montgomery52::supported() noexcept {
  return false;
}
Montgomery52::Number Montgomery52::times(const Number&, const Number&) const noexcept {
  return {};  // never asked
}
#endif

}  // namespace meshauth::jose
