// What a sidecar's report of an unknown kid causes.
#include <doctest/doctest.h>

#include "operator/controllers/testing.h"

namespace meshauth::controllers {
namespace {

using testing::Fixture;
using testing::keys;
using Asked = std::vector<std::string>;

TEST_CASE_FIXTURE(Fixture, "an unknown kid is asked for only where the workload uses the source") {
  op.controllers.on_report("shop/orders", "shop/a", {{{op.source(), "x"}}, {}, {}});
  op.controllers.on_report("bank/ledger", "bank/b", {{{op.source(), "x"}}, {}, {}});
  CHECK(world.refetched == Asked{op.source()});
}

TEST_CASE_FIXTURE(Fixture, "a kid that came since is not asked for, one that left is") {
  op.controllers.on_report("shop/orders", "shop/a", {{{op.source(), "k"}}, {}, {}});
  CHECK(world.refetched.empty());
  op.fetched(op.source(), keys("next", 2));
  op.controllers.on_report("shop/orders", "shop/a", {{{op.source(), "next"}}, {}, {}});
  CHECK(world.refetched.empty());
  op.controllers.on_report("shop/orders", "shop/a", {{{op.source(), "k"}}, {}, {}});
  CHECK(world.refetched == Asked{op.source()});
}

TEST_CASE_FIXTURE(Fixture, "a retiring key that a provider may publish again is asked for") {
  auto patient = plan::testing::provider_object("shop", "idp");
  patient["metadata"]["generation"] = 2;
  patient["spec"]["rotation"] = {{"overlap", "10m"}};
  op.put(patient);
  op.fetched(op.source(), keys("next", 2));
  op.controllers.on_report("shop/orders", "shop/a", {{{op.source(), "k"}}, {}, {}});
  CHECK(world.refetched == Asked{op.source()});
}

}  // namespace
}  // namespace meshauth::controllers
