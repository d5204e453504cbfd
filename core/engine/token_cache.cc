#include "core/engine/token_cache.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>

namespace meshauth::engine {
namespace {
/// What a set may hold: 16 tokens of usual size (about 900 bytes, 1.6 KiB with what they say), or one of the largest.
constexpr std::size_t kBytesPerSet = 26 * 1024;
/// The end of a token is its signature, which differs wherever anything differs; only tokens that verified are kept.
constexpr std::size_t kHashed = 64;
}  // namespace

TokenCache::TokenCache(std::size_t bytes, std::uint64_t seed)
    : seed_(seed), sets_(std::max<std::size_t>(1, bytes / kBytesPerSet)) {}

std::uint64_t TokenCache::hash(std::string_view token) const noexcept {
  const std::string_view tail = token.substr(token.size() - std::min(token.size(), kHashed));
  return XXH3_64bits_withSeed(tail.data(), tail.size(), seed_ ^ token.size()) | 1;
}

TokenCache::Set& TokenCache::set_of(std::uint64_t hash) noexcept {
  // The high half of a product spreads over any number of sets without a division.
  return sets_[static_cast<std::size_t>((static_cast<unsigned __int128>(hash) * sets_.size()) >> 64)];
}

std::size_t TokenCache::find_in(const Set& set, std::uint64_t hash, std::string_view token) noexcept {
  for (std::size_t i = 0; i < kWays; ++i) {
    if (set.hashes[i] == hash && set.ways[i].caller->token == token) return i;
  }
  return kWays;
}

/// Of a set with at least one in it.
std::size_t TokenCache::victim(const Set& set, double now) noexcept {
  std::size_t oldest = kWays;
  for (std::size_t i = 0; i < kWays; ++i) {
    if (set.hashes[i] == 0) continue;
    if (now >= set.ways[i].caller->expires) return i;
    if (oldest == kWays || set.ways[i].used < set.ways[oldest].used) oldest = i;
  }
  return oldest;
}

void TokenCache::clear(Set& set, std::size_t way) noexcept {
  set.bytes -= set.ways[way].bytes;
  bytes_ -= set.ways[way].bytes;
  --size_;
  set.hashes[way] = 0;
  set.ways[way] = {};
}

std::shared_ptr<Caller> TokenCache::find(std::string_view token, std::uint64_t hash) {
  Set& set = set_of(hash);
  const std::size_t way = find_in(set, hash, token);
  if (way == kWays) {
    ++misses_;
    return nullptr;
  }
  ++hits_;
  set.ways[way].used = ++tick_;
  return set.ways[way].caller;
}

void TokenCache::insert(std::shared_ptr<Caller> caller, std::uint64_t hash, double now) {
  const std::size_t bytes = size_of(*caller);
  if (bytes > kBytesPerSet) return;
  Set& set = set_of(hash);
  if (const std::size_t same = find_in(set, hash, caller->token); same != kWays) clear(set, same);
  const auto empty = [&] {
    return static_cast<std::size_t>(std::find(std::begin(set.hashes), std::end(set.hashes), 0) -
                                    std::begin(set.hashes));
  };
  std::size_t into = empty();
  while (into == kWays || set.bytes + bytes > kBytesPerSet) {
    clear(set, victim(set, now));
    into = empty();
  }
  set.hashes[into] = hash;
  set.ways[into] = Way{++tick_, bytes, std::move(caller)};
  set.bytes += bytes;
  bytes_ += bytes;
  ++size_;
}

void TokenCache::erase(std::string_view token, std::uint64_t hash) {
  Set& set = set_of(hash);
  if (const std::size_t way = find_in(set, hash, token); way != kWays) clear(set, way);
}

}  // namespace meshauth::engine
