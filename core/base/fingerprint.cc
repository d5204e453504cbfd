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

inline void FingerprintSum::pair(const std::uint64_t* key, std::uint64_t first, std::uint64_t second) noexcept {
  one_ += static_cast<Wide>(first + key[0]) * (second + key[1]);
  other_ += static_cast<Wide>(first + key[2]) * (second + key[3]);
}

void FingerprintSum::add(std::string_view text) noexcept {
  using Word = std::uint64_t;
  const char* at = text.data();
  std::size_t left = text.size();
  for (; left > FingerprintKey::kStep; left -= FingerprintKey::kStep, at += FingerprintKey::kStep, key_ += 2)
    pair(key_, load_word<Word>(at), load_word<Word>(at + 8));
  if (left == 0) return;
  // What is left, by words that overlap: of which bytes, the size tells.
  if (text.size() >= FingerprintKey::kStep) {
    pair(key_, load_word<Word>(at + left - 16), load_word<Word>(at + left - 8));
  } else if (left >= 8) {
    pair(key_, load_word<Word>(at), load_word<Word>(at + left - 8));
  } else if (left >= 4) {
    pair(key_, load_word<std::uint32_t>(at), load_word<std::uint32_t>(at + left - 4));
  } else {
    Word bytes = 0;
    for (std::size_t i = 0; i < left; ++i) bytes = bytes << 8 | static_cast<unsigned char>(at[i]);
    pair(key_, bytes, 0);
  }
  key_ += 2;
}

Fingerprint FingerprintSum::finish(const FingerprintKey::Head& head) noexcept {
  for (std::size_t i = 0; i < head.size(); i += 2) pair(head_ + i, head[i], head[i + 1]);
  const auto half = [](Wide sum, int shift) { return static_cast<std::uint64_t>(sum >> shift); };
  return {half(one_, 0), half(one_, 64), half(other_, 0), half(other_, 64)};
}

}  // namespace meshauth
