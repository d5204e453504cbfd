// Requests that were allowed a moment ago, by all that the decision on them went by.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/engine/decide.h"

namespace meshauth::engine {

/// Answers of decide() to be given again: to a request with the same method, target, peer, port and options, and with
/// the same lines of every header that the snapshot's providers and rules look at, the token's among them, byte for
/// byte. Only allowed requests of verified callers are kept, and only until the token or a key set gets too old, or the
/// snapshot changes. What was asked once is not kept yet: most requests never come again. Not thread-safe.
class AnswerCache {
 public:
  static constexpr std::size_t kMost = 1024;            ///< answers
  static constexpr std::size_t kMostTokenBytes = 2048;  ///< of a request that is kept
  static constexpr std::size_t kMostOtherBytes = 512;   ///< of its method, target and headers, without the token

  /// Told how often an answer was given again since it was told last.
  using Count = std::function<void(const Outcome& outcome, std::uint64_t times)>;

  /// answers: about how many, at most kMost. seed: random, per process.
  AnswerCache(std::size_t answers, std::uint64_t seed, Count count);

  /// nullptr: decide() must be asked. now: unix seconds.
  std::shared_ptr<const Outcome> find(const Snapshot& snapshot, const HttpRequest& request, const Options& options,
                                      double now);

  /// What decide() said where find() knew nothing: of the same request, with nothing in between.
  void keep(const Snapshot& snapshot, const HttpRequest& request, const Options& options, double now,
            const std::shared_ptr<const Outcome>& outcome);

  /// Tells all counts, and frees what no request can get any more. version: of the snapshot in force, 0 without one.
  void settle(std::uint64_t version, double now);

  std::size_t size() const { return size_; }

 private:
  static constexpr std::size_t kWays = 8, kMostLines = 6;

  struct Line {
    std::size_t header = 0;  ///< index into Snapshot::deciding_headers()
    std::string_view value;
  };

  /// The request that find() looked at last.
  struct Asked {
    std::uint64_t hash = 0;  ///< 0: it is none to keep
    std::size_t lines = 0;
    std::array<Line, kMostLines> line;
  };

  /// In two lines of the processor's cache: a request finds all of this cold. First what leads further.
  struct alignas(64) Answer {
    std::uint64_t version = 0;     ///< of the snapshot
    double until = 0;              ///< unix seconds
    std::string_view token;        ///< the caller's, and not in the text
    std::unique_ptr<char[]> text;  ///< method, target, values of the lines
    std::shared_ptr<const Outcome> outcome;
    std::uint64_t given = 0;  ///< not told yet
    IpAddress peer;
    std::uint16_t port = 0, method_size = 0, target_size = 0;
    std::uint16_t token_at = 0;  ///< in its line
    std::uint8_t options = 0, lines = 0, token_line = 0;
    std::array<std::uint8_t, kMostLines> header{};
    std::array<std::uint16_t, kMostLines> line_size{};
  };
  static_assert(sizeof(Answer) == 128);

  struct Set {
    alignas(64) std::array<std::uint64_t, kWays> hashes{};  // 0: empty
    std::array<Answer, kWays> ways;
  };

  void read(const Snapshot& snapshot, const HttpRequest& request, const Options& options);
  bool same(const Answer& answer, const HttpRequest& request) const;
  std::optional<Answer> make(const HttpRequest& request, const Outcome& outcome) const;
  bool asked_before();
  void tell(Answer& answer) const;
  static void fetch(const Answer& answer) noexcept;
  Set& set_of(std::uint64_t hash) { return sets_[(hash >> 32) & (sets_.size() - 1)]; }

  std::uint64_t seed_;
  Count count_;
  Asked asked_;
  std::vector<Set> sets_;
  std::vector<std::uint32_t> once_;  // hashes of what was asked once
  std::size_t size_ = 0, next_victim_ = 0;
};

}  // namespace meshauth::engine
