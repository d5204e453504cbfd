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

/// NH, the universal hash of UMAC (RFC 4418 section 5.2; Black, Halevi, Krawczyk, Krovetz, Rogaway: "UMAC: Fast and
/// Secure Message Authentication", 1999), with words of 64 bits, taken twice with its Toeplitz shift: two different
/// inputs have one fingerprint under at most one of 2^128 keys. So it is as good as the inputs for who compares them,
/// as long as the key is random and nobody outside the process learns of fingerprints.
class FingerprintKey {
 public:
  static constexpr std::size_t kStep = 16;  ///< bytes; each text takes whole steps
  static constexpr std::size_t kHeadWords = 6;
  /// The size of each text, and whatever else tells how they are to be read.
  using Head = std::array<std::uint64_t, kHeadWords>;

  /// steps: of all texts of one fingerprint, at most. random: 64 bits of a cryptographic generator.
  FingerprintKey(std::size_t steps, const std::function<std::uint64_t()>& random);

  /// Begins to fetch its first words; the processor sees where the rest will be.
  void prefetch() const noexcept {
    for (std::size_t line = 0; line < 4; ++line) __builtin_prefetch(words_.data() + 8 * line);
  }

 private:
  friend class FingerprintSum;
  std::vector<std::uint64_t> words_;  // of the texts, then of the head
};

/// One fingerprint in the making. As long as the key lives.
class FingerprintSum {
 public:
  explicit FingerprintSum(const FingerprintKey& key) noexcept : key_(key.words_.data()), head_(key_) {
    head_ += key.words_.size() - FingerprintKey::kHeadWords - 2;
  }
  /// The next text. Precondition: the key has steps for it.
  void add(std::string_view text) noexcept;
  /// After the last text.
  Fingerprint finish(const FingerprintKey::Head& head) noexcept;

 private:
  const std::uint64_t *key_, *head_;
  unsigned __int128 one_ = 0, other_ = 0;
};

}  // namespace meshauth
