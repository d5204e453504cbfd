#include "core/engine/snapshot.h"

#include "core/engine/testing.h"

using namespace meshauth;
using namespace meshauth::engine;
using namespace meshauth::engine::testing;

namespace {

bundle::Bundle bundle_of(const Mesh& mesh) {
  bundle::Files files = {
      {"auth.conf", ""}, {"jwks.json", bundle::write_jwks(mesh.keys)}, {"policy.json", policy::to_json(mesh.policy)}};
  auto made = bundle::make_bundle(std::move(files), "ns/orders", {3, 9}, bundle::SigningKey::generate());
  REQUIRE(made);
  return std::move(*made);
}

Mesh one_rule_mesh() {
  Mesh mesh;
  mesh.add(provider());
  mesh.add("ns/p", {rule("read", {from()}, {"/orders/**"})});
  return mesh;
}

}  // namespace

TEST_CASE("a bundle becomes a snapshot that decides like what it was made of") {
  const auto bundle = bundle_of(one_rule_mesh());
  auto snapshot = make_snapshot(bundle);
  REQUIRE(snapshot);
  CHECK((*snapshot)->revision == bundle.manifest.revision);
  CHECK((*snapshot)->epoch == bundle::Epoch{3, 9});
  CHECK((*snapshot)->workload == "ns/orders");
  CHECK(ask(**snapshot, Request("/orders/1").bearer(token())).allow);
  CHECK_FALSE(ask(**snapshot, Request("/other").bearer(token())).allow);
}

TEST_CASE("a file that cannot be read is named") {
  auto broken = bundle_of(one_rule_mesh());
  broken.files["jwks.json"] = "{";
  REQUIRE_FALSE(make_snapshot(broken));
  CHECK(make_snapshot(broken).error().message.find("jwks.json") != std::string::npos);
  broken = bundle_of(one_rule_mesh());
  broken.files["policy.json"] = R"({"policies":1})";
  REQUIRE_FALSE(make_snapshot(broken));
  CHECK(make_snapshot(broken).error().message.find("policy.json") != std::string::npos);
  broken.files.erase("policy.json");
  CHECK_FALSE(make_snapshot(broken));
}

TEST_CASE("no two snapshots have one id") {
  const Mesh mesh = one_rule_mesh();
  CHECK(mesh.snapshot()->id() != mesh.snapshot()->id());
}

TEST_CASE("providers are found by id, in whatever order they came") {
  Mesh mesh;
  mesh.add(provider("ns/b")).add(provider("ns/a")).add(provider("ns/c"));
  const auto snapshot = mesh.snapshot();
  for (const std::string id : {"ns/a", "ns/b", "ns/c"}) {
    REQUIRE(snapshot->provider_index(id));
    CHECK(snapshot->providers()[*snapshot->provider_index(id)].id == id);
  }
  CHECK_FALSE(snapshot->provider_index("ns/d"));
  CHECK_FALSE(snapshot->provider_index(""));
}

TEST_CASE("a provider that never goes stale needs nobody to say so") {
  Mesh mesh;
  auto stale = provider("ns/b");
  stale.max_stale = Seconds(60);
  mesh.add(provider("ns/a")).add(stale);
  const Snapshot snapshot(mesh.keys, mesh.policy);
  CHECK_FALSE(snapshot.stale(0, kNow));
  CHECK(snapshot.stale(1, kNow));
}

TEST_CASE("callers of whom the policies say the same share what they say") {
  const auto snapshot = one_rule_mesh().snapshot();
  const auto& engine = snapshot->engine();
  policy::Identity okta;
  okta.provider = "ns/okta";
  const auto nobody = snapshot->shared(engine.match({}));
  const auto first = snapshot->shared(engine.match({{okta}, {}}));
  CHECK(first != nobody);
  CHECK(snapshot->shared(engine.match({{okta}, {}})) == first);
  CHECK(snapshot->shared(engine.match({})) == nobody);
}
