#include "core/base/fingerprint.h"

#include "core/base/mixing.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace meshauth {

// Why that holds for texts of any sizes: the head has words of the key for itself, the last ones. Inputs with different
// heads differ there, whatever the texts add to both sums. Inputs with the same head have texts of the same sizes, of
// which each step meets the same words of the key. The last step in which two inputs differ decides: under all but one
// in 2^64 values of its two words of the key the first sums differ, whatever came before, and what comes after is the
// same in both. The second sum takes the pair after it there, which the first one has for the next step: beyond the
// last difference that is the same in both inputs, or it is the spare pair at the end.

FingerprintKey::FingerprintKey(std::size_t steps, const std::function<std::uint64_t()>& random, bool carryless)
    : words_(2 * steps + kHeadWords + 2), carryless_(carryless) {
  for (std::uint64_t& word : words_) word = random();
}

namespace {

constexpr std::size_t kStep = FingerprintKey::kStep;

/// Of one step.
struct Words {
  std::uint64_t first, second;
};

/// What is left of a text, at most a step, by words that overlap: of which bytes, its size tells.
Words last_words(const char* at, std::size_t left, bool is_long) noexcept {
  using Word = std::uint64_t;
  if (is_long) return {load_word<Word>(at + left - 16), load_word<Word>(at + left - 8)};
  if (left >= 8) return {load_word<Word>(at), load_word<Word>(at + left - 8)};
  if (left >= 4) return {load_word<std::uint32_t>(at), load_word<std::uint32_t>(at + left - 4)};
  Word bytes = 0;
  for (std::size_t i = 0; i < left; ++i) bytes = bytes << 8 | static_cast<unsigned char>(at[i]);
  return {bytes, 0};
}

using Wide = unsigned __int128;

/// NH: both sums of a few steps. By value: in memory the compiler would take them for bytes of the text.
struct Sums {
  Wide one, other;
  void add(const std::uint64_t* key, Words words) noexcept {
    one += static_cast<Wide>(words.first + key[0]) * (words.second + key[1]);
    other += static_cast<Wide>(words.first + key[2]) * (words.second + key[3]);
  }
};

}  // namespace

[[gnu::hot]] void FingerprintSum::add_products(std::string_view text) noexcept {
  const char* at = text.data();
  std::size_t left = text.size();
  if (left == 0) return;
  const std::uint64_t* key = key_;
  Sums sums{one_, other_};
#pragma GCC unroll 4
  for (; left > kStep; left -= kStep, at += kStep, key += 2)
    sums.add(key, {load_word<std::uint64_t>(at), load_word<std::uint64_t>(at + 8)});
  sums.add(key, last_words(at, left, text.size() >= kStep));
  key_ = key + 2;
  one_ = sums.one;
  other_ = sums.other;
}

[[gnu::hot]] void FingerprintSum::finish_products(const FingerprintKey::Head& head) noexcept {
  Sums sums{one_, other_};
  for (std::size_t i = 0; i < head.size(); i += 2) sums.add(head_ + i, {head[i], head[i + 1]});
  one_ = sums.one;
  other_ = sums.other;
}

#if defined(__x86_64__)

bool FingerprintKey::has_carryless() noexcept {
  return __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("vpclmulqdq") != 0;
}

namespace {

#define MESH_AUTH_CARRYLESS gnu::target("avx2,pclmul,vpclmulqdq")

constexpr int kSecondTimesFirst = 0x10;  // words of each lane

/// Both sums of CLNH, each in two lanes: of the even steps and of the odd ones.
struct CarrylessSums {
  __m256i one, other;

  /// Two steps.
  [[MESH_AUTH_CARRYLESS, gnu::always_inline]] void add(const std::uint64_t* key, __m256i text) noexcept {
    const __m256i a = _mm256_xor_si256(text, _mm256_loadu_si256(reinterpret_cast<const __m256i*>(key)));
    const __m256i b = _mm256_xor_si256(text, _mm256_loadu_si256(reinterpret_cast<const __m256i*>(key + 2)));
    one = _mm256_xor_si256(one, _mm256_clmulepi64_epi128(a, a, kSecondTimesFirst));
    other = _mm256_xor_si256(other, _mm256_clmulepi64_epi128(b, b, kSecondTimesFirst));
  }
  /// One step.
  [[MESH_AUTH_CARRYLESS, gnu::always_inline]] void add(const std::uint64_t* key, Words words) noexcept {
    const __m128i text = _mm_set_epi64x(static_cast<long long>(words.second), static_cast<long long>(words.first));
    const __m128i a = _mm_xor_si128(text, _mm_loadu_si128(reinterpret_cast<const __m128i*>(key)));
    const __m128i b = _mm_xor_si128(text, _mm_loadu_si128(reinterpret_cast<const __m128i*>(key + 2)));
    one = _mm256_xor_si256(one, _mm256_zextsi128_si256(_mm_clmulepi64_si128(a, a, kSecondTimesFirst)));
    other = _mm256_xor_si256(other, _mm256_zextsi128_si256(_mm_clmulepi64_si128(b, b, kSecondTimesFirst)));
  }
  [[MESH_AUTH_CARRYLESS, gnu::always_inline]] static void add_to(Wide& sum, __m256i lanes) noexcept {
    auto* const at = reinterpret_cast<__m128i*>(&sum);
    const __m128i both = _mm_xor_si128(_mm256_castsi256_si128(lanes), _mm256_extracti128_si256(lanes, 1));
    _mm_storeu_si128(at, _mm_xor_si128(_mm_loadu_si128(at), both));
  }
};

[[MESH_AUTH_CARRYLESS, gnu::always_inline]] inline __m128i load(const char* at) noexcept {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
}

}  // namespace

[[MESH_AUTH_CARRYLESS, gnu::hot]] void FingerprintSum::add_carryless(std::string_view text) noexcept {
  const char* at = text.data();
  std::size_t left = text.size();
  if (left == 0) return;
  const std::uint64_t* key = key_;
  CarrylessSums sums{_mm256_setzero_si256(), _mm256_setzero_si256()};
#pragma GCC unroll 2
  for (; left > 2 * kStep; left -= 2 * kStep, at += 2 * kStep, key += 4)
    sums.add(key, _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at)));
  if (left > kStep) {  // the second of these steps is what is left, the last 16 bytes
    sums.add(key, _mm256_set_m128i(load(at + left - kStep), load(at)));
    key += 2;
  } else {
    sums.add(key, last_words(at, left, text.size() >= kStep));
  }
  key_ = key + 2;
  CarrylessSums::add_to(one_, sums.one);
  CarrylessSums::add_to(other_, sums.other);
}

[[MESH_AUTH_CARRYLESS, gnu::hot]] void FingerprintSum::finish_carryless(const FingerprintKey::Head& head) noexcept {
  CarrylessSums sums{_mm256_setzero_si256(), _mm256_setzero_si256()};
  for (std::size_t i = 0; i < head.size(); i += 2) sums.add(head_ + i, Words{head[i], head[i + 1]});
  CarrylessSums::add_to(one_, sums.one);
  CarrylessSums::add_to(other_, sums.other);
}

#else

bool FingerprintKey::has_carryless() noexcept {
  return false;
}
void FingerprintSum::add_carryless(std::string_view text) noexcept {
  add_products(text);
}
void FingerprintSum::finish_carryless(const FingerprintKey::Head& head) noexcept {
  finish_products(head);
}

#endif

[[gnu::hot]] Fingerprint FingerprintSum::finish(const FingerprintKey::Head& head) noexcept {
  carryless_ ? finish_carryless(head) : finish_products(head);
  const auto half = [](Wide sum, int shift) { return static_cast<std::uint64_t>(sum >> shift); };
  return {half(one_, 0), half(one_, 64), half(other_, 0), half(other_, 64)};
}

}  // namespace meshauth
