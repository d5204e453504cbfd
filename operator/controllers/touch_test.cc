// Which pods are touched, so that their nodes look at the record at once.
#include <doctest/doctest.h>

#include "operator/controllers/controllers.h"
#include "operator/controllers/testing.h"

namespace meshauth::controllers {
namespace {

using nlohmann::json;
using plan::testing::policy_object;
using plan::testing::provider_object;
using testing::FakeWorld;
using testing::Fixture;
using testing::Operator;

struct TouchFixture : Fixture {
  TouchFixture() {
    for (const char* name : {"a", "b", "gone"}) {
      op.controllers.enqueue(op.index.put_pod({fmt::format("shop/{}", name), name, "shop/orders", "", name[0] == 'g'}));
    }
    op.settle();
  }
  void rename_rule(int generation) {
    json edited = policy_object("shop", "readers", "idp", {"orders"});
    edited["metadata"]["generation"] = generation;
    edited["spec"]["rules"][0]["name"] = fmt::format("rule-{}", generation);
    op.put(edited);
    op.controllers.on_recorded("shop/orders", revision(), {});
  }
  void pass(Seconds time) {
    world.time += time;
    op.queue.push_back({Kind::Workload, "shop/orders"});
    op.settle();
  }
  using Touches = std::vector<std::pair<std::string, std::string>>;
};

TEST_CASE_FIXTURE(TouchFixture, "a pod that has not acknowledged what is recorded is touched once, after a while") {
  rename_rule(2);
  REQUIRE(op.later.size() == 1);
  CHECK(op.later[0].first == Key{Kind::Workload, "shop/orders"});
  op.controllers.on_ack("shop/orders", "shop/a", {revision(), bundle::Outcome::Applied, "", {}, {}});
  pass(Seconds(1));
  CHECK(world.touched.empty());
  CHECK(op.later[0].second == std::chrono::seconds(2));
  pass(Seconds(1));
  CHECK(world.touched == Touches{{"shop/b", revision()}});

  op.controllers.on_recorded("shop/orders", revision(), {});  // the same again: freshness was renewed
  pass(Seconds(5));
  CHECK(world.touched.size() == 1);
}

TEST_CASE_FIXTURE(TouchFixture, "a record that could not be written touches nobody") {
  op.controllers.on_recorded("shop/orders", revision(), fail("forbidden"));
  pass(Seconds(5));
  CHECK(world.touched.empty());
}

TEST_CASE_FIXTURE(TouchFixture, "one edit after another does not put the touch off, and the newest is named") {
  op.controllers.enqueue(op.index.remove_pod("shop/b"));
  rename_rule(2);
  pass(Seconds(1));
  rename_rule(3);
  pass(Seconds(1));
  CHECK(world.touched == Touches{{"shop/a", revision()}});
}

TEST_CASE_FIXTURE(TouchFixture,
                  "a pod that bears the revision is not touched for it again, and its mark plans nothing") {
  rename_rule(2);
  CHECK(op.index.put_pod({"shop/b", "b", "shop/orders", "", false, {}, {}, {}, revision()}).empty());
  pass(Seconds(2));
  CHECK(world.touched == Touches{{"shop/a", revision()}});
}

TEST_CASE_FIXTURE(TouchFixture,
                  "an edit that is taken back is a new one: what was acknowledged the first time says nothing") {
  op.controllers.enqueue(op.index.remove_pod("shop/b"));
  const auto ack = [&] {
    op.controllers.on_ack("shop/orders", "shop/a", {revision(), bundle::Outcome::Applied, "", {}, {}});
    op.settle();
  };
  const auto programmed = [&] { return world.statuses.at("shop/readers")["sidecars"]["programmed"]; };
  rename_rule(2);
  const std::string first = revision();
  ack();
  pass(Seconds(2));
  CHECK(programmed() == 1);
  rename_rule(3);  // from here on the pod hears nothing
  pass(Seconds(2));
  rename_rule(2);
  REQUIRE(revision() == first);
  pass(Seconds(1));
  CHECK(programmed() == 0);
  CHECK(world.touched.size() == 1);
  pass(Seconds(1));
  CHECK(world.touched.size() == 2);
  CHECK(world.touched.back() == std::pair{std::string("shop/a"), first});
  ack();
  CHECK(programmed() == 1);
}

TEST_CASE_FIXTURE(TouchFixture,
                  "a pod that bears the mark of the first time gets another, or its node would not look") {
  op.controllers.enqueue(op.index.remove_pod("shop/b"));
  rename_rule(2);
  const std::string first = revision();
  pass(Seconds(2));
  op.controllers.enqueue(op.index.put_pod({"shop/a", "a", "shop/orders", "", false, {}, {}, {}, first}));
  rename_rule(3);  // which reaches it by its stream
  op.controllers.on_ack("shop/orders", "shop/a", {revision(), bundle::Outcome::Applied, "", {}, {}});
  pass(Seconds(2));
  CHECK(world.touched == Touches{{"shop/a", first}});
  rename_rule(2);  // and this does not
  pass(Seconds(2));
  REQUIRE(world.touched.size() == 2);
  CHECK(world.touched[1].second != first);
  CHECK(world.touched[1].second.size() == 64);
  pass(Seconds(60));
  CHECK(world.touched.size() == 2);
}

TEST_CASE_FIXTURE(TouchFixture, "a touch that falls due while a newer record is being written waits for that one") {
  op.controllers.enqueue(op.index.remove_pod("shop/b"));
  rename_rule(2);
  op.controllers.on_ack("shop/orders", "shop/a", {revision(), bundle::Outcome::Applied, "", {}, {}});
  world.time += Seconds(2);
  json edited = policy_object("shop", "readers", "idp", {"orders"});
  edited["metadata"]["generation"] = 3;
  edited["spec"]["rules"][0]["name"] = "rule-3";
  op.put(edited);
  CHECK(world.touched.empty());
  op.controllers.on_recorded("shop/orders", revision(), {});
  op.settle();
  CHECK(world.touched == Touches{{"shop/a", revision()}});
}

/// The operator that comes after another one ended, with what that one left in the API server.
struct RestartFixture : TouchFixture {
  RestartFixture() {
    next.controllers.restore_keys(op.source(), *op.index.history(op.source()));
    next.controllers.adopt("shop/orders", before->manifest_json, before->signature, before->files);
    next.tell(provider_object("shop", "idp"));
    next.tell(policy_object("shop", "readers", "idp", {"orders"}));
  }
  void see(const char* pod, std::string touched) {
    next.controllers.enqueue(next.index.put_pod(
        {fmt::format("shop/{}", pod), pod, "shop/orders", "", false, {}, {}, {}, std::move(touched)}));
  }
  /// Its first reconcile writes the record once more.
  void start() {
    next.settle();
    next.controllers.on_recorded("shop/orders", before->manifest.revision, {});
  }
  void pass_after(Seconds time) {
    after.time += time;
    next.queue.push_back({Kind::Workload, "shop/orders"});
    next.settle();
  }

  const std::shared_ptr<const bundle::Bundle> before = world.bundles.at("shop/orders");
  const std::string recorded = before->manifest.revision;
  FakeWorld after;
  Operator next{after, signing, 2};
};

TEST_CASE_FIXTURE(
    RestartFixture,
    "after a restart pods are touched that were not for what the record held, once streams could be back") {
  see("cut-off", std::string(64, '0'));
  see("never-touched", "");
  see("touched", recorded);
  see("connected", "");
  start();
  REQUIRE(next.later.size() == 1);
  CHECK(next.later[0] == std::pair{Key{Kind::Workload, "shop/orders"}, std::chrono::milliseconds(15'000)});
  pass_after(Seconds(14));
  CHECK(after.touched.empty());
  next.controllers.on_ack("shop/orders", "shop/connected", {recorded, bundle::Outcome::Applied, "", {}, {}});
  pass_after(Seconds(1));
  CHECK(after.touched == Touches{{"shop/cut-off", recorded}, {"shop/never-touched", recorded}});
  pass_after(Seconds(60));
  CHECK(after.touched.size() == 2);
}

TEST_CASE_FIXTURE(RestartFixture, "an edit soon after a restart does not wait until streams could be back") {
  see("a", recorded);
  see("connected", recorded);
  start();
  next.controllers.on_recorded("shop/orders", "another", {});
  CHECK(next.later.back() == std::pair{Key{Kind::Workload, "shop/orders"}, std::chrono::milliseconds(2'000)});
  next.controllers.on_ack("shop/orders", "shop/connected", {"another", bundle::Outcome::Applied, "", {}, {}});
  pass_after(Seconds(1));
  CHECK(after.touched.empty());
  pass_after(Seconds(1));
  CHECK(after.touched == Touches{{"shop/a", "another"}});
  pass_after(Seconds(60));
  CHECK(after.touched.size() == 1);
}

TEST_CASE_FIXTURE(RestartFixture, "an edit after a restart touches as always") {
  see("a", recorded);
  start();
  pass_after(Seconds(15));
  CHECK(after.touched.empty());
  next.controllers.on_recorded("shop/orders", "another", {});
  pass_after(Seconds(2));
  CHECK(after.touched == Touches{{"shop/a", "another"}});
}

}  // namespace
}  // namespace meshauth::controllers
