// What a worker decided since its last report, bounded.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/engine/decide.h"
#include "core/engine/worker_report.h"

namespace meshauth::nginx {

constexpr std::size_t kMaxCounters = 512;  ///< different ones between two reports; what is over goes without its rule
constexpr std::size_t kMaxCountersPerReport = 12;  ///< names are bounded: that many fit kMaxWorkerReportBytes

class Counters {
 public:
  void add(const engine::Outcome& outcome);

  bool empty() const { return counts_.empty(); }
  /// Takes up to kMaxCountersPerReport out; give them back if the report was not taken.
  std::vector<engine::DecisionCount> take();
  void give_back(std::vector<engine::DecisionCount> counters);

 private:
  struct Key {
    bool allow = false;
    Reason reason = Reason::none;
    std::string policy, rule, provider;
    std::string_view audit;  // a literal
    std::string audit_policy;
    friend auto operator<=>(const Key&, const Key&) = default;
  };
  void add(Key key, std::uint64_t count);

  std::map<Key, std::uint64_t> counts_;
};

}  // namespace meshauth::nginx
