// A keyed fingerprint of a few short texts, to be compared in place of the texts.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

namespace meshauth {

/// 256 bits.
using Fingerprint = std::array<std::uint64_t, 4>;

/// Two universal hashes of the words of all texts and of a head, under words of the key that the second one takes a
/// pair further on (the Toeplitz shift of UMAC): two different inputs have one fingerprint under at most one of 2^128
/// keys. So it is as good as the inputs for who compares them, as long as the key is random and nobody outside the
/// process learns of fingerprints. Which hash it is depends on the processor; each meets two words of the input at a
/// time with two of the key, and sums up what comes of it in 128 bits:
/// - NH of UMAC with words of 64 bits: the product of the sums (RFC 4418 section 5.2; Black, Halevi, Krawczyk, Krovetz,
///   Rogaway: "UMAC: Fast and Secure Message Authentication", 1999);
/// - CLNH of CLHash: the product without carries of the exclusive ors (Lemire, Kaser: "Faster 64-bit universal hashing
///   using carry-less multiplications", 2016, section 5).
class FingerprintKey {
 public:
  static constexpr std::size_t kStep = 16;  ///< bytes; each text takes whole steps
  static constexpr std::size_t kHeadWords = 6;
  /// The size of each text, and whatever else tells how they are to be read.
  using Head = std::array<std::uint64_t, kHeadWords>;

  /// Whether this processor has CLNH: VPCLMULQDQ and AVX2, since Intel's Ice Lake and AMD's Zen 3.
  static bool has_carryless() noexcept;

  /// steps: of all texts of one fingerprint, at most. random: 64 bits of a cryptographic generator.
  FingerprintKey(std::size_t steps, const std::function<std::uint64_t()>& random, bool carryless = has_carryless());

  /// Begins to fetch its first words; the processor sees where the rest will be.
  void prefetch() const noexcept {
    for (std::size_t line = 0; line < 4; ++line) __builtin_prefetch(words_.data() + 8 * line);
  }

 private:
  friend class FingerprintSum;
  std::vector<std::uint64_t> words_;  // of the texts, then of the head
  bool carryless_;
};

/// One fingerprint in the making. As long as the key lives.
class FingerprintSum {
 public:
  explicit FingerprintSum(const FingerprintKey& key) noexcept
      : key_(key.words_.data()), head_(key_), carryless_(key.carryless_) {
    head_ += key.words_.size() - FingerprintKey::kHeadWords - 2;
  }
  /// The next text. Precondition: the key has steps for it.
  void add(std::string_view text) noexcept { carryless_ ? add_carryless(text) : add_products(text); }
  /// After the last text.
  Fingerprint finish(const FingerprintKey::Head& head) noexcept;

 private:
  void add_products(std::string_view text) noexcept;
  void add_carryless(std::string_view text) noexcept;
  void finish_products(const FingerprintKey::Head& head) noexcept;
  void finish_carryless(const FingerprintKey::Head& head) noexcept;

  const std::uint64_t *key_, *head_;
  unsigned __int128 one_ = 0, other_ = 0;
  bool carryless_;
};

}  // namespace meshauth
