// The words of a text, and their mixing into a hash for a table: cheap, and no secret. Whoever hashes what strangers
// send compares the whole text after it, or a fingerprint of it.
#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>

namespace meshauth {

/// The bytes at `at` as an unsigned integer of their number, in the machine's order.
template <class Word>
std::uint64_t load_word(const char* at) noexcept {
  Word word;
  std::memcpy(&word, at, sizeof word);
  return word;
}

/// Of texts of one size. For short ones that are looked at by every request: std::memcmp is one more cold call.
inline bool equal_bytes(std::string_view a, std::string_view b) noexcept {
  const char *at = a.data(), *other = b.data();
  const std::size_t size = a.size();
  const auto differ = [&]<class Word>(Word, std::size_t i) {
    return load_word<Word>(at + i) != load_word<Word>(other + i);
  };
  if (size >= 8) {  // the last word overlaps the one before
    for (std::size_t i = 0; i < size - 8; i += 8) {
      if (differ(std::uint64_t{}, i)) return false;
    }
    return !differ(std::uint64_t{}, size - 8);
  }
  if (size >= 4) return !differ(std::uint32_t{}, 0) && !differ(std::uint32_t{}, size - 4);
  for (std::size_t i = 0; i < size; ++i) {
    if (at[i] != other[i]) return false;
  }
  return true;
}

/// Both halves of a product, folded.
inline std::uint64_t mixed(std::uint64_t a, std::uint64_t b) noexcept {
  constexpr std::uint64_t kOther = 0xd1b54a32d192ed03;
  const auto product = static_cast<unsigned __int128>(a) * (b ^ kOther);
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

}  // namespace meshauth
