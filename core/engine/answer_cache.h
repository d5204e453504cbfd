// Requests that were allowed a moment ago, by all that the decision on them went by.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "core/engine/decide.h"

namespace meshauth::engine {

/// Answers of decide() to be given again: to a request with the same method, target, peer, port and options, and with
/// the same lines of every header that the snapshot's providers and rules look at, the token's among them, byte for
/// byte. Only allowed requests of verified callers are kept, and only until the token or a key set gets too old, or the
/// snapshot changes. What was asked once is not kept yet: most requests never come again. Not thread-safe, and neither
/// are its answers.
class AnswerCache {
  struct Answer;

 public:
  static constexpr std::size_t kMost = 512;        ///< answers
  static constexpr std::size_t kMostBytes = 2560;  ///< of a request that is kept: method, target, headers that decide

  /// Holds an answer, though the cache may have let it go.
  class Ref {
   public:
    Ref() = default;
    explicit Ref(Answer* answer) noexcept;
    Ref(Ref&& other) noexcept : answer_(std::exchange(other.answer_, nullptr)) {}
    Ref& operator=(Ref&& other) noexcept {
      std::swap(answer_, other.answer_);
      return *this;
    }
    ~Ref();

    explicit operator bool() const noexcept { return answer_ != nullptr; }
    const Outcome& operator*() const noexcept;
    const Outcome* operator->() const noexcept { return &**this; }

   private:
    Answer* answer_ = nullptr;
  };

  /// Told how often an answer was given again since it was told last.
  using Count = std::function<void(const Outcome& outcome, std::uint64_t times)>;

  /// answers: about how many, at most kMost. seed: random, per process.
  AnswerCache(std::size_t answers, std::uint64_t seed, Count count);
  ~AnswerCache();
  AnswerCache(const AnswerCache&) = delete;
  AnswerCache& operator=(const AnswerCache&) = delete;

  /// Empty: decide() must be asked. now: unix seconds.
  Ref find(const Snapshot& snapshot, const HttpRequest& request, const Options& options, double now);

  /// What decide() said where find() knew nothing: of the same request, with nothing in between.
  void keep(const Snapshot& snapshot, const HttpRequest& request, const Options& options, double now,
            const std::shared_ptr<const Outcome>& outcome);

  /// Tells all counts, and frees what no request can get any more. version: of the snapshot in force, 0 without one.
  void settle(std::uint64_t version, double now);

  std::size_t size() const { return size_; }

 private:
  static constexpr std::size_t kWays = 16, kMostLines = 6;

  struct Line {
    std::size_t header = 0;  ///< Snapshot::deciding_header()
    std::string_view value;
  };

  /// The request that find() looked at last.
  struct Asked {
    std::uint64_t hash = 0;  ///< 0: it is none to keep
    std::size_t lines = 0;
    std::size_t bytes = 0;  ///< of all that is kept of it
    std::array<Line, kMostLines> line;
  };

  /// Small, so that it stays warm; an answer is cold, and all of it is fetched at once.
  struct Set {
    std::array<std::uint16_t, kWays> tags{};  // of the hash; 0: empty
    std::array<Answer*, kWays> ways{};
  };

  void read(const Snapshot& snapshot, const HttpRequest& request, const Options& options);
  bool same(const Answer& answer, const HttpRequest& request) const;
  Answer* make(const HttpRequest& request) const;
  bool asked_before();
  void drop(Set& set, std::size_t way);
  Set& set_of(std::uint64_t hash) { return sets_[(hash >> 32) & (sets_.size() - 1)]; }

  std::uint64_t seed_;
  Count count_;
  Asked asked_;
  std::vector<Set> sets_;
  std::vector<std::uint32_t> once_;  // hashes of what was asked once
  std::size_t size_ = 0, next_victim_ = 0;
};

}  // namespace meshauth::engine
