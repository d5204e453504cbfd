// What a worker decided since its last report, bounded.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "core/engine/decide.h"
#include "core/engine/worker_report.h"

namespace meshauth::nginx {

constexpr std::size_t kMaxCounters = 512;  ///< different ones between two reports; what is over goes without its names
constexpr std::size_t kMaxCountersPerReport = 12;  ///< names are bounded: that many fit kMaxWorkerReportBytes

class Counters {
 public:
  Counters() = default;
  Counters(const Counters&) = delete;
  Counters& operator=(const Counters&) = delete;

  void add(const engine::Outcome& outcome, std::uint64_t times = 1);

  bool empty() const { return counts_.empty(); }
  /// Takes up to kMaxCountersPerReport out; give them back if the report was not taken.
  std::vector<engine::DecisionCount> take();
  void give_back(const std::vector<engine::DecisionCount>& counters);

 private:
  // Text is std::string in the map, std::string_view to look one up: the usual request makes no key.
  template <class Text>
  struct BasicKey {
    bool allow = false;
    Reason reason = Reason::none;
    std::string_view audit;  // a literal
    Text policy, rule, provider, audit_policy;
  };
  using Key = BasicKey<std::string>;
  using View = BasicKey<std::string_view>;
  struct Less {
    using is_transparent = void;
    template <class A, class B>
    bool operator()(const A& a, const B& b) const {
      return tie(a) < tie(b);
    }
    template <class K>
    static auto tie(const K& key) {
      using Text = std::string_view;
      return std::tuple(key.allow, key.reason, key.audit, Text(key.policy), Text(key.rule), Text(key.provider),
                        Text(key.audit_policy));
    }
  };
  void add(const View& view, std::uint64_t count);

  std::map<Key, std::uint64_t, Less> counts_;
  std::map<Key, std::uint64_t, Less>::iterator last_ = counts_.end();  // counted before: the next is often the same
};

}  // namespace meshauth::nginx
