#include "operator/kube/events.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "operator/http/metrics.h"
#include "operator/kube/testing/fake_api_server.h"

namespace meshauth::kube {
namespace {

using nlohmann::json;
using std::chrono::minutes;
using std::chrono::seconds;
using testing::FakeApiServer;
using Type = EventRecorder::Type;

struct EventsFixture {
  http::Metrics metrics;
  FakeClock clock;
  std::shared_ptr<FakeApiServer> server = std::make_shared<FakeApiServer>();
  ApiClient api{server, {.host = "test"}, metrics};
  EventRecorder recorder{api, {.instance = "pod-1", .writes_per_second = 1000}, metrics, clock};
  Subject policy{"meshauth.dev/v1alpha1", "AccessPolicy", "shop", "orders", "u-1", "5"};

  void emit(const std::string& reason, const std::string& message = "m", Type type = Type::Warning) {
    recorder.emit(policy, type, reason, message);
    CHECK(recorder.wait_idle(std::chrono::steady_clock::now() + seconds(30)));
  }
  json events() {
    const auto list = api.list_page(kEvents, {.ns = "shop"}, {});
    REQUIRE(list.has_value());
    return (**list)["items"];
  }
  double dropped() {
    const std::string text = metrics.text();
    const std::string name = "\nmesh_auth_events_dropped_total ";
    return std::stod(text.substr(text.find(name) + name.size()));
  }
};

TEST_CASE("an event names its object, and the same again within ten minutes raises its count") {
  EventsFixture f;
  f.emit("Invalid", "rule 1");
  f.clock.advance(minutes(9));
  f.emit("Invalid", "rule 2");
  json events = f.events();
  REQUIRE(events.size() == 1);
  const json& event = events[0];
  CHECK(event["count"] == 2);
  CHECK(event["message"] == "rule 2");
  CHECK(event["type"] == "Warning");
  CHECK(event["reason"] == "Invalid");
  CHECK(event["involvedObject"]["uid"] == "u-1");
  CHECK(event["firstTimestamp"] != event["lastTimestamp"]);
  f.emit("Other");
  f.emit("Invalid", "m", Type::Normal);
  CHECK(f.events().size() == 3);
  f.clock.advance(minutes(11));
  f.emit("Invalid", "rule 3");
  CHECK(f.events().size() == 4);
}

TEST_CASE("an event that the API server has forgotten is made anew") {
  EventsFixture f;
  f.emit("Invalid");
  const std::string name = f.events()[0]["metadata"]["name"];
  f.server->erase("/api/v1/namespaces/shop/events/" + name);
  f.emit("Invalid");
  REQUIRE(f.events().size() == 1);
  CHECK(f.events()[0]["count"] == 2);
}

TEST_CASE("one object cannot flood the API server, and what is dropped is counted") {
  EventsFixture f;
  CHECK(f.dropped() == 0);
  for (int i = 0; i < 40; ++i) f.emit("Reason" + std::to_string(i));
  CHECK(f.events().size() == 25);
  CHECK(f.dropped() == 15);
  f.policy.uid = "u-2";
  f.emit("Fresh");
  CHECK(f.events().size() == 26);
}

TEST_CASE("an API server that refuses events costs nothing but the event") {
  EventsFixture f;
  f.server->before_each([](const http::Request&) -> std::optional<Result<http::Response>> {
    return http::Response{403, {}, "{}"};
  });
  f.emit("Invalid");
  CHECK(f.dropped() == 1);
}

TEST_CASE("a message is cut at what the API takes, between characters") {
  EventsFixture f;
  std::string text;
  for (int i = 0; i < 1000; ++i) text += "\xc3\xa4";
  f.emit("Long", text);
  CHECK(f.events()[0]["message"].get<std::string>().size() == 1024);
}

}  // namespace
}  // namespace meshauth::kube
