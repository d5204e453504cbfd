#include "core/engine/token_cache.h"

#include <doctest/doctest.h>

using namespace meshauth::engine;

namespace {

/// The cache, asked by the token alone.
struct ByToken {
  TokenCache cache;

  ByToken(std::size_t bytes, std::uint64_t seed) : cache(bytes, seed) {}
  std::shared_ptr<Caller> find(std::string_view token) { return cache.find(token, cache.hash(token)); }
  void insert(std::shared_ptr<Caller> caller, double now) {
    const std::uint64_t hash = cache.hash(caller->token);
    cache.insert(std::move(caller), hash, now);
  }
  void erase(std::string_view token) { cache.erase(token, cache.hash(token)); }
  std::size_t size() const { return cache.size(); }
  std::size_t bytes() const { return cache.bytes(); }
  std::uint64_t hits() const { return cache.hits(); }
  std::uint64_t misses() const { return cache.misses(); }
};

std::shared_ptr<Caller> caller(const std::string& token, double expires = 100) {
  auto out = std::make_shared<Caller>();
  out->token = token;
  out->expires = expires;
  return out;
}

}  // namespace

TEST_CASE("what was put in is found by its whole token") {
  ByToken cache(1 << 20, 1);
  cache.insert(caller("a.b.c"), 0);
  REQUIRE(cache.find("a.b.c"));
  CHECK(cache.find("a.b.c")->token == "a.b.c");
  CHECK_FALSE(cache.find("a.b.d"));
  CHECK_FALSE(cache.find("a.b.c "));
  CHECK_FALSE(cache.find(""));
  CHECK(cache.hits() == 2);
  CHECK(cache.misses() == 3);
  cache.erase("a.b.c");
  CHECK_FALSE(cache.find("a.b.c"));
  CHECK(cache.size() == 0);
  CHECK(cache.bytes() == 0);
}

TEST_CASE("another token with the same hash is another token") {
  TokenCache cache(1 << 20, 1);
  cache.insert(caller("a"), 7, 0);
  CHECK(cache.find("a", 7));
  CHECK_FALSE(cache.find("b", 7));
  CHECK_FALSE(cache.find("aa", 7));
  CHECK_FALSE(cache.find("", 7));
  cache.erase("b", 7);
  cache.insert(caller("b"), 7, 0);
  REQUIRE(cache.find("a", 7));
  REQUIRE(cache.find("b", 7));
  CHECK(cache.find("a", 7)->token == "a");
  CHECK(cache.find("b", 7)->token == "b");
  cache.insert(caller("cd"), 7, 0);
  CHECK_FALSE(cache.find("c", 7));
  CHECK(cache.size() == 3);
}

TEST_CASE("the same token takes its own place") {
  ByToken cache(1 << 20, 1);
  cache.insert(caller("a", 1), 0);
  cache.insert(caller("a", 2), 0);
  CHECK(cache.size() == 1);
  CHECK(cache.find("a")->expires == 2);
}

TEST_CASE("it never holds more than it may, whatever comes") {
  constexpr std::size_t kBytes = 256 * 1024;
  ByToken cache(kBytes, 1);
  for (int i = 0; i < 20000; ++i) {
    cache.insert(caller(std::string(static_cast<std::size_t>(200 + i % 15000), 'x') + std::to_string(i)), 0);
    REQUIRE(cache.bytes() <= kBytes);
  }
  CHECK(cache.size() > 5);
}

TEST_CASE("the largest token that is accepted still has a place") {
  ByToken cache(kMinTokenCacheBytes, 1);
  const std::string large(16 * 1024, 'x');
  cache.insert(caller(large), 0);
  CHECK(cache.find(large));
}

TEST_CASE("an expired one makes room before one that is in use, and that before the rest") {
  ByToken cache(1, 1);  // one set of 16 ways
  for (int i = 0; i < 16; ++i) cache.insert(caller(std::to_string(i), i == 9 ? 5 : 100), 0);
  REQUIRE(cache.size() == 16);
  for (int i = 1; i < 16; ++i) CHECK(cache.find(std::to_string(i)));  // 0 is the one not used for longest
  cache.insert(caller("new"), 10);
  CHECK_FALSE(cache.find("9"));
  CHECK(cache.find("0"));
  CHECK(cache.find("2"));
  cache.insert(caller("newer"), 10);
  CHECK_FALSE(cache.find("1"));
  CHECK(cache.find("new"));
}

TEST_CASE("another seed makes other sets") {
  ByToken a(1 << 20, 1), b(1 << 20, 2);
  int both = 0;
  // Tokens that meet in one set of `a` do not all meet in one of `b`: fill each beyond one set's ways and compare.
  for (int i = 0; i < 2000; ++i) {
    a.insert(caller(std::to_string(i)), 0);
    b.insert(caller(std::to_string(i)), 0);
  }
  for (int i = 0; i < 2000; ++i) both += a.find(std::to_string(i)) && b.find(std::to_string(i)) ? 1 : 0;
  CHECK(a.size() < 2000);
  CHECK(both < static_cast<int>(a.size()));
}
