#include "sidecar/nginx/counters.h"

#include <doctest/doctest.h>

using namespace meshauth;
using namespace meshauth::nginx;

namespace {

engine::Outcome outcome(bool allow, Reason reason, std::string rule = "") {
  engine::Outcome out;
  out.allow = allow;
  out.reason = reason;
  out.policy = rule.empty() ? "" : "ns/p";
  out.rule = std::move(rule);
  return out;
}

std::uint64_t total(const std::vector<engine::DecisionCount>& counts) {
  std::uint64_t sum = 0;
  for (const auto& count : counts) sum += count.count;
  return sum;
}

}  // namespace

TEST_CASE("equal decisions are one counter, others are their own") {
  Counters counters;
  for (int i = 0; i < 3; ++i) counters.add(outcome(true, Reason::none, "read"));
  counters.add(outcome(false, Reason::expired));
  auto audited = outcome(true, Reason::none, "read");
  audited.audit = engine::AuditVerdict{false, Reason::denied_by_rule, "ns/trial", "x"};
  counters.add(audited);
  const auto counts = counters.take();
  REQUIRE(counts.size() == 3);
  CHECK(total(counts) == 5);
  for (const auto& count : counts) {
    if (!count.allow) CHECK(count.reason == "expired");
    if (count.audit == "deny") CHECK(count.audit_policy == "ns/trial");
    if (count.allow && count.audit.empty()) CHECK(count.count == 3);
  }
  CHECK(counters.empty());
}

TEST_CASE("what was not reported is given back and counted on") {
  Counters counters;
  auto audited = outcome(false, Reason::no_rule_matched);
  audited.audit = engine::AuditVerdict{true, Reason::none, "ns/trial", "x"};
  counters.add(audited);
  counters.give_back(counters.take());
  counters.add(audited);
  const auto counts = counters.take();
  REQUIRE(counts.size() == 1);
  CHECK(counts[0].count == 2);
  CHECK(counts[0].reason == "no_rule_matched");
  CHECK(counts[0].audit == "allow");
}

TEST_CASE("there are never too many, and none is lost") {
  Counters counters;
  for (std::size_t i = 0; i < 3 * kMaxCounters; ++i) counters.add(outcome(true, Reason::none, "r" + std::to_string(i)));
  std::size_t different = 0;
  std::uint64_t sum = 0;
  while (!counters.empty()) {
    const auto counts = counters.take();
    CHECK(counts.size() <= kMaxCountersPerReport);
    different += counts.size();
    sum += total(counts);
  }
  CHECK(different <= kMaxCounters + 1);
  CHECK(sum == 3 * kMaxCounters);
}

TEST_CASE("what goes without its names does not read as what no rule would have let pass") {
  Counters counters;
  for (std::size_t i = 0; i < kMaxCounters; ++i) counters.add(outcome(true, Reason::none, "r" + std::to_string(i)));
  auto audited = outcome(true, Reason::none, "over");
  audited.audit = engine::AuditVerdict{false, Reason::denied_by_rule, "ns/trial", "x"};
  counters.add(audited);
  while (!counters.empty()) {
    for (const auto& count : counters.take()) CHECK(count.audit.empty());
  }
}

TEST_CASE("a report of the longest names fits into a datagram") {
  engine::WorkerReport report;
  report.event = engine::WorkerEvent::counters;
  report.revision = std::string(64, 'a');
  const std::string id = std::string(63, 'n') + "/" + std::string(253, 'p'), rule(63, 'r');
  for (std::size_t i = 0; i < kMaxCountersPerReport; ++i) {
    report.counters.push_back({false, "token_malformed_source", id, rule, id, "allow", id, 1'000'000'000});
  }
  CHECK(engine::to_json(report).size() <= engine::kMaxWorkerReportBytes);
}
