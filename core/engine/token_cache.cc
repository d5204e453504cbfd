#include "core/engine/token_cache.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>

namespace meshauth::engine {
namespace {
/// What a set may hold: 16 tokens of usual size (about 900 bytes, 1.6 KiB with what they say), or one of the largest.
constexpr std::size_t kBytesPerSet = 26 * 1024;
}  // namespace

TokenCache::TokenCache(std::size_t bytes, std::uint64_t seed)
    : seed_(seed), sets_(std::max<std::size_t>(1, bytes / kBytesPerSet)) {}

std::uint64_t TokenCache::hash(std::string_view token) const noexcept {
  return XXH3_64bits_withSeed(token.data(), token.size(), seed_);
}

TokenCache::Set& TokenCache::set_of(std::uint64_t hash) noexcept {
  // The high half of a product spreads over any number of sets without a division.
  return sets_[static_cast<std::size_t>((static_cast<unsigned __int128>(hash) * sets_.size()) >> 64)];
}

TokenCache::Way* TokenCache::find_in(Set& set, std::uint64_t hash, std::string_view token) noexcept {
  for (Way& way : set.ways) {
    if (way.caller && way.hash == hash && way.caller->token == token) return &way;
  }
  return nullptr;
}

TokenCache::Way* TokenCache::victim(Set& set, double now) noexcept {
  Way* oldest = nullptr;
  for (Way& way : set.ways) {
    if (!way.caller) continue;
    if (now >= way.caller->expires) return &way;
    if (!oldest || way.used < oldest->used) oldest = &way;
  }
  return oldest;
}

void TokenCache::clear(Set& set, Way& way) noexcept {
  set.bytes -= way.bytes;
  bytes_ -= way.bytes;
  --size_;
  way = {};
}

std::shared_ptr<Caller> TokenCache::find(std::string_view token) {
  const std::uint64_t key = hash(token);
  Way* way = find_in(set_of(key), key, token);
  if (!way) {
    ++misses_;
    return nullptr;
  }
  ++hits_;
  way->used = ++tick_;
  return way->caller;
}

void TokenCache::insert(std::shared_ptr<Caller> caller, double now) {
  const std::size_t bytes = size_of(*caller);
  if (bytes > kBytesPerSet) return;
  const std::uint64_t key = hash(caller->token);
  Set& set = set_of(key);
  if (Way* same = find_in(set, key, caller->token)) clear(set, *same);
  const auto empty = [&] {
    return std::find_if(std::begin(set.ways), std::end(set.ways), [](const Way& way) { return !way.caller; });
  };
  auto into = empty();
  while (into == std::end(set.ways) || set.bytes + bytes > kBytesPerSet) {
    clear(set, *victim(set, now));
    into = empty();
  }
  *into = Way{key, ++tick_, bytes, std::move(caller)};
  set.bytes += bytes;
  bytes_ += bytes;
  ++size_;
}

void TokenCache::erase(std::string_view token) {
  const std::uint64_t key = hash(token);
  Set& set = set_of(key);
  if (Way* way = find_in(set, key, token)) clear(set, *way);
}

}  // namespace meshauth::engine
