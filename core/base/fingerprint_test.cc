#include "core/base/fingerprint.h"

#include <doctest/doctest.h>

#include <map>
#include <random>
#include <string>

using namespace meshauth;

namespace {

FingerprintKey key_of(std::uint64_t seed, std::size_t steps = 64) {
  std::mt19937_64 random(seed);
  return {steps, [&] { return random(); }};
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
  const auto key = key_of(1), same = key_of(1), other = key_of(2);
  const std::vector<std::string> texts = {"GET", "/orders/7", std::string(900, 'x')};
  CHECK(of(key, texts) == of(same, texts));
  CHECK(of(key, texts) != of(other, texts));
}

TEST_CASE("every byte at every place, every size and every word of the head makes a difference") {
  const auto key = key_of(3);
  std::map<Fingerprint, std::string> seen;
  const auto differs = [&](const Fingerprint& made, const std::string& what) {
    const auto [at, is_new] = seen.emplace(made, what);
    CHECK_MESSAGE(is_new, what << " is as " << at->second);
    for (std::size_t half = 0; half < made.size(); half += 2) CHECK((made[half] != 0 || made[half + 1] != 0));
  };
  for (std::size_t size = 0; size <= 70; ++size) {
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

TEST_CASE("where one text ends and the next begins makes a difference") {
  const auto key = key_of(4);
  const std::string text = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJ";
  std::map<Fingerprint, std::size_t> seen;
  for (std::size_t border = 0; border <= text.size(); ++border) {
    const auto made = of(key, {text.substr(0, border), text.substr(border)});
    CHECK(seen.emplace(made, border).second);
  }
}

TEST_CASE("each half is NH, as a plain sum says it") {
  std::mt19937_64 random(5);
  std::vector<std::uint64_t> words;
  const FingerprintKey key(2, [&] { return words.emplace_back(random()); });
  REQUIRE(words.size() == 2 * 2 + FingerprintKey::kHeadWords + 2);
  const std::string text = "abcdefghijklmnopABCDEFGH";
  const auto word = [&](std::size_t at) {
    std::uint64_t out = 0;
    for (std::size_t i = 8; i-- > 0;) out = out << 8 | static_cast<unsigned char>(text[at + i]);
    return out;
  };
  // The second step is what is left, the last 16 bytes: they overlap with the first.
  std::vector<std::uint64_t> message = {word(0), word(8), word(8), word(16)};
  FingerprintKey::Head head{};
  for (std::uint64_t& each : head) message.push_back(each = random());
  FingerprintSum sum(key);
  sum.add(text);
  const Fingerprint made = sum.finish(head);
  for (std::size_t half = 0; half < 2; ++half) {
    unsigned __int128 total = 0;
    for (std::size_t i = 0; i < message.size(); i += 2) {
      const std::uint64_t first = message[i] + words[i + 2 * half], second = message[i + 1] + words[i + 1 + 2 * half];
      total += static_cast<unsigned __int128>(first) * second;
    }
    CHECK(made[2 * half] == static_cast<std::uint64_t>(total));
    CHECK(made[2 * half + 1] == static_cast<std::uint64_t>(total >> 64));
  }
}
