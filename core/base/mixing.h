// The words of a text, and their mixing into a hash for a table: cheap, and no secret. Whoever hashes what strangers
// send compares the whole text after it.
#pragma once

#include <cstdint>
#include <cstring>

namespace meshauth {

/// The bytes at `at` as an unsigned integer of their number, in the machine's order.
template <class Word>
std::uint64_t load_word(const char* at) noexcept {
  Word word;
  std::memcpy(&word, at, sizeof word);
  return word;
}

/// Both halves of a product, folded.
inline std::uint64_t mixed(std::uint64_t a, std::uint64_t b) noexcept {
  constexpr std::uint64_t kOther = 0xd1b54a32d192ed03;
  const auto product = static_cast<unsigned __int128>(a) * (b ^ kOther);
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

}  // namespace meshauth
