#include "core/engine/answer_cache.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <new>
#include <utility>

#include "core/base/mixing.h"

namespace meshauth::engine {
namespace {

constexpr std::size_t kRemembered = 4096;  ///< requests that were asked once

/// Of its size, its end and its middle: enough to tell most requests apart, and all of it is compared later.
std::uint64_t mixed_in(std::uint64_t hash, std::string_view text) noexcept {
  const char* const at = text.data();
  const std::size_t size = text.size();
  if (size >= 8)
    return mixed(hash ^ load_word<std::uint64_t>(at + size - 8), load_word<std::uint64_t>(at + (size - 8) / 2) + size);
  if (size >= 4)
    return mixed(hash ^ load_word<std::uint32_t>(at + size - 4), load_word<std::uint32_t>(at) << 32 | size);
  std::uint64_t bytes = size;
  for (const char c : text) bytes = bytes << 8 | static_cast<unsigned char>(c);
  return mixed(hash, bytes);
}

std::uint8_t bits_of(const Options& options) noexcept {
  const auto& allow = options.path_allow;
  return static_cast<std::uint8_t>((allow.encoded_slash ? 1 : 0) | (allow.semicolon ? 2 : 0) |
                                   (allow.double_slash ? 4 : 0) | (options.preflight == Preflight::Pass ? 8 : 0));
}

constexpr std::uint16_t tag_of(std::uint64_t hash) noexcept {
  return static_cast<std::uint16_t>(hash >> 16 | 1);
}

/// Are the bytes at `at` those of the text? Then `at` moves behind them.
bool take(const char*& at, std::string_view text) noexcept {
  return std::memcmp(std::exchange(at, at + text.size()), text.data(), text.size()) == 0;
}

}  // namespace

/// One block of memory: this, then method, target and the values of the lines.
struct alignas(64) AnswerCache::Answer {
  std::uint64_t version = 0;  ///< of the snapshot
  double until = 0;           ///< unix seconds
  std::uint64_t given = 0;    ///< not told yet
  std::uint32_t refs = 1;     ///< the cache's is one
  std::uint16_t port = 0, method_size = 0, target_size = 0;
  std::uint8_t options = 0, lines = 0;
  std::array<std::uint8_t, kMostLines> header{};
  std::array<std::uint16_t, kMostLines> line_size{};
  IpAddress peer;
  std::shared_ptr<const Outcome> outcome;

  char* text() noexcept { return reinterpret_cast<char*>(this + 1); }
  const char* text() const noexcept { return reinterpret_cast<const char*>(this + 1); }

  void release() noexcept {
    if (--refs != 0) return;
    this->~Answer();
    ::operator delete(this, std::align_val_t(alignof(Answer)));
  }
};

AnswerCache::Ref::Ref(Answer* answer) noexcept : answer_(answer) {
  ++answer_->refs;
}
AnswerCache::Ref::~Ref() {
  if (answer_ != nullptr) answer_->release();
}
const Outcome& AnswerCache::Ref::operator*() const noexcept {
  return *answer_->outcome;
}

AnswerCache::AnswerCache(std::size_t answers, std::uint64_t seed, Count count)
    : seed_(seed),
      count_(std::move(count)),
      sets_(std::bit_ceil(std::clamp<std::size_t>(answers, kWays, kMost) / kWays)),
      once_(kRemembered) {}

AnswerCache::~AnswerCache() {
  for (Set& set : sets_) {
    for (Answer* answer : set.ways) {
      if (answer != nullptr) answer->release();
    }
  }
}

void AnswerCache::read(const Snapshot& snapshot, const HttpRequest& request, const Options& options) {
  asked_.hash = 0;
  asked_.lines = 0;
  asked_.bytes = request.method.size() + request.target.size();
  std::size_t total = 0;
  std::uint64_t hash = mixed_in(mixed_in(seed_ ^ bits_of(options), request.method), request.target);
  for (const Header& header : request.headers) {
    total += header.name.size() + header.value.size();
    const std::size_t index = snapshot.deciding_header(header.name);
    if (index == Snapshot::kNoHeader) continue;
    if (index == Snapshot::kOwnHeader || asked_.lines == kMostLines) return;
    asked_.line[asked_.lines++] = {index, header.value};
    asked_.bytes += header.value.size();
    hash = mixed_in(hash ^ index, header.value);
  }
  // More than that in all of them may be more than decide() takes, and is no usual request.
  if (total <= kMaxHeaderValueBytes && asked_.bytes <= kMostBytes) asked_.hash = hash | 1;
}

bool AnswerCache::same(const Answer& answer, const HttpRequest& request) const {
  if (answer.lines != asked_.lines || answer.method_size != request.method.size() ||
      answer.target_size != request.target.size() || answer.port != request.port || answer.peer != request.peer) {
    return false;
  }
  // All sizes are compared before any bytes: no look goes beyond the text.
  for (std::size_t i = 0; i < asked_.lines; ++i) {
    if (asked_.line[i].header != answer.header[i] || asked_.line[i].value.size() != answer.line_size[i]) return false;
  }
  const char* at = answer.text();
  if (!take(at, request.method) || !take(at, request.target)) return false;
  for (std::size_t i = 0; i < asked_.lines; ++i) {
    if (!take(at, asked_.line[i].value)) return false;
  }
  return true;
}

AnswerCache::Ref AnswerCache::find(const Snapshot& snapshot, const HttpRequest& request, const Options& options,
                                   double now) {
  read(snapshot, request, options);
  if (asked_.hash == 0) return {};
  Set& set = set_of(asked_.hash);
  for (std::size_t i = 0; i < kWays; ++i) {
    if (set.tags[i] != tag_of(asked_.hash)) continue;
    Answer& answer = *set.ways[i];
    constexpr std::size_t kCacheLine = 64;
    for (std::size_t at = 0; at < sizeof(Answer) + asked_.bytes; at += kCacheLine)
      __builtin_prefetch(reinterpret_cast<const char*>(&answer) + at);
    if (answer.version == snapshot.version() && now < answer.until && answer.options == bits_of(options) &&
        same(answer, request)) {
      ++answer.given;
      return Ref(&answer);
    }
  }
  return {};
}

bool AnswerCache::asked_before() {
  const auto print = static_cast<std::uint32_t>(asked_.hash >> 32 | 1);
  return std::exchange(once_[(asked_.hash >> 1) % once_.size()], print) == print;
}

AnswerCache::Answer* AnswerCache::make(const HttpRequest& request) const {
  void* const block = ::operator new(sizeof(Answer) + asked_.bytes, std::align_val_t(alignof(Answer)));
  auto* const out = new (block) Answer;
  char* to = out->text();
  const auto append = [&](std::string_view text) { to = std::copy(text.begin(), text.end(), to); };
  append(request.method);
  append(request.target);
  for (std::size_t i = 0; i < asked_.lines; ++i) {
    out->header[i] = static_cast<std::uint8_t>(asked_.line[i].header);
    out->line_size[i] = static_cast<std::uint16_t>(asked_.line[i].value.size());
    append(asked_.line[i].value);
  }
  out->lines = static_cast<std::uint8_t>(asked_.lines);
  out->method_size = static_cast<std::uint16_t>(request.method.size());
  out->target_size = static_cast<std::uint16_t>(request.target.size());
  out->peer = request.peer;
  out->port = request.port;
  return out;
}

void AnswerCache::keep(const Snapshot& snapshot, const HttpRequest& request, const Options& options, double now,
                       const std::shared_ptr<const Outcome>& outcome) {
  const bool plain = outcome->allow && outcome->caller && !outcome->token_failed && !outcome->audit;
  // Where an audit policy names a provider of its own, another look at the token is compared with this one each time.
  if (asked_.hash == 0 || !plain || snapshot.views_differ() || !asked_before()) return;
  Set& set = set_of(asked_.hash);
  const auto old = [&](std::size_t i) {
    return set.tags[i] == 0 || set.ways[i]->version != snapshot.version() || now >= set.ways[i]->until;
  };
  std::size_t into = next_victim_++ % kWays;
  for (std::size_t i = 0; i < kWays; ++i) {
    if (old(i)) into = i;
  }
  if (set.tags[into] != 0) drop(set, into);
  Answer* const answer = make(request);
  answer->version = snapshot.version();
  answer->until = std::min(outcome->caller->expires, snapshot.next_stale(now));
  answer->options = bits_of(options);
  answer->outcome = outcome;
  set.tags[into] = tag_of(asked_.hash);
  set.ways[into] = answer;
  ++size_;
}

/// Of a way that is not empty.
void AnswerCache::drop(Set& set, std::size_t way) {
  Answer& answer = *set.ways[way];
  if (answer.given != 0) count_(*answer.outcome, std::exchange(answer.given, 0));
  set.tags[way] = 0;
  set.ways[way] = nullptr;
  --size_;
  answer.release();
}

void AnswerCache::settle(std::uint64_t version, double now) {
  if (size_ == 0) return;
  for (Set& set : sets_) {
    for (std::size_t i = 0; i < kWays; ++i) {
      if (set.tags[i] == 0) continue;
      Answer& answer = *set.ways[i];
      if (answer.version != version || now >= answer.until) {
        drop(set, i);
      } else if (answer.given != 0) {
        count_(*answer.outcome, std::exchange(answer.given, 0));
      }
    }
  }
}

}  // namespace meshauth::engine
