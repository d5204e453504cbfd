#include "core/engine/answer_cache.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

namespace meshauth::engine {
namespace {

constexpr std::size_t kRemembered = 4096;  ///< requests that were asked once

std::uint64_t mixed(std::uint64_t a, std::uint64_t b) noexcept {
  const auto product = static_cast<unsigned __int128>(a ^ 0x9e3779b97f4a7c15) * (b ^ 0xd1b54a32d192ed03);
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

template <class Word>
std::uint64_t word_at(const char* at) noexcept {
  Word word;
  std::memcpy(&word, at, sizeof word);
  return word;
}

/// Of its size, its end and its middle: enough to tell most requests apart, and all of it is compared later.
std::uint64_t mixed_in(std::uint64_t hash, std::string_view text) noexcept {
  const char* const at = text.data();
  const std::size_t size = text.size();
  if (size >= 8)
    return mixed(hash ^ word_at<std::uint64_t>(at + size - 8), word_at<std::uint64_t>(at + (size - 8) / 2) + size);
  if (size >= 4) return mixed(hash ^ word_at<std::uint32_t>(at + size - 4), word_at<std::uint32_t>(at) << 32 | size);
  std::uint64_t bytes = size;
  for (const char c : text) bytes = bytes << 8 | static_cast<unsigned char>(c);
  return mixed(hash, bytes);
}

std::uint8_t bits_of(const Options& options) noexcept {
  const auto& allow = options.path_allow;
  return static_cast<std::uint8_t>((allow.encoded_slash ? 1 : 0) | (allow.semicolon ? 2 : 0) |
                                   (allow.double_slash ? 4 : 0) | (options.preflight == Preflight::Pass ? 8 : 0));
}

/// Are the bytes at `at` those of the text? Then `at` moves behind them. Most texts are short.
bool take(const char*& at, std::string_view text) noexcept {
  const char* const a = std::exchange(at, at + text.size());
  const char* const b = text.data();
  const std::size_t size = text.size();
  if (size > 16) return std::memcmp(a, b, size) == 0;
  if (size >= 8)
    return word_at<std::uint64_t>(a) == word_at<std::uint64_t>(b) &&
           word_at<std::uint64_t>(a + size - 8) == word_at<std::uint64_t>(b + size - 8);
  for (std::size_t i = 0; i < size; ++i) {
    if (a[i] != b[i]) return false;
  }
  return true;
}

}  // namespace

AnswerCache::AnswerCache(std::size_t answers, std::uint64_t seed, Count count)
    : seed_(seed),
      count_(std::move(count)),
      sets_(std::bit_ceil(std::clamp<std::size_t>(answers, kWays, kMost) / kWays)),
      once_(kRemembered) {}

void AnswerCache::read(const Snapshot& snapshot, const HttpRequest& request, const Options& options) {
  asked_.hash = 0;
  asked_.lines = 0;
  std::size_t total = 0;
  std::uint64_t hash = mixed_in(mixed_in(seed_ ^ bits_of(options), request.method), request.target);
  for (const Header& header : request.headers) {
    total += header.name.size() + header.value.size();
    const std::size_t index = snapshot.deciding_header(header.name);
    if (index == Snapshot::kNoHeader) continue;
    if (index == Snapshot::kOwnHeader || asked_.lines == kMostLines) return;
    asked_.line[asked_.lines++] = {index, header.value};
    hash = mixed_in(hash ^ index, header.value);
  }
  // More than that in all of them may be more than decide() takes, and is no usual request.
  if (total <= kMaxHeaderValueBytes) asked_.hash = hash | 1;
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
  const char* at = answer.text.get();
  if (!take(at, request.method) || !take(at, request.target)) return false;
  for (std::size_t i = 0; i < asked_.lines; ++i) {
    std::string_view value = asked_.line[i].value;
    if (i == answer.token_line) {
      if (!take(at, value.substr(0, answer.token_at))) return false;
      value.remove_prefix(answer.token_at);
      if (std::memcmp(value.data(), answer.token.data(), answer.token.size()) != 0) return false;
      value.remove_prefix(answer.token.size());
    }
    if (!take(at, value)) return false;
  }
  return true;
}

/// Asks for everything that will be looked at, at once: it is all cold, and each would be waited for.
void AnswerCache::fetch(const Answer& answer) noexcept {
  constexpr std::size_t kCacheLine = 64;
  __builtin_prefetch(&answer.peer);
  __builtin_prefetch(answer.text.get());
  __builtin_prefetch(reinterpret_cast<const char*>(answer.outcome.get()) - 8, 1);  // make_shared counts before it
  for (std::size_t at = 0; at < answer.token.size(); at += kCacheLine) __builtin_prefetch(answer.token.data() + at);
}

std::shared_ptr<const Outcome> AnswerCache::find(const Snapshot& snapshot, const HttpRequest& request,
                                                 const Options& options, double now) {
  read(snapshot, request, options);
  if (asked_.hash == 0) return nullptr;
  Set& set = set_of(asked_.hash);
  for (std::size_t i = 0; i < kWays; ++i) {
    if (set.hashes[i] != asked_.hash) continue;
    Answer& answer = set.ways[i];
    fetch(answer);
    if (answer.version == snapshot.version() && now < answer.until && answer.options == bits_of(options) &&
        same(answer, request)) {
      ++answer.given;
      return answer.outcome;
    }
  }
  return nullptr;
}

bool AnswerCache::asked_before() {
  const auto print = static_cast<std::uint32_t>(asked_.hash >> 32 | 1);
  return std::exchange(once_[(asked_.hash >> 1) % once_.size()], print) == print;
}

std::optional<AnswerCache::Answer> AnswerCache::make(const HttpRequest& request, const Outcome& outcome) const {
  std::optional<Answer> out(std::in_place);
  const std::string_view token = outcome.caller->token;
  std::size_t bytes = request.method.size() + request.target.size();
  std::size_t with_token = 0;
  for (std::size_t i = 0; i < asked_.lines; ++i) {
    const std::string_view value = asked_.line[i].value;
    bytes += value.size();
    const std::size_t at = value.find(token);
    if (at == std::string_view::npos) continue;
    ++with_token;
    out->token_line = static_cast<std::uint8_t>(i);
    out->token_at = static_cast<std::uint16_t>(at);
  }
  if (with_token != 1 || token.size() > kMostTokenBytes || bytes > kMostOtherBytes + token.size()) return std::nullopt;
  out->text = std::make_unique<char[]>(bytes - token.size());
  char* to = out->text.get();
  const auto append = [&](std::string_view text) { to = std::copy(text.begin(), text.end(), to); };
  append(request.method);
  append(request.target);
  for (std::size_t i = 0; i < asked_.lines; ++i) {
    std::string_view value = asked_.line[i].value;
    out->header[i] = static_cast<std::uint8_t>(asked_.line[i].header);
    out->line_size[i] = static_cast<std::uint16_t>(value.size());
    if (i == out->token_line) {
      append(value.substr(0, out->token_at));
      value.remove_prefix(out->token_at + token.size());
    }
    append(value);
  }
  out->lines = static_cast<std::uint8_t>(asked_.lines);
  out->method_size = static_cast<std::uint16_t>(request.method.size());
  out->target_size = static_cast<std::uint16_t>(request.target.size());
  out->peer = request.peer;
  out->port = request.port;
  out->token = token;
  return out;
}

void AnswerCache::keep(const Snapshot& snapshot, const HttpRequest& request, const Options& options, double now,
                       const std::shared_ptr<const Outcome>& outcome) {
  const bool plain = outcome->allow && outcome->caller && !outcome->token_failed && !outcome->audit;
  // Where an audit policy names a provider of its own, another look at the token is compared with this one each time.
  if (asked_.hash == 0 || !plain || snapshot.views_differ() || !asked_before()) return;
  auto answer = make(request, *outcome);
  if (!answer) return;
  answer->version = snapshot.version();
  answer->until = std::min(outcome->caller->expires, snapshot.next_stale(now));
  answer->options = bits_of(options);
  answer->outcome = outcome;
  Set& set = set_of(asked_.hash);
  const auto old = [&](std::size_t i) {
    return set.hashes[i] == 0 || set.ways[i].version != snapshot.version() || now >= set.ways[i].until;
  };
  std::size_t into = next_victim_++ % kWays;
  for (std::size_t i = 0; i < kWays; ++i) {
    if (old(i)) into = i;
  }
  if (set.hashes[into] == 0) {
    ++size_;
  } else {
    tell(set.ways[into]);
  }
  set.hashes[into] = asked_.hash;
  set.ways[into] = std::move(*answer);
}

void AnswerCache::tell(Answer& answer) const {
  if (answer.given != 0) count_(*answer.outcome, std::exchange(answer.given, 0));
}

void AnswerCache::settle(std::uint64_t version, double now) {
  if (size_ == 0) return;
  for (Set& set : sets_) {
    for (std::size_t i = 0; i < kWays; ++i) {
      if (set.hashes[i] == 0) continue;
      Answer& answer = set.ways[i];
      tell(answer);
      if (answer.version == version && now < answer.until) continue;
      set.hashes[i] = 0;
      answer = {};
      --size_;
    }
  }
}

}  // namespace meshauth::engine
