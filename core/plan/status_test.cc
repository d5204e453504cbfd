#include "core/plan/status.h"

#include <doctest/doctest.h>

#include "core/plan/testing.h"

namespace meshauth::plan {
namespace {

using nlohmann::json;

const Time kNow{Seconds(1'800'000'000)};

PolicyFacts policy_facts() {
  PolicyFacts facts;
  auto policy = *model::parse_access_policy(testing::policy_object("shop", "readers", "idp", {"orders"}));
  facts.policy.meta = policy.meta;
  facts.policy.value = std::make_shared<const model::AccessPolicy>(std::move(policy));
  facts.root_namespace = "root";
  WorkloadProgress orders;
  orders.id = "shop/orders";
  orders.sidecars = orders.programmed = 2;
  orders.recorded = true;
  facts.workloads = {orders};
  return facts;
}

json get(const json& status, const std::string& type) {
  for (const auto& condition : status["conditions"]) {
    if (condition["type"] == type) return condition;
  }
  return {};
}

struct Row {
  const char* what;
  void (*change)(PolicyFacts&);
  const char *programmed, *reason, *ready, *ready_reason;
};

TEST_CASE("Programmed and Ready say what is the matter") {
  const Row rows[] = {
      {"all run it", [](PolicyFacts&) {}, "True", "Programmed", "True", "Ready"},
      {"no pods", [](PolicyFacts& f) { f.workloads[0].sidecars = f.workloads[0].programmed = 0; }, "False",
       "NoSidecars", "True", "NoSidecars"},
      {"one is behind", [](PolicyFacts& f) { f.workloads[0].programmed = 1; }, "False", "SidecarsPending", "True",
       "Ready"},
      {"refused", [](PolicyFacts& f) { f.workloads[0].refused = "shop/a: nginx -t"; }, "False", "BundleRefused",
       "False", "BundleRefused"},
      {"not recorded", [](PolicyFacts& f) { f.workloads[0].recorded = false; }, "False", "RecordPending", "True",
       "Ready"},
      {"record failed", [](PolicyFacts& f) { f.workloads[0].record_error = "forbidden"; }, "False", "RecordFailed",
       "False", "RecordFailed"},
      {"too large", [](PolicyFacts& f) { f.workloads[0].bundle_error = "too large"; }, "False", "BundleFailed", "False",
       "BundleFailed"},
      {"two flavours", [](PolicyFacts& f) { f.workloads[0].flavour_conflict = true; }, "False", "FlavourConflict",
       "False", "FlavourConflict"},
      {"a flavour that cannot say it", [](PolicyFacts& f) { f.workloads[0].flavour_limit = "no"; }, "False",
       "FlavourLimit", "False", "FlavourLimit"},
      {"no provider",
       [](PolicyFacts& f) {
         f.unresolved = {{"shop/idp", RefState::NotFound}};
       },
       "True", "Programmed", "False", "ProviderNotFound"},
      {"not shared",
       [](PolicyFacts& f) {
         f.unresolved = {{"x/idp", RefState::NotShared}};
       },
       "True", "Programmed", "False", "ProviderNotShared"},
      {"not watched",
       [](PolicyFacts& f) {
         f.unresolved = {{"x/idp", RefState::NotWatched}};
       },
       "True", "Programmed", "False", "ProviderNotFound"},
      {"refused spec",
       [](PolicyFacts& f) {
         f.policy.errors = {{"spec.rules", "found 3"}};
       },
       "True", "Programmed", "False", "Invalid"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    PolicyFacts facts = policy_facts();
    row.change(facts);
    const json status = policy_status(facts, json::object(), kNow);
    CHECK(get(status, "Programmed")["status"] == row.programmed);
    CHECK(get(status, "Programmed")["reason"] == row.reason);
    CHECK(get(status, "Ready")["status"] == row.ready);
    CHECK(get(status, "Ready")["reason"] == row.ready_reason);
    for (const auto& condition : status["conditions"]) CHECK(condition["observedGeneration"] == 1);
  }
}

TEST_CASE("Bypassable is True where a Service leads past a sidecar, and leaves Ready as it is") {
  PolicyFacts facts = policy_facts();
  const auto bypassable = [&] { return get(policy_status(facts, json::object(), kNow), "Bypassable"); };
  CHECK(bypassable()["status"] == "False");
  CHECK(bypassable()["reason"] == "SidecarOwnsPorts");

  facts.workloads[0].ports_unknown = "pod shop/a was not injected";
  CHECK(bypassable()["status"] == "Unknown");
  CHECK(bypassable()["reason"] == "PortsUnknown");
  CHECK(bypassable()["message"] == "workload shop/orders: pod shop/a was not injected");

  facts.workloads[0].ways_past = {"Service shop/s, port 80: targetPort 8081 is wrong",
                                  "Service shop/t, port 1: so is it"};
  CHECK(bypassable()["status"] == "True");
  CHECK(bypassable()["reason"] == "ServiceReachesApplication");
  CHECK(bypassable()["message"] ==
        "Workload shop/orders: Service shop/s, port 80: targetPort 8081 is wrong. Workload shop/orders: Service "
        "shop/t, port 1: so is it");
  CHECK(get(policy_status(facts, json::object(), kNow), "Ready")["status"] == "True");

  facts.workloads[0].ways_past.assign(1000, "Service shop/s, port 80: targetPort 8081 is wrong");
  const std::string many = bypassable()["message"];
  CHECK(many.size() < 2500);
  CHECK(many.find(" more") != std::string::npos);

  facts = policy_facts();
  facts.workloads[0].sidecars = facts.workloads[0].programmed = 0;
  CHECK(bypassable()["reason"] == "NoSidecars");
  CHECK(bypassable()["status"] == "False");
}

TEST_CASE("a condition's transition time moves only with its status") {
  PolicyFacts facts = policy_facts();
  const json first = policy_status(facts, json::object(), kNow);
  facts.workloads[0].programmed = 1;
  const json second = policy_status(facts, first, kNow + Seconds(60));
  CHECK(get(second, "Accepted")["lastTransitionTime"] == format_time(kNow));
  CHECK(get(second, "Programmed")["lastTransitionTime"] == format_time(kNow + Seconds(60)));
  CHECK(policy_status(facts, second, kNow + Seconds(120)) == second);
}

TEST_CASE("columns print plain values") {
  const json status = policy_status(policy_facts(), json::object(), kNow);
  CHECK(status["sidecarSummary"] == "2/2");
  CHECK(status["target"] == "orders");
  CHECK(status["workloads"] == 1);
}

ProviderFacts provider_facts() {
  ProviderFacts facts;
  auto provider = *model::parse_identity_provider(testing::provider_object("shop", "idp"));
  facts.provider.meta = provider.meta;
  facts.provider.value = std::make_shared<const model::IdentityProvider>(std::move(provider));
  facts.history = rotate({}, testing::key_set({testing::ed25519_key("k", 1)}), kNow, Seconds(0));
  facts.history->jwks_uri = "https://idp.example/keys";
  facts.history->discovered_issuer = "https://idp.example";
  return facts;
}

TEST_CASE("a provider's conditions name a failing fetch and keep the last good keys") {
  ProviderFacts facts = provider_facts();
  json status = provider_status(facts, json::object(), kNow);
  CHECK(get(status, "Ready")["status"] == "True");
  CHECK(status["keyCount"] == 1);

  facts.fetch = {"NotJson", "the answer is HTML", false, 1, std::nullopt};
  status = provider_status(facts, json::object(), kNow);
  CHECK(get(status, "KeysFresh")["status"] == "True");
  CHECK(get(status, "KeysFresh")["reason"] == "NotJson");
  CHECK(get(status, "Ready")["status"] == "True");  // one failure is a hiccup
  CHECK(status["keyCount"] == 1);

  facts.fetch.consecutive_failures = kFailuresThatNeedAPerson;
  CHECK(get(provider_status(facts, json::object(), kNow), "Ready")["reason"] == "NotJson");

  const Time later = kNow + std::chrono::hours(25);  // maxStale is 24h
  CHECK(get(provider_status(facts, json::object(), later), "KeysFresh")["reason"] == "KeysStale");

  facts.history.reset();
  status = provider_status(facts, json::object(), kNow);
  CHECK(get(status, "KeysFresh")["status"] == "False");
  CHECK(get(status, "Ready")["status"] == "False");
}

TEST_CASE("before the first fetch conditions are Unknown") {
  ProviderFacts facts = provider_facts();
  facts.history.reset();
  const json status = provider_status(facts, json::object(), kNow);
  for (const char* type : {"Discovered", "KeysFresh", "Ready"}) CHECK(get(status, type)["status"] == "Unknown");
}

TEST_CASE("a discovery document of another issuer is named") {
  ProviderFacts facts = provider_facts();
  facts.history->discovered_issuer = "https://evil.example";
  const json status = provider_status(facts, json::object(), kNow);
  CHECK(get(status, "Discovered")["reason"] == "IssuerMismatch");
  CHECK(get(status, "Ready")["reason"] == "IssuerMismatch");
}

}  // namespace
}  // namespace meshauth::plan
