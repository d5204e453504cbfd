#include "core/base/fingerprint.h"

#include <doctest/doctest.h>

#include <map>
#include <random>
#include <string>

using namespace meshauth;

namespace {

/// Both ways, where the processor has both.
std::vector<bool> ways() {
  if (FingerprintKey::has_carryless()) return {false, true};
  MESSAGE("this processor has no VPCLMULQDQ: CLNH is not tested");
  return {false};
}

FingerprintKey key_of(std::uint64_t seed, bool carryless, std::size_t steps = 64) {
  std::mt19937_64 random(seed);
  return {steps, [&] { return random(); }, carryless};
}

Fingerprint of(const FingerprintKey& key, const std::vector<std::string>& texts, FingerprintKey::Head head = {}) {
  FingerprintSum sum(key);
  for (std::size_t i = 0; i < texts.size(); ++i) {
    sum.add(texts[i]);
    head[i] += texts[i].size() << 32;
  }
  return sum.finish(head);
}

}  // namespace

TEST_CASE("the same texts and head have the same fingerprint under one key, and another under another") {
  for (const bool way : ways()) {
    const auto key = key_of(1, way), same = key_of(1, way), other = key_of(2, way);
    const std::vector<std::string> texts = {"GET", "/orders/7", std::string(900, 'x')};
    CHECK(of(key, texts) == of(same, texts));
    CHECK(of(key, texts) != of(other, texts));
  }
}

TEST_CASE("every byte at every place, every size and every word of the head makes a difference") {
  for (const bool way : ways()) {
    const auto key = key_of(3, way);
    std::map<Fingerprint, std::string> seen;
    const auto differs = [&](const Fingerprint& made, const std::string& what) {
      const auto [at, is_new] = seen.emplace(made, what);
      CHECK_MESSAGE(is_new, what << " is as " << at->second);
      for (std::size_t half = 0; half < made.size(); half += 2) CHECK((made[half] != 0 || made[half + 1] != 0));
    };
    for (std::size_t size = 0; size <= 100; ++size) {
      const std::string text(size, 'a');
      differs(of(key, {text}), "one text of " + std::to_string(size));
      for (std::size_t at = 0; at < size; ++at) {
        for (const char other : {'b', '\0', '\x80'}) {
          std::string changed = text;
          changed[at] = other;
          differs(of(key, {changed}), changed);
        }
      }
    }
    for (std::size_t word = 0; word < FingerprintKey::kHeadWords; ++word) {
      FingerprintKey::Head head{};
      head[word] = 1;
      differs(of(key, {"text"}, head), "head " + std::to_string(word));
    }
  }
}

TEST_CASE("where one text ends and the next begins makes a difference") {
  const std::string text = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJ";
  for (const bool way : ways()) {
    const auto key = key_of(4, way);
    std::map<Fingerprint, std::size_t> seen;
    for (std::size_t border = 0; border <= text.size(); ++border) {
      const auto made = of(key, {text.substr(0, border), text.substr(border)});
      CHECK(seen.emplace(made, border).second);
    }
  }
}

namespace {

unsigned __int128 carryless_product(std::uint64_t a, std::uint64_t b) {
  unsigned __int128 out = 0;
  for (int bit = 0; bit < 64; ++bit) {
    if ((b >> bit & 1) != 0) out ^= static_cast<unsigned __int128>(a) << bit;
  }
  return out;
}

/// The words of a text as the steps meet them; the last step is what is left.
void append_words(std::vector<std::uint64_t>& out, const std::string& text) {
  const auto word = [&](std::size_t at, std::size_t bytes = 8) {
    std::uint64_t made = 0;
    for (std::size_t i = bytes; i-- > 0;) made = made << 8 | static_cast<unsigned char>(text[at + i]);
    return made;
  };
  const std::size_t size = text.size();
  if (size == 0) return;
  std::size_t at = 0;
  for (; at + 16 < size; at += 16) out.insert(out.end(), {word(at), word(at + 8)});
  const std::size_t left = size - at;
  if (size >= 16)
    out.insert(out.end(), {word(size - 16), word(size - 8)});
  else if (left >= 8)
    out.insert(out.end(), {word(0), word(size - 8)});
  else if (left >= 4)
    out.insert(out.end(), {word(0, 4), word(size - 4, 4)});
  else {
    std::uint64_t bytes = 0;
    for (const char c : text) bytes = bytes << 8 | static_cast<unsigned char>(c);
    out.insert(out.end(), {bytes, 0});
  }
}

}  // namespace

TEST_CASE("each half is NH or CLNH, as a plain sum says it") {
  constexpr std::size_t kSteps = 20;
  for (const bool carryless : ways()) {
    for (std::size_t size = 0; size <= 130; ++size) {
      std::mt19937_64 random(size);
      std::vector<std::uint64_t> words;
      const FingerprintKey key(
          kSteps, [&] { return words.emplace_back(random()); }, carryless);
      REQUIRE(words.size() == 2 * kSteps + FingerprintKey::kHeadWords + 2);
      std::vector<std::uint64_t> message;
      FingerprintSum sum(key);
      for (const std::size_t each : {size, std::size_t{3}, size}) {
        std::string text(each, ' ');
        for (char& c : text) c = static_cast<char>(random());
        sum.add(text);
        append_words(message, text);
      }
      FingerprintKey::Head head{};
      for (std::uint64_t& each : head) each = random();
      const Fingerprint made = sum.finish(head);

      const std::size_t of_texts = message.size();
      message.insert(message.end(), head.begin(), head.end());
      for (std::size_t half = 0; half < 2; ++half) {
        unsigned __int128 total = 0;
        for (std::size_t i = 0; i < message.size(); i += 2) {
          const std::size_t at = (i < of_texts ? i : i - of_texts + 2 * kSteps) + 2 * half;
          if (carryless) {
            total ^= carryless_product(message[i] ^ words[at], message[i + 1] ^ words[at + 1]);
          } else {
            total += static_cast<unsigned __int128>(message[i] + words[at]) * (message[i + 1] + words[at + 1]);
          }
        }
        CHECK_MESSAGE(made[2 * half] == static_cast<std::uint64_t>(total), "texts of " << size << ", " << carryless);
        CHECK_MESSAGE(made[2 * half + 1] == static_cast<std::uint64_t>(total >> 64), "texts of " << size);
      }
    }
  }
}
