// Requests that were allowed a moment ago, by all that the decision on them went by.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/fingerprint.h"
#include "core/engine/decide.h"

namespace meshauth::engine {

/// Answers of decide() to be given again: to a request with the same method, target, peer, port and options, and with
/// the same lines of every header that the snapshot's providers and rules look at, the token's among them. They are
/// told apart by a keyed fingerprint (FingerprintKey), since their bytes would be cold memory, some twenty lines of it
/// a request. Only allowed requests of verified callers are kept, and only until the token or a key set gets too old,
/// or the snapshot changes. What was asked once is not kept yet: most requests never come again. Not thread-safe, and
/// neither are its answers.
class AnswerCache {
  struct Slots;

 public:
  static constexpr std::size_t kMost = 1024;       ///< answers
  static constexpr std::size_t kMostBytes = 2560;  ///< of a request that is kept: method, target, headers that decide

  /// Holds an answer, though the cache may have let it go, or be gone.
  class Ref {
   public:
    Ref() = default;
    Ref(Slots& slots, std::size_t slot) noexcept;
    Ref(Ref&& other) noexcept : slots_(std::exchange(other.slots_, nullptr)), slot_(other.slot_) {}
    Ref& operator=(Ref&& other) noexcept {
      std::swap(slots_, other.slots_);
      std::swap(slot_, other.slot_);
      return *this;
    }
    ~Ref();

    explicit operator bool() const noexcept { return slots_ != nullptr; }
    const Outcome& operator*() const noexcept;
    const Outcome* operator->() const noexcept { return &**this; }

   private:
    [[gnu::noinline]] static void last_of(Slots& slots, std::size_t slot) noexcept;

    Slots* slots_ = nullptr;
    std::size_t slot_ = 0;
  };

  /// Told how often an answer was given again since it was told last.
  using Count = std::function<void(const Outcome& outcome, std::uint64_t times)>;

  /// answers: about how many, at most kMost. random: 64 bits of a cryptographic generator.
  AnswerCache(std::size_t answers, const std::function<std::uint64_t()>& random, Count count);
  ~AnswerCache();
  AnswerCache(const AnswerCache&) = delete;
  AnswerCache& operator=(const AnswerCache&) = delete;

  /// Empty: decide() must be asked. now: unix seconds.
  Ref find(const Snapshot& snapshot, const HttpRequest& request, const Options& options, double now);

  /// What decide() said where find() knew nothing, with nothing in between; the request is still there.
  void keep(const Snapshot& snapshot, double now, const std::shared_ptr<const Outcome>& outcome);

  /// Tells all counts, and frees what no request can get any more. version: of the snapshot in force, 0 without one.
  void settle(std::uint64_t version, double now);

  std::size_t size() const { return size_; }

 private:
  static constexpr std::size_t kMostLines = 6, kPrints = 4;

  /// The request that find() looked at last.
  struct Asked {
    std::uint64_t hash = 0;  ///< 0: it is none to keep
    FingerprintKey::Head head{};
    std::string_view method, target;
    std::size_t lines = 0;
    std::array<std::string_view, kMostLines> line;  ///< values of headers that decide
  };

  void read(const Snapshot& snapshot, const HttpRequest& request, const Options& options);
  Fingerprint fingerprint() const;
  std::size_t first_slot() const;
  bool asked_before();
  void tell(std::size_t slot);
  void drop(std::size_t slot);

  FingerprintKey key_;
  std::uint64_t seed_;
  Count count_;
  Asked asked_;
  std::unique_ptr<Slots> slots_;
  std::vector<std::array<std::uint32_t, kPrints>> once_;  // of the hashes of what was asked once, the newest first
  std::size_t size_ = 0, next_victim_ = 0;
};

}  // namespace meshauth::engine
