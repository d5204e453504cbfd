// What sidecars decided, as /metrics has it. Sidecars send names and numbers that nobody has checked: a name counts as
// itself only where the workload's own bundle has it, and there are never too many series.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <unordered_map>

#include "core/bundle/wire.h"
#include "core/plan/workload_plan.h"

namespace prometheus {
class Counter;
class Registry;
template <class T>
class Family;
}  // namespace prometheus

namespace meshauth::controllers {

/// At most this much of one number in a report is believed: hours of requests in one go.
constexpr std::uint64_t kMostAtOnce = 1'000'000'000;

/// The series of one metric by their workload. Not thread-safe.
class WorkloadSeries {
 public:
  using Labels = std::map<std::string, std::string>;
  static constexpr std::size_t kMostOfWorkload = 1'000;
  static constexpr std::size_t kMost = 50'000;

  explicit WorkloadSeries(prometheus::Family<prometheus::Counter>& family) : family_(family) {}

  /// False: there are too many series for another one.
  bool add(const std::string& workload, const Labels& labels, double count);
  /// Of no workload's own: always there.
  void add_overflow(const Labels& labels, double count);
  template <class Stays>
  void keep_if(const std::string& workload, Stays stays);
  void forget(const std::string& workload);

 private:
  prometheus::Family<prometheus::Counter>& family_;
  std::unordered_map<std::string, std::map<Labels, prometheus::Counter*>> by_workload_;
  std::size_t size_ = 0;
};

/// mesh_auth_decisions_total{workload,decision,reason,provider}: every decision.
/// mesh_auth_rule_decisions_total{workload,policy,rule,decision}: those that a rule made.
///
/// `decision` is allow or deny. A reason or provider that there is not is "none"; a reason that no decision has, a rule
/// or provider that is not in the workload's bundle is "other", and so is the workload of what is over the bounds. Both
/// metrics are there from the start. Not thread-safe.
class DecisionMetrics {
 public:
  explicit DecisionMetrics(prometheus::Registry& registry);

  /// bundle: what the workload's bundle in force says.
  void count(const std::string& workload, const plan::Previous& bundle, const bundle::DecisionCount& decision);
  /// Another bundle is in force: series with names that it does not have go.
  void keep(const std::string& workload, const plan::Previous& bundle);
  void forget(const std::string& workload);

 private:
  WorkloadSeries decisions_;
  WorkloadSeries rules_;
};

}  // namespace meshauth::controllers
