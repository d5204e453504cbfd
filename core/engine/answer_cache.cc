#include "core/engine/answer_cache.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <optional>
#include <utility>

#include "core/base/mixing.h"

namespace meshauth::engine {
namespace {

constexpr std::size_t kWays = 16;            ///< slots that one request may be in
constexpr std::size_t kRemembered = 4096;    ///< requests that were asked once
constexpr std::size_t kLastHeader = 0xfffe;  ///< number of a header that the head of a fingerprint can name

std::uint8_t bits_of(const Options& options) noexcept {
  const auto& allow = options.path_allow;
  return static_cast<std::uint8_t>((allow.encoded_slash ? 1 : 0) | (allow.semicolon ? 2 : 0) |
                                   (allow.double_slash ? 4 : 0) | (options.preflight == Preflight::Pass ? 8 : 0));
}

/// Of its size and its end: enough to tell most requests apart, since what is found is told apart by its fingerprint.
[[gnu::hot, gnu::noinline]] std::uint64_t mixed_in(std::uint64_t hash, std::string_view text) noexcept {
  std::uint64_t bytes = 0;
  if (text.size() >= sizeof bytes) {
    bytes = load_word<std::uint64_t>(text.data() + text.size() - sizeof bytes);
  } else {
    for (const char c : text) bytes = bytes << 8 | static_cast<unsigned char>(c);
  }
  return mixed(hash ^ bytes, text.size());
}

/// That a request is kept in if it is free.
constexpr std::size_t way_of(std::uint64_t hash) noexcept {
  static_assert(kWays == 16);
  return hash >> 60;
}

constexpr std::uint8_t tag_of(std::uint64_t hash) noexcept {
  return static_cast<std::uint8_t>(hash >> 24 | 1);
}

/// What every request touches of its set; one that comes again, once more at its end.
struct alignas(64) Set {
  static constexpr std::uint16_t kMostRefs = 0xffff;

  std::array<std::uint64_t, kWays / 8> tags{};  // a byte of the hash for each way; 0: empty
  std::array<std::uint16_t, kWays> refs{};      // a way that has some is not filled anew

  bool empty(std::size_t way) const noexcept { return (tags[way / 8] >> way % 8 * 8 & 0xff) == 0; }
  void set(std::size_t way, std::uint8_t tag) noexcept {
    std::uint64_t& eight = tags[way / 8];
    const auto shift = way % 8 * 8;
    eight = (eight & ~(std::uint64_t{0xff} << shift)) | std::uint64_t{tag} << shift;
  }

  /// A bit for each way with that tag, and perhaps for one behind it. Without a branch: nobody can predict which it is.
  std::uint32_t ways_of(std::uint8_t tag) const noexcept {
    constexpr std::uint64_t kLow = 0x0101010101010101, kHigh = kLow << 7;
    std::uint32_t out = 0;
    for (std::size_t i = tags.size(); i-- > 0;) {
      const std::uint64_t unlike = tags[i] ^ kLow * tag;
      const std::uint64_t equal = ((unlike - kLow) & ~unlike & kHigh) >> 7;  // a 1 in each byte
      out = out << 8 | static_cast<std::uint32_t>(equal * 0x0102040810204080 >> 56);
    }
    return out;
  }
};

bool same(const Fingerprint& a, const Fingerprint& b) noexcept {
  return ((a[0] ^ b[0]) | (a[1] ^ b[1]) | (a[2] ^ b[2]) | (a[3] ^ b[3])) == 0;
}

/// All that a request which comes again looks at.
struct alignas(64) Answer {
  Fingerprint fingerprint{};  ///< of the request
  std::uint64_t version = 0;  ///< of the snapshot
  double until = 0;           ///< unix seconds
  std::uint64_t given = 0;    ///< not told yet
};

}  // namespace

struct AnswerCache::Slots {
  explicit Slots(std::size_t count) : sets(count), answers(count * kWays), outcomes(count * kWays) {}

  bool empty(std::size_t slot) const { return sets[slot / kWays].empty(slot % kWays); }
  std::uint16_t& refs(std::size_t slot) { return sets[slot / kWays].refs[slot % kWays]; }

  std::vector<Set> sets;
  std::vector<Answer> answers;  // by slot: a way of a set
  std::vector<std::shared_ptr<const Outcome>> outcomes;
  std::size_t all_refs = 0;
  bool orphaned = false;  // without a cache: the last ref frees this
};

AnswerCache::Ref::Ref(Slots& slots, std::size_t slot) noexcept : slots_(&slots), slot_(slot) {
  ++slots.refs(slot);
  ++slots.all_refs;
}
[[gnu::hot]] AnswerCache::Ref::~Ref() {
  if (slots_ == nullptr) return;
  const auto left = --slots_->refs(slot_);
  if (--slots_->all_refs == 0 || (left == 0 && slots_->empty(slot_))) last_of(*slots_, slot_);
}
/// Of all refs, or of those of a slot that is empty by now. Apart, since no usual request comes here.
void AnswerCache::Ref::last_of(Slots& slots, std::size_t slot) noexcept {
  if (slots.refs(slot) == 0 && slots.empty(slot)) slots.outcomes[slot].reset();
  if (slots.orphaned && slots.all_refs == 0) delete &slots;
}
const Outcome& AnswerCache::Ref::operator*() const noexcept {
  return *slots_->outcomes[slot_];
}

AnswerCache::AnswerCache(std::size_t answers, const std::function<std::uint64_t()>& random, Count count)
    : key_(kMostBytes / FingerprintKey::kStep + 2 + kMostLines, random),
      seed_(random()),
      count_(std::move(count)),
      slots_(std::make_unique<Slots>(std::bit_ceil(std::clamp<std::size_t>(answers, kWays, kMost) / kWays))),
      once_(kRemembered / kPrints) {}

AnswerCache::~AnswerCache() {
  if (slots_->all_refs == 0) return;
  slots_->orphaned = true;
  static_cast<void>(slots_.release());
}

[[gnu::hot]] void AnswerCache::read(const Snapshot& snapshot, const HttpRequest& request, const Options& options) {
  asked_.hash = 0;
  asked_.method = request.method;
  asked_.target = request.target;
  asked_.lines = 0;
  std::size_t kept = request.method.size() + request.target.size(), total = kept;
  FingerprintKey::Head& head = asked_.head;
  head = {std::uint64_t{bits_of(options)} | std::uint64_t{request.port} << 16 | request.method.size() << 32 |
          request.target.size() << 48};
  static_assert(sizeof request.peer == 16);
  std::memcpy(&head[1], &request.peer, sizeof request.peer);
  std::uint64_t hash = mixed_in(seed_, request.target);
  for (const Header& header : request.headers) {
    total += header.name.size() + header.value.size();
    const std::size_t index = snapshot.deciding_header(header.name);
    if (index == Snapshot::kNoHeader) continue;
    kept += header.value.size();
    if (index > kLastHeader || asked_.lines == kMostLines) return;
    hash = mixed_in(hash, header.value);
    head[3 + asked_.lines / 2] |= ((index + 1) << 16 | header.value.size()) << asked_.lines % 2 * 32;
    asked_.line[asked_.lines++] = header.value;
  }
  // More than that in all of them may be more than decide() takes, and is no usual request. Less fits the head, too.
  if (total <= kMaxHeaderValueBytes && kept <= kMostBytes) asked_.hash = hash | 1;
}

[[gnu::hot]] Fingerprint AnswerCache::fingerprint() const {
  FingerprintSum sum(key_);
  sum.add(asked_.method);
  sum.add(asked_.target);
  for (std::size_t i = 0; i < asked_.lines; ++i) sum.add(asked_.line[i]);
  return sum.finish(asked_.head);
}

/// Of those that the request may be in.
std::size_t AnswerCache::first_slot() const {
  return ((asked_.hash >> 32) & (slots_->sets.size() - 1)) * kWays;
}

[[gnu::hot]] AnswerCache::Ref AnswerCache::find(const Snapshot& snapshot, const HttpRequest& request,
                                                const Options& options, double now) {
  key_.prefetch();
  read(snapshot, request, options);
  if (asked_.hash == 0) return {};
  Slots& slots = *slots_;
  // Both are cold. Where the answer probably is needs no look at the set, and it comes while the fingerprint is made.
  __builtin_prefetch(&slots.answers[first_slot() + way_of(asked_.hash)]);
  std::uint32_t ways = slots.sets[first_slot() / kWays].ways_of(tag_of(asked_.hash));
  if (ways == 0) return {};
  const Fingerprint wanted = fingerprint();
  for (; ways != 0; ways &= ways - 1) {
    const std::size_t slot = first_slot() + static_cast<std::size_t>(std::countr_zero(ways));
    Answer& answer = slots.answers[slot];
    if (slots.empty(slot) || slots.refs(slot) == Set::kMostRefs || !same(answer.fingerprint, wanted)) continue;
    if (answer.version != snapshot.version() || now >= answer.until) continue;
    ++answer.given;
    return {slots, slot};
  }
  return {};
}

bool AnswerCache::asked_before() {
  const auto print = static_cast<std::uint32_t>(asked_.hash >> 32 | 1);
  auto& prints = once_[(asked_.hash >> 1) % once_.size()];
  if (std::find(prints.begin(), prints.end(), print) != prints.end()) return true;
  std::shift_right(prints.begin(), prints.end(), 1);  // the oldest goes
  prints.front() = print;
  return false;
}

void AnswerCache::keep(const Snapshot& snapshot, double now, const std::shared_ptr<const Outcome>& outcome) {
  const bool plain = outcome->allow && outcome->caller && !outcome->token_failed && !outcome->audit;
  // Where an audit policy names a provider of its own, another look at the token is compared with this one each time.
  if (asked_.hash == 0 || !plain || snapshot.views_differ() || !asked_before()) return;
  Slots& slots = *slots_;
  const auto old = [&](std::size_t slot) {
    const Answer& answer = slots.answers[slot];
    return slots.empty(slot) || answer.version != snapshot.version() || now >= answer.until;
  };
  // An old one, else one in turn: of those that no request holds.
  const auto first_from = [&](std::size_t begin, const auto& fits) -> std::optional<std::size_t> {
    for (std::size_t n = 0; n < kWays; ++n) {
      const std::size_t slot = first_slot() + (begin + n) % kWays;
      if (slots.refs(slot) == 0 && fits(slot)) return slot;
    }
    return std::nullopt;
  };
  auto found = first_from(way_of(asked_.hash), old);
  if (!found) found = first_from(next_victim_++, [](std::size_t) { return true; });
  if (!found) return;
  const std::size_t into = *found;
  if (!slots.empty(into)) drop(into);
  slots.answers[into] = {fingerprint(), snapshot.version(),
                         std::min(outcome->caller->expires, snapshot.next_stale(now))};
  slots.outcomes[into] = outcome;
  slots.sets[into / kWays].set(into % kWays, tag_of(asked_.hash));
  ++size_;
}

void AnswerCache::tell(std::size_t slot) {
  const std::uint64_t given = std::exchange(slots_->answers[slot].given, 0);
  if (given != 0) count_(*slots_->outcomes[slot], given);
}

/// Of a slot that is not empty.
void AnswerCache::drop(std::size_t slot) {
  tell(slot);
  slots_->sets[slot / kWays].set(slot % kWays, 0);
  if (slots_->refs(slot) == 0) slots_->outcomes[slot].reset();
  --size_;
}

void AnswerCache::settle(std::uint64_t version, double now) {
  for (std::size_t slot = 0; size_ != 0 && slot < slots_->answers.size(); ++slot) {
    if (slots_->empty(slot)) continue;
    const Answer& answer = slots_->answers[slot];
    if (answer.version != version || now >= answer.until) {
      drop(slot);
    } else {
      tell(slot);
    }
  }
}

}  // namespace meshauth::engine
