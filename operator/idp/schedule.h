// When each key source is fetched: pure, without clock, thread or I/O.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "operator/idp/key_fetch.h"
#include "operator/idp/source.h"

namespace meshauth::idp {

/// Between two good fetches: Cache-Control's max-age held within [min_refetch_interval, refresh_interval], else
/// refresh_interval. After the n-th failure in a row: 1 s doubled n-1 times, at most refresh_interval. Both +-10 %.
/// A source is fetched by at most one visit at a time, and never sooner than min_refetch_interval after the start of
/// the visit before, except for the retries after a failure and after a changed spec (1 s).
class Schedule {
 public:
  using Time = std::chrono::steady_clock::time_point;
  static constexpr std::size_t kMaxInFlight = 8;
  static constexpr Seconds kFirstRetry{1};

  /// random: in [0, 1).
  explicit Schedule(std::function<double()> random) : random_(std::move(random)) {}

  struct Job {
    std::string id;
    std::uint64_t generation = 0;
    SourceSpec spec;
    SourceMemory memory;
  };
  struct Settled {
    unsigned consecutive_failures = 0;
    Time next;
  };

  /// A new source is due at once, and starts with what was recorded of it, if anything; for a known one a changed spec
  /// makes it due soon, an equal one changes nothing, and `restored` is of no use.
  void update(const std::string& id, const SourceSpec& spec, Time now, const Restored* restored = nullptr);
  void remove(const std::string& id);
  /// Asks for a fetch as soon as min_refetch_interval allows. A visit under way may have begun too early to see what
  /// the caller waits for: then another follows it.
  void refetch(const std::string& id, Time now);

  /// When take() may have something, nullopt if nothing is planned or kMaxInFlight visits are under way.
  std::optional<Time> next_due() const;
  /// The source that has been due longest, now in flight.
  std::optional<Job> take(Time now);
  /// Takes in what a visit brought. nullopt: the source was removed or changed meanwhile, the result is of no use.
  std::optional<Settled> settle(const Job& job, const Visit& visit, Time now);
  /// Ends the flight; until then the source is not taken again.
  void land(const Job& job, Time now);

 private:
  struct Source {
    std::uint64_t generation = 0;
    SourceSpec spec;
    SourceMemory memory;
    unsigned failures = 0;
    Time next;
    Time started;          ///< the visit before
    bool visited = false;  ///< is `started` set?
    bool wanted = false;   ///< refetch() came during the flight
  };

  void hurry(Source& source, Time now);
  Seconds plain_interval(const Source& source, std::optional<Seconds> max_age) const;
  Time::duration jittered(Seconds interval);

  std::function<double()> random_;
  std::map<std::string, Source> sources_;
  std::set<std::string> flights_;  ///< ids, also of sources that were removed meanwhile
  std::uint64_t generations_ = 0;
};

}  // namespace meshauth::idp
