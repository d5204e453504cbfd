// What audit policies would have said, in their status.
#include <doctest/doctest.h>

#include "operator/controllers/testing.h"

namespace meshauth::controllers {
namespace {

using testing::FakeWorld;
using testing::Fixture;
using testing::json;
using testing::Operator;
using testing::policy_object;
using testing::provider_object;

json audit_object(const std::string& ns, const std::string& name, std::vector<std::string> workloads) {
  json object = policy_object(ns, name, "idp", std::move(workloads));
  object["spec"]["mode"] = "Audit";
  return object;
}

/// Allowed, and audit policies would have refused; or the other way round. policy: whose rule; empty: no rule matched.
bundle::DecisionCount differing(bool allow, const std::string& policy, std::uint64_t count = 3) {
  bundle::DecisionCount decision;
  decision.allow = allow;
  if (!allow) decision.reason = "no_rule_matched";
  decision.audit = allow ? "deny" : "allow";
  decision.audit_policy = policy;
  decision.count = count;
  return decision;
}

void report(Operator& op, const bundle::DecisionCount& decision) {
  op.controllers.on_report("shop/orders", "shop/a", {{}, {decision}, {}});
  op.settle();
}

json would(std::uint64_t deny, std::uint64_t allow) {
  return {{"wouldDeny", deny}, {"wouldAllow", allow}};
}

struct Trial : Fixture {
  Trial() { op.put(audit_object("shop", "trial", {"orders"})); }
  json audit(const std::string& id = "shop/trial") { return world.statuses[id]["audit"]; }
};

TEST_CASE_FIXTURE(Trial, "what audit policies would have said is counted in their status") {
  report(op, differing(true, "shop/trial"));
  report(op, differing(false, "shop/trial", 2));
  report(op, differing(true, "shop/trial", 1));
  CHECK(audit() == would(4, 2));
}

TEST_CASE_FIXTURE(Trial, "a request that no rule would have let pass counts for each audit policy of its workload") {
  op.put(audit_object("root", "everywhere", {}));
  op.put(audit_object("shop", "elsewhere", {"billing"}));
  report(op, differing(true, ""));
  CHECK(audit() == would(3, 0));
  CHECK(audit("root/everywhere") == would(3, 0));
  CHECK(audit("shop/elsewhere") == would(0, 0));
  CHECK(audit("shop/readers") == would(0, 0));  // it is enforced
  report(op, differing(false, ""));             // no policy would let pass what no rule matches
  CHECK(audit() == would(3, 0));
}

TEST_CASE_FIXTURE(Trial, "a sidecar has no say in policies that do not select its workload") {
  op.put(audit_object("shop", "elsewhere", {"billing"}));
  op.put(provider_object("bank", "idp"));
  op.put(audit_object("bank", "trial", {"orders"}));
  for (const char* policy : {"shop/elsewhere", "bank/trial", "shop/readers", "shop/nothing"}) {
    report(op, differing(true, policy));
  }
  for (const char* policy : {"shop/elsewhere", "bank/trial", "shop/readers"}) CHECK(audit(policy) == would(0, 0));
  CHECK_FALSE(world.statuses.contains("shop/nothing"));
  auto contradiction = differing(false, "shop/trial");
  contradiction.audit = "deny";
  report(op, contradiction);
  contradiction.audit = "perhaps";
  report(op, contradiction);
  CHECK(audit() == would(0, 0));
}

TEST_CASE_FIXTURE(Trial, "no number that a sidecar sends makes a status that the API server refuses") {
  for (int i = 0; i < 3; ++i) report(op, differing(true, "shop/trial", ~std::uint64_t{0}));
  CHECK(audit() == would(3 * kMostAtOnce, 0));
  plan::AuditCounts full{plan::AuditCounts::kMost - 1, 0};
  full.add({5, 5});
  CHECK(full.would_deny == plan::AuditCounts::kMost);
  CHECK(full.would_allow == 5);
}

TEST_CASE_FIXTURE(Trial, "after a restart counting goes on from the status") {
  FakeWorld after;
  Operator next(after, signing, 2);
  json trial = audit_object("shop", "trial", {"orders"});
  SUBCASE("of the object") {
    trial["status"] = {{"audit", would(7, 1)}};
  }
  SUBCASE("that was recorded elsewhere") {
    next.controllers.restore_audit("shop/trial", {{"audit", would(7, 1)}});
  }
  next.tell(provider_object("shop", "idp"));
  next.put(trial);
  CHECK(after.statuses["shop/trial"]["audit"] == would(7, 1));
  report(next, differing(true, "shop/trial"));
  CHECK(after.statuses["shop/trial"]["audit"] == would(10, 1));
  trial["status"] = {{"audit", would(8, 1)}};  // an older one is seen later
  next.put(trial);
  report(next, differing(true, "shop/trial"));
  CHECK(after.statuses["shop/trial"]["audit"] == would(13, 1));
}

TEST_CASE_FIXTURE(Trial, "a report that comes before the first look at the policy counts on top of its status") {
  const auto& before = *world.bundles["shop/orders"];
  FakeWorld after;
  Operator next(after, signing, 2);
  next.controllers.adopt("shop/orders", before.manifest_json, before.signature, before.files);
  json trial = audit_object("shop", "trial", {"orders"});
  trial["status"] = {{"audit", would(7, 1)}};
  next.tell(provider_object("shop", "idp"));
  next.tell(trial);
  next.controllers.on_report("shop/orders", "shop/a", {{}, {differing(true, "")}, {}});
  next.settle();
  CHECK(after.statuses["shop/trial"]["audit"] == would(10, 1));
}

TEST_CASE_FIXTURE(Trial, "a policy that is made anew begins at 0") {
  report(op, differing(true, "shop/trial"));
  json anew = audit_object("shop", "trial", {"orders"});
  anew["metadata"]["uid"] = "another";
  SUBCASE("after a while") {
    op.controllers.enqueue(op.index.remove_policy("shop/trial"));
    op.settle();
  }
  SUBCASE("at once") {}
  op.put(anew);
  CHECK(audit() == would(0, 0));
}

TEST_CASE("what a status says that somebody else wrote may be anything") {
  for (const char* text : {"null", "[]", "{}", R"({"audit": 1})", R"({"audit": {"wouldDeny": -1, "wouldAllow": "2"}})",
                           R"({"audit": {"wouldDeny": 1.5}})"}) {
    CAPTURE(text);
    const auto counts = plan::audit_counts(json::parse(text));
    CHECK(counts.would_deny == 0);
    CHECK(counts.would_allow == 0);
  }
  CHECK(plan::audit_counts(json::parse(R"({"audit": {"wouldDeny": 18446744073709551615}})")).would_deny ==
        plan::AuditCounts::kMost);
}

}  // namespace
}  // namespace meshauth::controllers
