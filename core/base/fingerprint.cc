#include "core/base/fingerprint.h"

#include "core/base/mixing.h"

namespace meshauth {

// Why that holds for texts of any sizes: the head has words of the key for itself, the last ones. Inputs with different
// heads differ there, whatever the texts add to both sums. Inputs with the same head have texts of the same sizes, of
// which each step meets the same words of the key. (The second sum takes the words two further on, which the first one
// has for the next pair: beyond the last difference that is the same in both inputs, or the spare pair at the end.)

FingerprintKey::FingerprintKey(std::size_t steps, const std::function<std::uint64_t()>& random)
    : words_(2 * steps + kHeadWords + 2) {
  for (std::uint64_t& word : words_) word = random();
}

namespace {

using Wide = unsigned __int128;

/// Both sums of a few steps. By value: in memory the compiler would take them for bytes of the text.
struct Sums {
  Wide one, other;
  void add(const std::uint64_t* key, std::uint64_t first, std::uint64_t second) noexcept {
    one += static_cast<Wide>(first + key[0]) * (second + key[1]);
    other += static_cast<Wide>(first + key[2]) * (second + key[3]);
  }
};

}  // namespace

void FingerprintSum::add(std::string_view text) noexcept {
  using Word = std::uint64_t;
  const char* at = text.data();
  std::size_t left = text.size();
  if (left == 0) return;
  const std::uint64_t* key = key_;
  Sums sums{one_, other_};
#pragma GCC unroll 4
  for (; left > FingerprintKey::kStep; left -= FingerprintKey::kStep, at += FingerprintKey::kStep, key += 2)
    sums.add(key, load_word<Word>(at), load_word<Word>(at + 8));
  // What is left, by words that overlap: of which bytes, the size tells.
  if (text.size() >= FingerprintKey::kStep) {
    sums.add(key, load_word<Word>(at + left - 16), load_word<Word>(at + left - 8));
  } else if (left >= 8) {
    sums.add(key, load_word<Word>(at), load_word<Word>(at + left - 8));
  } else if (left >= 4) {
    sums.add(key, load_word<std::uint32_t>(at), load_word<std::uint32_t>(at + left - 4));
  } else {
    Word bytes = 0;
    for (std::size_t i = 0; i < left; ++i) bytes = bytes << 8 | static_cast<unsigned char>(at[i]);
    sums.add(key, bytes, 0);
  }
  key_ = key + 2;
  one_ = sums.one;
  other_ = sums.other;
}

Fingerprint FingerprintSum::finish(const FingerprintKey::Head& head) noexcept {
  Sums sums{one_, other_};
  for (std::size_t i = 0; i < head.size(); i += 2) sums.add(head_ + i, head[i], head[i + 1]);
  const auto half = [](Wide sum, int shift) { return static_cast<std::uint64_t>(sum >> shift); };
  return {half(sums.one, 0), half(sums.one, 64), half(sums.other, 0), half(sums.other, 64)};
}

}  // namespace meshauth
