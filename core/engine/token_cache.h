// Verified tokens of one worker: bounded sets of a fixed number of ways. Refusals are never kept.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "core/engine/caller.h"

namespace meshauth::engine {

constexpr std::size_t kDefaultTokenCacheBytes = std::size_t{16} * 1024 * 1024;
constexpr std::size_t kMinTokenCacheBytes = std::size_t{64} * 1024;

/// Not thread-safe. A hit is a hit of the whole token: the seeded hash (of its end) only finds the set, so that nobody
/// who does not know the seed can choose which set he fills.
class TokenCache {
 public:
  /// bytes: about how much memory the entries may take. seed: random, per process.
  TokenCache(std::size_t bytes, std::uint64_t seed);

  /// What the functions below take together with the token, so that it is made once. Never 0.
  std::uint64_t hash(std::string_view token) const noexcept;

  /// nullptr: not there.
  std::shared_ptr<Caller> find(std::string_view token, std::uint64_t hash);
  /// Takes the place of the same token, else of an empty, an expired or the least recently used one.
  void insert(std::shared_ptr<Caller> caller, std::uint64_t hash, double now);
  void erase(std::string_view token, std::uint64_t hash);

  std::size_t size() const { return size_; }
  std::size_t bytes() const { return bytes_; }
  std::uint64_t hits() const { return hits_; }
  std::uint64_t misses() const { return misses_; }

 private:
  static constexpr std::size_t kWays = 16;
  struct Way {
    std::uint64_t used = 0;  // tick of the last use
    std::size_t bytes = 0;
    std::shared_ptr<Caller> caller;
  };
  struct Set {
    std::uint64_t hashes[kWays] = {};  // together, since all are looked at; 0: empty
    Way ways[kWays];
    std::size_t bytes = 0;
  };

  Set& set_of(std::uint64_t hash) noexcept;
  static std::size_t find_in(const Set& set, std::uint64_t hash, std::string_view token) noexcept;  // kWays: not there
  static std::size_t victim(const Set& set, double now) noexcept;
  void clear(Set& set, std::size_t way) noexcept;

  std::uint64_t seed_;
  std::uint64_t tick_ = 0, hits_ = 0, misses_ = 0;
  std::size_t size_ = 0, bytes_ = 0;
  std::vector<Set> sets_;
};

}  // namespace meshauth::engine
