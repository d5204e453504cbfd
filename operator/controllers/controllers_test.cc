#include "operator/controllers/controllers.h"

#include <doctest/doctest.h>

#include "operator/controllers/testing.h"

namespace meshauth::controllers {
namespace {

using nlohmann::json;
using plan::testing::policy_object;
using plan::testing::provider_object;
using testing::FakeWorld;
using testing::Fixture;
using testing::keys;
using testing::Operator;

TEST_CASE_FIXTURE(Fixture, "a provider and a policy become a published and recorded bundle") {
  REQUIRE(world.bundles.contains("shop/orders"));
  CHECK(world.records.at("shop/orders").bundle->manifest.revision == revision());
  CHECK(world.followed.contains(op.source()));
  CHECK(world.keys.contains(op.source()));
  CHECK(world.bundles["shop/orders"]->files.at("jwks.json").find("\"kid\":\"k\"") != std::string::npos);
  CHECK(condition("shop/readers", "Ready")["reason"] == "NoSidecars");
  CHECK(condition("shop/idp", "Ready")["status"] == "True");
}

TEST_CASE_FIXTURE(Fixture, "reconciling again changes nothing") {
  const auto published = world.published.size();
  op.controllers.enqueue(op.index.everything());
  op.settle();
  CHECK(world.published.size() == published);
}

TEST_CASE_FIXTURE(Fixture, "keys that cannot be recorded are not used, and are tried again") {
  world.keys_writable = false;
  op.fetched(op.source(), keys("new", 2));
  CHECK(world.bundles["shop/orders"]->files.at("jwks.json").find("\"new\"") == std::string::npos);
  world.keys_writable = true;
  op.queue.push_back({Kind::Source, op.source()});
  op.settle();
  CHECK(world.bundles["shop/orders"]->files.at("jwks.json").find("\"new\"") != std::string::npos);
}

TEST_CASE_FIXTURE(Fixture, "a failed fetch changes no key, and its reason is in the condition") {
  const std::string before = revision();
  FetchResult result;
  result.error_reason = "NotJson";
  result.error_message = "the answer is HTML";
  result.consecutive_failures = 1;
  op.controllers.on_fetched(op.source(), result);
  op.settle();
  CHECK(revision() == before);
  CHECK(condition("shop/idp", "KeysFresh")["reason"] == "NotJson");
}

TEST_CASE_FIXTURE(Fixture, "a refresh with the same keys renews freshness and makes no new bundle") {
  const std::string before = revision();
  const auto published = world.published.size();
  world.time += Seconds(300);
  op.fetched(op.source(), keys("k", 1));
  CHECK(revision() == before);
  CHECK(world.published.size() == published);
  CHECK(world.fresh["shop/orders"].find("1800000300") != std::string::npos);
}

TEST_CASE_FIXTURE(Fixture, "the state of the fleet says of each sidecar what it said last") {
  const auto at = [&](int seconds) { return format_time(world.time + Seconds(seconds)); };
  for (const char* pod : {"shop/a", "shop/b", "shop/c"}) {
    op.controllers.enqueue(op.index.put_pod({pod, pod, "shop/orders", "", false}));
  }
  op.controllers.enqueue(op.index.put_pod({"shop/d", "shop/d", "shop/orders", "", true}));  // ends
  op.settle();
  const std::string began = at(0);
  op.controllers.on_connect("shop/orders", "shop/a");
  op.controllers.on_ack("shop/orders", "shop/a", {revision(), bundle::Outcome::Applied, "", {}, {}});
  world.time += Seconds(5);
  op.controllers.on_ack("shop/orders", "shop/a", {"next", bundle::Outcome::Refused, std::string(2000, 'x'), {}, {}});
  op.controllers.on_report("shop/orders", "shop/a", {{}, {}, 1.5});
  op.controllers.on_connect("shop/orders", "shop/b");
  op.controllers.on_connect("shop/orders", "shop/b");  // a new stream before the old one is seen to close
  op.controllers.on_disconnect("shop/orders", "shop/b");

  json state = op.controllers.fleet_state();
  CHECK(state["time"] == at(0));
  CHECK(state["truncated"] == false);
  REQUIRE(state["workloads"].size() == 1);
  const json& workload = state["workloads"][0];
  CHECK(workload["name"] == "shop/orders");
  CHECK(workload["revision"] == revision());
  CHECK(workload["publishedTime"] == began);
  REQUIRE(workload["sidecars"].size() == 3);
  CHECK(workload["sidecars"][0] == json{{"pod", "a"},
                                        {"connected", true},
                                        {"connectionTime", began},
                                        {"revision", revision()},
                                        {"ackRevision", "next"},
                                        {"outcome", "refused"},
                                        {"ackTime", at(0)},
                                        {"detail", std::string(256, 'x')},
                                        {"skewSeconds", 1.5}});
  CHECK(workload["sidecars"][1] == json{{"pod", "b"}, {"connected", true}, {"connectionTime", at(0)}});
  CHECK(workload["sidecars"][2] == json{{"pod", "c"}, {"connected", false}});

  op.controllers.on_disconnect("shop/orders", "shop/b");
  CHECK(op.controllers.fleet_state()["workloads"][0]["sidecars"][1]["connected"] == false);
  CHECK(op.controllers.fleet_state().dump().find("BEGIN") == std::string::npos);
}

TEST_CASE_FIXTURE(Fixture, "a pod that went before its stream was seen to open leaves nothing behind") {
  op.controllers.enqueue(op.index.put_pod({"shop/a", "u1", "shop/orders", "", false}));
  op.settle();
  op.controllers.on_connect("shop/orders", "shop/a");
  op.controllers.enqueue(op.index.remove_pod("shop/a"));
  op.controllers.on_disconnect("shop/orders", "shop/a");
  op.controllers.enqueue(op.index.put_pod({"shop/a", "u2", "shop/orders", "", false}));  // another pod of that name
  op.settle();
  CHECK(op.controllers.fleet_state()["workloads"][0]["sidecars"][0] == json{{"pod", "a"}, {"connected", false}});
}

TEST_CASE_FIXTURE(Fixture, "Programmed counts sidecars that said so of this revision") {
  op.controllers.enqueue(op.index.put_pod({"shop/a", "u1", "shop/orders", "", false}));
  op.controllers.enqueue(op.index.put_pod({"shop/b", "u2", "shop/orders", "", false}));
  op.settle();
  CHECK(condition("shop/readers", "Programmed")["reason"] == "SidecarsPending");
  op.controllers.on_ack("shop/orders", "shop/a", {revision(), bundle::Outcome::Applied, "", {}, {}});
  op.controllers.on_ack("shop/orders", "shop/b", {"another", bundle::Outcome::Applied, "", {}, {}});
  op.controllers.on_recorded("shop/orders", revision(), {});
  op.settle();
  CHECK(world.statuses["shop/readers"]["sidecarSummary"] == "1/2");
  op.controllers.on_ack("shop/orders", "shop/b", {revision(), bundle::Outcome::Applied, "", {}, {}});
  op.settle();
  CHECK(condition("shop/readers", "Programmed")["status"] == "True");

  op.controllers.on_ack("shop/orders", "shop/b", {revision(), bundle::Outcome::Refused, "nginx -t said no", {}, {}});
  op.settle();
  CHECK(condition("shop/readers", "Ready")["reason"] == "BundleRefused");
}

TEST_CASE_FIXTURE(Fixture,
                  "a policy is not Programmed before there is a bundle with its edit, whoever runs the one before") {
  op.controllers.enqueue(op.index.put_pod({"shop/a", "u1", "shop/orders", "", false}));
  const auto all_run_it = [&] {
    op.settle();
    op.controllers.on_ack("shop/orders", "shop/a", {revision(), bundle::Outcome::Applied, "", {}, {}});
    op.controllers.on_recorded("shop/orders", revision(), {});
    op.settle();
    return condition("shop/readers", "Programmed")["status"] == "True";
  };
  REQUIRE(all_run_it());
  json edited = policy_object("shop", "readers", "idp", {"orders"});
  edited["metadata"]["generation"] = 2;
  edited["spec"]["rules"][0]["action"] = "Deny";
  const auto keys = op.index.put_policy(edited);
  op.controllers.reconcile({Kind::Policy, "shop/readers"});  // a worker may be quicker than the one with the workload
  CHECK(condition("shop/readers", "Programmed")["reason"] == "SidecarsPending");
  const std::string before = revision();
  op.controllers.enqueue(keys);
  op.settle();
  CHECK(revision() != before);
  CHECK(condition("shop/readers", "Programmed")["reason"] == "SidecarsPending");
  CHECK(all_run_it());
}

TEST_CASE_FIXTURE(Fixture, "garbage keeps the last good bundle and says so") {
  const std::string before = revision();
  json broken = policy_object("shop", "readers", "idp", {"orders"});
  broken["metadata"]["generation"] = 2;
  broken["spec"]["rules"][0]["action"] = "Perhaps";
  op.put(broken);
  CHECK(revision() == before);
  CHECK(condition("shop/readers", "Accepted")["reason"] == "Invalid");
  CHECK(condition("shop/readers", "Accepted")["message"].get<std::string>().find("action") != std::string::npos);
}

TEST_CASE_FIXTURE(Fixture, "key changes reach a workload whose policy is refused now") {
  json broken = policy_object("shop", "readers", "idp", {"orders"});
  broken["metadata"]["generation"] = 2;
  broken["spec"]["rules"][0]["action"] = "Perhaps";
  op.put(broken);
  op.fetched(op.source(), keys("rotated", 3));
  CHECK(world.bundles["shop/orders"]->files.at("jwks.json").find("\"rotated\"") != std::string::npos);
}

TEST_CASE_FIXTURE(Fixture, "a restart with the same resources changes no byte, and a later bundle is newer") {
  const auto before = world.bundles["shop/orders"];
  FakeWorld after;
  Operator next(after, signing, 2);
  next.controllers.restore_keys(op.source(), *op.index.history(op.source()));
  next.controllers.adopt("shop/orders", before->manifest_json, before->signature, before->files);
  next.tell(provider_object("shop", "idp"));
  next.tell(policy_object("shop", "readers", "idp", {"orders"}));
  next.settle();
  REQUIRE(after.bundles.contains("shop/orders"));
  CHECK(after.bundles["shop/orders"]->manifest_json == before->manifest_json);

  json edited = policy_object("shop", "readers", "idp", {"orders"});
  edited["metadata"]["generation"] = 2;
  edited["spec"]["rules"][0]["name"] = "renamed";
  next.put(edited);
  CHECK(after.bundles["shop/orders"]->manifest.epoch > before->manifest.epoch);
}

TEST_CASE_FIXTURE(Fixture, "a record of a workload that nothing wants goes") {
  FakeWorld after;
  Operator next(after, signing, 2);
  after.records["shop/orders"] = world.records["shop/orders"];
  const auto& before = *world.bundles["shop/orders"];
  next.controllers.adopt("shop/orders", before.manifest_json, before.signature, before.files);
  next.settle();
  CHECK(after.records.empty());
}

TEST_CASE_FIXTURE(Fixture, "a record that somebody else signed is not adopted") {
  const auto before = world.bundles["shop/orders"];
  FakeWorld after;
  Operator next(after, bundle::SigningKey::generate(), 2);
  next.controllers.adopt("shop/orders", before->manifest_json, before->signature, before->files);
  next.tell(provider_object("shop", "idp"));
  next.tell(policy_object("shop", "readers", "idp", {"orders"}));
  next.settle();
  CHECK(after.bundles["shop/orders"]->manifest.epoch.term == 2);
}

TEST_CASE_FIXTURE(Fixture, "a retired key goes when its time has come") {
  json patient = provider_object("shop", "idp");
  patient["metadata"]["generation"] = 2;
  patient["spec"]["rotation"] = {{"overlap", "10m"}};
  op.put(patient);
  op.fetched(op.source(), keys("next", 2));
  CHECK(world.bundles["shop/orders"]->files.at("jwks.json").find("\"kid\":\"k\"") != std::string::npos);
  REQUIRE_FALSE(op.later.empty());
  world.time += Seconds(601);
  op.queue.push_back(op.later.back().first);
  op.settle();
  CHECK(world.bundles["shop/orders"]->files.at("jwks.json").find("\"kid\":\"k\"") == std::string::npos);
}

TEST_CASE_FIXTURE(Fixture, "two flavours in one workload are a condition, and the old bundle stays") {
  const std::string before = revision();
  op.controllers.enqueue(op.index.put_pod({"shop/a", "u1", "shop/orders", "", false}));
  op.controllers.enqueue(op.index.put_pod({"shop/b", "u2", "shop/orders", "AuthRequest", false}));
  op.settle();
  CHECK(condition("shop/readers", "Programmed")["reason"] == "FlavourConflict");
  CHECK(revision() == before);
}

TEST_CASE_FIXTURE(Fixture,
                  "a Service that goes past a sidecar is a condition of the policies, and no more once it is mended") {
  Pod pod{"shop/a", "u1", "shop/orders", "", false};
  pod.labels = {{"app", "orders"}};
  pod.ports = *inject::parse_injected(R"({"capture":"Explicit","ports":"8080:8081"})");
  op.controllers.enqueue(op.index.put_pod(pod));
  const auto lead_to = [&](int target) {
    const json spec{{"selector", {{"app", "orders"}}},
                    {"ports", json::array({{{"port", 80}, {"targetPort", target}}})}};
    op.controllers.enqueue(op.index.put_service("shop/orders", inject::read_service({{"spec", spec}})));
    op.settle();
    return condition("shop/readers", "Bypassable");
  };
  const std::string before = revision();
  CHECK(lead_to(8081)["reason"] == "ServiceReachesApplication");
  CHECK(condition("shop/readers", "Ready")["status"] == "True");
  CHECK(lead_to(8080)["reason"] == "SidecarOwnsPorts");
  CHECK(lead_to(9100)["status"] == "True");
  op.controllers.enqueue(op.index.remove_service("shop/orders"));
  op.settle();
  CHECK(condition("shop/readers", "Bypassable")["status"] == "False");
  CHECK(revision() == before);
}

TEST_CASE_FIXTURE(Fixture,
                  "the label says the flavour: its own auth.conf, a condition where it is none or falls short") {
  const auto label = [&](const std::string& flavour) {
    op.controllers.enqueue(op.index.put_pod({"shop/a", "u1", "shop/orders", flavour, false}));
    op.settle();
  };
  json idp = provider_object("shop", "idp");
  idp["metadata"]["generation"] = 2;
  idp["spec"]["forward"] = {{"claims", json::array({{{"path", {"sub"}}, {"header", "X-User"}}})}};
  op.put(idp);
  op.settle();
  const std::string module = revision();
  label("AuthRequest");
  const std::string asked = revision();
  CHECK(asked != module);
  CHECK(world.bundles["shop/orders"]->files.at("auth.conf").find("auth_request_set") != std::string::npos);
  op.controllers.enqueue(op.index.remove_pod("shop/a"));
  op.settle();
  CHECK(revision() == asked);

  label("authrequest");
  CHECK(condition("shop/readers", "Programmed")["reason"] == "BundleFailed");
  CHECK(revision() == asked);

  label("AuthRequest");
  json upgrades = policy_object("shop", "upgrades", "idp", {"orders"});
  upgrades["spec"]["rules"][0]["when"] = json::array({{{"header", "Upgrade"}, {"values", {"websocket"}}}});
  op.put(upgrades);
  op.settle();
  CHECK(condition("shop/upgrades", "Programmed")["reason"] == "FlavourLimit");
  CHECK(revision() == asked);
  label("Module");
  CHECK(condition("shop/upgrades", "Programmed")["reason"] != "FlavourLimit");

  const std::string before = revision();
  label("NginxPlus");
  const auto plus = condition("shop/upgrades", "Programmed");
  CHECK(plus["reason"] == "FlavourLimit");
  CHECK(plus["message"].get<std::string>().find("IdentityProvider shop/idp, spec.algorithms: PS256") !=
        std::string::npos);
  CHECK(revision() == before);
}

TEST_CASE_FIXTURE(Fixture, "a workload that nothing wants loses its record; a provider that nobody has its keys") {
  op.controllers.enqueue(op.index.remove_policy("shop/readers"));
  op.settle();
  CHECK_FALSE(world.records.contains("shop/orders"));
  const std::string source = op.source();
  op.controllers.enqueue(op.index.remove_provider("shop/idp"));
  op.settle();
  CHECK_FALSE(world.followed.contains(source));
  CHECK_FALSE(world.keys.contains(source));
}

TEST_CASE_FIXTURE(Fixture, "a provider that goes leaves its policy unresolved, and Allow matches nobody") {
  op.controllers.enqueue(op.index.remove_provider("shop/idp"));
  op.settle();
  CHECK(condition("shop/readers", "ResolvedRefs")["reason"] == "ProviderNotFound");
  CHECK(world.bundles["shop/orders"]->files.at("jwks.json").find("shop/idp") == std::string::npos);
}

}  // namespace
}  // namespace meshauth::controllers
