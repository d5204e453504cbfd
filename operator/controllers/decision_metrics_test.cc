#include "operator/controllers/decision_metrics.h"

#include <doctest/doctest.h>

#include "operator/controllers/testing.h"

namespace meshauth::controllers {
namespace {

using testing::Fixture;

/// A decision as a sidecar reports it.
bundle::DecisionCount decided(bool allow, const std::string& reason, const std::string& rule = "", int count = 1) {
  bundle::DecisionCount decision;
  decision.allow = allow;
  decision.reason = reason;
  if (!rule.empty()) decision.policy = "shop/readers";
  decision.rule = rule;
  decision.provider = rule.empty() ? "" : "shop/idp";
  decision.count = static_cast<std::uint64_t>(count);
  return decision;
}

/// What workload shop/orders reports arrives as /metrics has it.
struct Reports : Fixture {
  void report(const bundle::DecisionCount& decision, const std::string& workload = "shop/orders") {
    op.controllers.on_report(workload, "shop/a", {{}, {decision}, {}});
    op.settle();
  }
  /// The value of the series with exactly these labels, in the order of the alphabet; -1: there is none.
  double series(const std::string& name_and_labels) {
    const std::string text = "\n" + op.metrics.text(), wanted = "\n" + name_and_labels + " ";
    const auto at = text.find(wanted);
    return at == std::string::npos ? -1 : std::stod(text.substr(at + wanted.size()));
  }
  double decisions(const std::string& decision, const std::string& provider, const std::string& reason,
                   const std::string& workload = "shop/orders") {
    return series("mesh_auth_decisions_total{decision=\"" + decision + "\",provider=\"" + provider + "\",reason=\"" +
                  reason + "\",workload=\"" + workload + "\"}");
  }
  double rules(const std::string& decision, const std::string& policy, const std::string& rule,
               const std::string& workload = "shop/orders") {
    return series("mesh_auth_rule_decisions_total{decision=\"" + decision + "\",policy=\"" + policy + "\",rule=\"" +
                  rule + "\",workload=\"" + workload + "\"}");
  }
  std::size_t lines(const std::string& begin) {
    const std::string text = op.metrics.text();
    std::size_t count = 0;
    for (auto at = text.find("\n" + begin); at != std::string::npos; at = text.find("\n" + begin, at + 1)) ++count;
    return count;
  }
};

TEST_CASE_FIXTURE(Reports, "decisions are counted by reason and provider, and by the rule that made them") {
  report(decided(true, "", "read", 3));
  report(decided(false, "expired", "", 2));
  report(decided(true, "", "read"));
  CHECK(decisions("allow", "shop/idp", "none") == 4);
  CHECK(decisions("deny", "none", "expired") == 2);
  CHECK(rules("allow", "shop/readers", "read") == 4);
  CHECK(lines("mesh_auth_decisions_total{") == 2 + 2);       // and the two of no workload
  CHECK(lines("mesh_auth_rule_decisions_total{") == 1 + 2);  // no rule refused the expired token
}

TEST_CASE_FIXTURE(Reports, "both metrics are there before anybody reports") {
  CHECK(decisions("allow", "other", "none", "other") == 0);
  CHECK(decisions("deny", "other", "other", "other") == 0);
  CHECK(rules("deny", "other", "other", "other") == 0);
}

TEST_CASE_FIXTURE(Reports,
                  "a name that the workload's bundle does not have, and a reason that there is not, is other") {
  bundle::DecisionCount foreign = decided(true, "", "read");
  SUBCASE("another policy") {
    foreign.policy = "bank/readers";
  }
  SUBCASE("another rule") {
    foreign.rule = "write";
  }
  SUBCASE("a rule that does not decide so") {
    foreign.allow = false, foreign.reason = "denied_by_rule";
  }
  const bool allow = foreign.allow;
  report(foreign);
  CHECK(rules(allow ? "allow" : "deny", "other", "other") == 1);
  CHECK(lines("mesh_auth_rule_decisions_total{") == 1 + 2);

  bundle::DecisionCount invented = decided(false, "no such\"reason\n");
  invented.provider = "bank/idp";
  report(invented);
  CHECK(decisions("deny", "other", "other") == 1);
  CHECK(op.metrics.text().find("bank/") == std::string::npos);
  CHECK(op.metrics.text().find("no such") == std::string::npos);
}

TEST_CASE_FIXTURE(Reports, "a rule in audit decides nothing") {
  auto trial = plan::testing::policy_object("shop", "trial", "idp", {"orders"});
  trial["spec"]["mode"] = "Audit";
  op.put(trial);
  auto decision = decided(true, "", "read");
  decision.policy = "shop/trial";
  report(decision);
  CHECK(rules("allow", "shop/trial", "read") == -1);
  CHECK(rules("allow", "other", "other") == 1);
}

TEST_CASE_FIXTURE(Reports, "the series of a rule go with it, those of a workload with the workload") {
  op.put(plan::testing::policy_object("shop", "others", "idp", {"orders"}));
  auto other = decided(true, "", "read");
  other.policy = "shop/others";
  report(other);
  report(decided(true, "", "read"));
  REQUIRE(rules("allow", "shop/others", "read") == 1);

  op.controllers.enqueue(op.index.remove_policy("shop/others"));
  op.settle();
  CHECK(rules("allow", "shop/others", "read") == -1);
  CHECK(rules("allow", "shop/readers", "read") == 1);
  report(other);  // what a sidecar counted before it heard of it
  CHECK(rules("allow", "shop/others", "read") == -1);

  op.controllers.enqueue(op.index.remove_policy("shop/readers"));
  op.settle();
  report(decided(true, "", "read"));
  op.controllers.on_ack("shop/orders", "shop/a", {"late", bundle::Outcome::Applied, "", {}, {}});
  report(decided(true, "", "read"));
  CHECK(op.metrics.text().find("shop/") == std::string::npos);
}

TEST_CASE_FIXTURE(Reports, "the series of a provider go with it") {
  report(decided(true, "", "read"));
  op.controllers.enqueue(op.index.remove_provider("shop/idp"));
  op.settle();
  CHECK(decisions("allow", "shop/idp", "none") == -1);
  CHECK(rules("allow", "shop/readers", "read") == 1);
}

TEST_CASE_FIXTURE(Reports, "no number that a sidecar sends is believed without bound") {
  auto decision = decided(true, "", "read");
  decision.count = ~std::uint64_t{0};
  report(decision);
  CHECK(rules("allow", "shop/readers", "read") == static_cast<double>(kMostAtOnce));
  decision = decided(false, "expired");
  decision.count = 0;
  report(decision);
  CHECK(decisions("deny", "none", "expired") == -1);
}

TEST_CASE_FIXTURE(Reports, "what is over the bound of a workload is counted without its names") {
  plan::Previous bundle;
  auto& entry = bundle.policy.policies.emplace_back();
  entry.id = "shop/large";
  for (std::size_t i = 0; i < WorkloadSeries::kMostOfWorkload + 5; ++i) {
    entry.rules.emplace_back().name = "r" + std::to_string(i);
  }
  auto decision = decided(true, "");
  decision.policy = "shop/large";
  for (const auto& rule : entry.rules) {
    decision.rule = rule.name;
    op.decisions.count("shop/large", bundle, decision);
  }
  CHECK(lines("mesh_auth_rule_decisions_total{") == WorkloadSeries::kMostOfWorkload + 2);
  CHECK(rules("allow", "other", "other", "other") == 5);
  op.decisions.forget("shop/large");
  op.decisions.count("shop/large", bundle, decision);  // there is room again
  CHECK(rules("allow", "shop/large", decision.rule, "shop/large") == 1);
}

TEST_CASE_FIXTURE(Reports, "there is a bound on all series together") {
  const auto decision = decided(false, "expired");
  for (std::size_t i = 0; i < WorkloadSeries::kMost + 3; ++i) {
    op.decisions.count("shop/w" + std::to_string(i), {}, decision);
  }
  CHECK(lines("mesh_auth_decisions_total{") == WorkloadSeries::kMost + 3);  // and three of no workload
  CHECK(decisions("deny", "other", "expired", "other") == 3);
}

}  // namespace
}  // namespace meshauth::controllers
