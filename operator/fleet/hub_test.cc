#include "operator/fleet/hub.h"

#include <doctest/doctest.h>

#include "core/bundle/wire.h"

namespace meshauth::fleet {
namespace {

using namespace std::chrono_literals;

const bundle::SigningKey& key() {
  static const auto one = bundle::SigningKey::generate();
  return one;
}

std::shared_ptr<const bundle::Bundle> bundle_with(const std::string& policy, std::uint64_t sequence) {
  auto made = bundle::make_bundle({{"auth.conf", "# a\n"}, {"jwks.json", "{}"}, {"policy.json", policy}}, "shop/orders",
                                  {1, sequence}, key());
  REQUIRE(made);
  return std::make_shared<const bundle::Bundle>(std::move(*made));
}

bundle::BundleEvent event_in(const Event& event) {
  const auto at = event.bytes->find("data: ");
  const auto decoded = bundle::decode_bundle_event(event.bytes->substr(at + 6, event.bytes->size() - at - 8));
  REQUIRE(decoded);
  return *decoded;
}

bundle::PingEvent ping_in(const Event& event) {
  REQUIRE(!event.is_bundle);
  const auto at = event.bytes->find("data: ");
  const auto decoded = bundle::decode_ping_event(event.bytes->substr(at + 6, event.bytes->size() - at - 8));
  REQUIRE(decoded);
  return *decoded;
}

struct HubFixture {
  Hub hub{15s};
  SteadyTime now{1h};

  Stream& open(Stream& stream, const std::string& held = "") {
    stream.pod = "shop/pod";
    stream.workload = "shop/orders";
    stream.held = held;
    stream.wake = [this] { ++woken; };
    hub.open(stream);
    return stream;
  }
  std::optional<Event> next(Stream& stream) { return hub.next(stream, now, 1.5); }

  int woken = 0;
};

TEST_CASE("a new stream hears the bundle first, then the ping, then nothing") {
  HubFixture f;
  f.hub.publish("shop/orders", bundle_with("{}", 1), f.now);
  Stream stream;
  f.open(stream);
  const auto first = f.next(stream);
  REQUIRE(first);
  CHECK(first->is_bundle);
  CHECK(event_in(*first).files.size() == 3);
  const auto second = f.next(stream);
  REQUIRE(second);
  CHECK(ping_in(*second).now == 1.5);
  CHECK(!f.next(stream));
}

TEST_CASE("a stream that holds the revision is told the manifest alone") {
  HubFixture f;
  const auto bundle = bundle_with("{}", 1);
  f.hub.publish("shop/orders", bundle, f.now);
  Stream stream;
  f.open(stream, bundle->manifest.revision);
  const auto event = event_in(*f.next(stream));
  CHECK(event.files.empty());
  CHECK(event.manifest_json == bundle->manifest_json);
}

TEST_CASE("a stream is told the files that differ from what it holds, and all if that is not known") {
  HubFixture f;
  const auto old = bundle_with("{}", 1);
  f.hub.publish("shop/orders", old, f.now);
  f.hub.publish("shop/orders", bundle_with(R"({"a":1})", 2), f.now);
  Stream knows;
  f.open(knows, old->manifest.revision);
  CHECK(event_in(*f.next(knows)).files == bundle::Files{{"policy.json", R"({"a":1})"}});
  Stream stranger;
  f.open(stranger, std::string(64, '0'));
  CHECK(event_in(*f.next(stranger)).files.size() == 3);
}

TEST_CASE("a slow stream hears only the newest of many bundles") {
  HubFixture f;
  Stream stream;
  f.open(stream);
  for (std::uint64_t i = 1; i <= 20; ++i) {
    f.hub.publish("shop/orders", bundle_with("{\"a\":" + std::to_string(i) + "}", i), f.now);
  }
  CHECK(f.woken == 20);
  CHECK(event_in(*f.next(stream)).files["policy.json"] == R"({"a":20})");
  CHECK(!f.next(stream)->is_bundle);
  CHECK(!f.next(stream));
}

TEST_CASE("a stream of another workload hears nothing of it") {
  HubFixture f;
  Stream stream;
  stream.workload = "shop/other";
  stream.wake = [] { FAIL("woken for another workload"); };
  f.hub.open(stream);
  f.hub.publish("shop/orders", bundle_with("{}", 1), f.now);
  CHECK(!f.next(stream)->is_bundle);
  CHECK(!f.next(stream));
}

TEST_CASE("pings come in their interval and carry the newest fresh.json") {
  HubFixture f;
  Stream stream;
  f.open(stream);
  f.hub.set_fresh("", "{all}", "s0");
  CHECK(ping_in(*f.next(stream)).fresh_json == "{all}");
  f.now += 14s;
  CHECK(!f.next(stream));
  f.hub.set_fresh("", "{all2}", "s0");
  CHECK(!f.next(stream));
  f.now += 1s;
  CHECK(ping_in(*f.next(stream)).fresh_json == "{all2}");
  // A workload's own is told at once, and once only.
  f.hub.set_fresh("shop/orders", "{own}", "s1");
  CHECK(ping_in(*f.next(stream)).fresh_json == "{own}");
  CHECK(!f.next(stream));
  f.hub.set_fresh("shop/orders", "{own}", "s1");
  CHECK(!f.next(stream));
}

TEST_CASE("after withdraw there is no bundle for who comes, and open streams are still pinged") {
  HubFixture f;
  f.hub.publish("shop/orders", bundle_with("{}", 1), f.now);
  Stream open;
  f.open(open);
  while (f.next(open)) {
  }
  f.hub.withdraw("shop/orders");
  f.now += 15s;
  CHECK(!f.next(open)->is_bundle);
  Stream late;
  f.open(late);
  CHECK(!f.next(late)->is_bundle);
}

TEST_CASE("the time of publishing is known for the current revision alone") {
  HubFixture f;
  const auto bundle = bundle_with("{}", 1);
  f.hub.publish("shop/orders", bundle, f.now);
  CHECK(f.hub.published("shop/orders", bundle->manifest.revision) == f.now);
  CHECK(!f.hub.published("shop/orders", std::string(64, '0')));
  CHECK(!f.hub.published("shop/other", bundle->manifest.revision));
}

}  // namespace
}  // namespace meshauth::fleet
