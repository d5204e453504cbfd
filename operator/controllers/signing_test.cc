// The key that signs is replaced while the operator works, and across a restart.
#include <doctest/doctest.h>

#include "core/base/base64.h"
#include "core/bundle/documents.h"
#include "operator/controllers/testing.h"

namespace meshauth::controllers {
namespace {

using plan::testing::policy_object;
using plan::testing::provider_object;
using testing::FakeWorld;
using testing::Operator;

struct SigningFixture : testing::Fixture {
  const bundle::SigningKey next = bundle::SigningKey::generate();
  const bundle::Trust only_next{{next.public_key()}, {}};

  static bundle::TrustReport report(const std::string& key) { return {{key}, {}, key}; }
  void restart_into(Operator& other) const {
    const Record& record = world.records.at("shop/orders");
    other.controllers.restore_keys(op.source(), *op.index.history(op.source()));
    other.controllers.adopt("shop/orders", record.bundle->manifest_json, record.bundle->signature,
                            record.bundle->files);
    other.tell(provider_object("shop", "idp"));
    other.tell(policy_object("shop", "readers", "idp", {"orders"}));
    other.settle();
  }
};

TEST_CASE_FIXTURE(SigningFixture,
                  "with another key the same bundle is signed anew, pushed and recorded; fresh.json too") {
  const auto before = world.bundles["shop/orders"];
  CHECK(op.controllers.unrecorded().empty());
  const auto published = world.published.size();
  op.controllers.set_signing_key(next);
  CHECK(op.controllers.unrecorded() == std::vector<std::string>{"shop/orders"});
  op.settle();
  const auto after = world.bundles["shop/orders"];
  CHECK(world.published.size() == published + 1);
  CHECK(after->manifest_json == before->manifest_json);
  CHECK(after->files == before->files);
  CHECK(bundle::signer_of(*after, only_next) == next.public_key());
  CHECK(bundle::open_fresh(world.fresh["shop/orders"], world.fresh_signatures["shop/orders"], only_next));
  const Record& record = world.records.at("shop/orders");
  CHECK(record.bundle->signature == after->signature);
  CHECK(bundle::open_fresh(record.fresh_json, record.fresh_signature, only_next));
  CHECK(op.controllers.unrecorded().empty());

  op.controllers.set_signing_key(next);  // the same again changes nothing
  op.settle();
  CHECK(world.published.size() == published + 1);
}

TEST_CASE_FIXTURE(SigningFixture, "a record that cannot be written is named until it is") {
  world.records_writable = false;
  op.controllers.set_signing_key(next);
  op.settle();
  CHECK(op.controllers.unrecorded() == std::vector<std::string>{"shop/orders"});
  world.records_writable = true;
  op.queue.push_back({Kind::Workload, "shop/orders"});
  op.settle();
  CHECK(op.controllers.unrecorded().empty());
}

TEST_CASE_FIXTURE(SigningFixture,
                  "after a restart the record of the key before is adopted, byte for byte, under the new signature") {
  const auto before = world.bundles["shop/orders"];
  FakeWorld after;
  Operator other(after, next, 2, {signing.public_key()});
  restart_into(other);
  REQUIRE(after.bundles.contains("shop/orders"));
  CHECK(after.bundles["shop/orders"]->manifest_json == before->manifest_json);
  CHECK(bundle::signer_of(*after.bundles["shop/orders"], only_next));
  CHECK(after.records.at("shop/orders").bundle->signature == after.bundles["shop/orders"]->signature);
  CHECK(other.controllers.unrecorded().empty());

  FakeWorld later;
  Operator last(later, next, 3);  // the key before is not trusted any more: what it signed is none of ours
  restart_into(last);
  CHECK(later.bundles["shop/orders"]->manifest.epoch.term == 3);
}

TEST_CASE_FIXTURE(SigningFixture, "what comes after the change is signed by the new key alone") {
  op.controllers.set_signing_key(next);
  nlohmann::json edited = policy_object("shop", "readers", "idp", {"orders"});
  edited["metadata"]["generation"] = 2;
  edited["spec"]["rules"][0]["name"] = "renamed";
  op.put(edited);
  CHECK(bundle::signer_of(*world.bundles["shop/orders"], only_next));
}

TEST_CASE_FIXTURE(SigningFixture,
                  "each sidecar's trust is known as it said it last; one that said nothing is there too") {
  op.controllers.enqueue(op.index.put_pod({"shop/a", "u1", "shop/orders", "", false}));
  op.controllers.enqueue(op.index.put_pod({"shop/b", "u2", "shop/orders", "", false}));
  op.controllers.enqueue(op.index.put_pod({"shop/gone", "u3", "shop/orders", "", true}));
  op.settle();
  bundle::Report said;
  said.trust = report("old");
  op.controllers.on_report("shop/orders", "shop/a", said);
  said.trust = report("new");
  op.controllers.on_report("shop/orders", "shop/a", said);
  op.controllers.on_report("shop/orders", "shop/a", {});  // nothing new is no news
  auto sidecars = op.controllers.sidecar_trust();
  REQUIRE(sidecars.size() == 2);
  CHECK(sidecars[0].pod == "shop/a");
  CHECK(sidecars[0].said == report("new"));
  CHECK(sidecars[1].pod == "shop/b");
  CHECK(!sidecars[1].said);

  op.controllers.on_pod_gone("shop/orders", "shop/a");
  sidecars = op.controllers.sidecar_trust();
  REQUIRE(sidecars.size() == 2);
  CHECK(!sidecars[0].said);
}

}  // namespace
}  // namespace meshauth::controllers
