#include "operator/kube/reflector.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "operator/http/cpprest_client.h"
#include "operator/http/metrics.h"
#include "operator/http/testing/fake_client.h"
#include "operator/http/testing/scenario_server.h"

namespace meshauth::kube {
namespace {

using http::testing::Exchanged;
using http::testing::FakeClient;
using http::testing::ScenarioServer;
using http::testing::Step;

const std::string kList = "/apis/meshauth.dev/v1alpha1/accesspolicies?limit=2";

std::string item(const std::string& name, const std::string& version) {
  return R"({"metadata":{"namespace":"n","name":")" + name + R"(","resourceVersion":")" + version + R"("}})";
}
std::string page(const std::string& version, const std::string& items, const std::string& more = {}) {
  return R"({"kind":"AccessPolicyList","metadata":{"resourceVersion":")" + version + R"(","continue":")" + more +
         R"("},"items":[)" + items + "]}";
}
std::string event(const std::string& type, const std::string& name, const std::string& version) {
  return R"({"type":")" + type + R"(","object":)" + item(name, version) + "}";
}
std::string watch_from(const std::string& version) {
  return "/apis/meshauth.dev/v1alpha1/accesspolicies?watch=true&allowWatchBookmarks=true&resourceVersion=" + version +
         "&timeoutSeconds=450";
}
const std::string kGone = R"({"kind":"Status","code":410,"reason":"Expired","message":"too old resource version"})";

struct ReflectorFixture {
  http::Metrics metrics;
  std::shared_ptr<FakeClient> server = std::make_shared<FakeClient>();
  Store store;
  std::vector<std::string> errors;  // read after stop()
  std::function<nlohmann::json(const nlohmann::json&)> reduce;

  void get(const std::string& target, const std::string& body, int status = 200) {
    server->expect({.method = "GET", .target = target, .status = status, .body = body});
  }
  void watch(const std::string& version, std::vector<std::string> lines,
             http::StreamEnd end = http::StreamEnd::Closed) {
    server->expect({.method = "GET", .target = watch_from(version), .lines = std::move(lines), .end = end});
  }
  void watch_and_hold(const std::string& version) {
    server->expect({.method = "GET", .target = watch_from(version), .hold = true});
  }

  // Plays the scenario; the last step has to be a watch that is held.
  void play(Clock& clock = system_clock()) {
    const ApiClient api(server, {.host = "test"}, metrics);
    Reflector reflector(
        {.resource = kAccessPolicies,
         .reduce = reduce,
         .page_limit = 2,
         .backoff = {.first = std::chrono::milliseconds(1)}},
        api, store, metrics, clock, [] { return 0.5; }, [this](const std::string& error) { errors.push_back(error); });
    reflector.start();
    CHECK(server->wait_all_begun());
    // The last watch is open: all is well, whatever came before.
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (!reflector.health().following && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
    CHECK(reflector.health().following);
    CHECK(reflector.health().last_error == "");
    reflector.stop();
    CHECK(server->complaints() == "");
  }
  bool metric(const std::string& line) { return metrics.text().find(line + "\n") != std::string::npos; }
};

TEST_CASE("a reflector lists in pages, watches, and takes the watch up again where it broke") {
  ReflectorFixture f;
  f.get(kList, page("10", item("a", "1") + "," + item("b", "2"), "c1"));
  f.get(kList + "&continue=c1", page("10", item("c", "3")));
  f.watch("10", {event("ADDED", "d", "11"), event("DELETED", "a", "12")}, http::StreamEnd::Broken);
  f.watch("12", {R"({"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"30"}}})"});
  f.watch_and_hold("30");
  f.play();
  CHECK(f.store.keys() == std::vector<std::string>{"n/b", "n/c", "n/d"});
  CHECK(f.store.resource_version() == "30");
  CHECK(f.errors.empty());
  CHECK(f.metric(R"(mesh_auth_list_total{kind="AccessPolicy"} 1)"));
  CHECK(f.metric(R"(mesh_auth_watch_restarts_total{kind="AccessPolicy"} 2)"));
}

TEST_CASE("each 410 costs exactly one list, as an answer and as an event") {
  ReflectorFixture f;
  f.get(kList, page("10", item("a", "1")));
  f.get(watch_from("10"), kGone, 410);
  f.get(kList, page("20", item("b", "2")));
  f.watch("20", {event("ADDED", "c", "21"), R"({"type":"ERROR","object":)" + kGone + "}"});
  f.get(kList, page("30", item("d", "3")));
  f.watch_and_hold("30");
  f.play();
  CHECK(f.store.keys() == std::vector<std::string>{"n/d"});
  CHECK(f.metric(R"(mesh_auth_list_total{kind="AccessPolicy"} 3)"));
}

TEST_CASE("failures are waited out, named, and lose nothing of what is known") {
  ReflectorFixture f;
  f.server->expect({.method = "GET", .target = kList, .transport_error = "nobody listens"});
  f.get(kList, R"({"kind":"Status","code":404,"reason":"NotFound","message":"not found"})", 404);
  f.get(kList, "<html>", 200);
  f.get(kList, page("10", item("a", "1")));
  f.get(watch_from("10"), R"({"kind":"Status","code":403,"reason":"Forbidden","message":"may not watch"})", 403);
  f.watch("10", {"rubbish"});
  f.watch("10", {event("ADDED", "b", "11")});
  f.watch_and_hold("11");
  f.play();
  CHECK(f.store.keys() == std::vector<std::string>{"n/a", "n/b"});
  REQUIRE(f.errors.size() == 5);
  CHECK(f.errors[0] == "nobody listens");
  CHECK(f.errors[1].find("are the CRDs installed?") != std::string::npos);
  CHECK(f.errors[2].find("is this a Kubernetes API server?") != std::string::npos);
  CHECK(f.errors[3].find("may not watch") != std::string::npos);
  CHECK(f.errors[4].find("not JSON") != std::string::npos);
}

TEST_CASE("the store keeps what an object is reduced to, of lists and of events") {
  ReflectorFixture f;
  f.reduce = [](const nlohmann::json& object) {
    return nlohmann::json{{"metadata", object.at("metadata")}, {"reduced", true}};
  };
  f.get(kList, page("10", item("a", "1") + "," + item("c", "2")));
  f.watch("10", {event("ADDED", "b", "11"), event("DELETED", "a", "12")});
  f.watch_and_hold("12");
  f.play();
  REQUIRE(f.store.keys() == std::vector<std::string>{"n/b", "n/c"});
  for (const char* key : {"n/b", "n/c"}) CHECK(f.store.get(key)->contains("reduced"));
}

TEST_CASE("a list older than what was seen is refused until a newer one comes") {
  ReflectorFixture f;
  f.get(kList, page("10", item("a", "1")));
  f.watch("10", {event("ADDED", "b", "50"), R"({"type":"ERROR","object":)" + kGone + "}"});
  f.get(kList, page("40", item("a", "1")));
  f.get(kList, page("60", item("c", "55")));
  f.watch_and_hold("60");
  f.play();
  CHECK(f.store.keys() == std::vector<std::string>{"n/c"});
  REQUIRE(f.errors.size() == 1);
  CHECK(f.errors[0].find("--min-term") != std::string::npos);
}

TEST_CASE("the same over TLS, against a server that plays the part") {
  const http::testing::Pki pki = http::testing::make_pki();
  const auto watch = [](const std::string& version, std::vector<std::string> chunks, Step::After after) {
    return Step{.request = "GET " + watch_from(version), .chunks = std::move(chunks), .after = after};
  };
  const std::string added = event("ADDED", "b", "11") + "\n";
  ScenarioServer server(&pki, {{.request = "GET " + kList,
                                .request_contains = "as=PartialObjectMetadataList",
                                .chunks = {page("10", item("a", "1"))}},
                               watch("10", {added.substr(0, 7), added.substr(7)}, Step::After::Cut),
                               watch("11", {R"({"type":"ERROR","object":)" + kGone + "}\n"}, Step::After::Hang),
                               {.request = "GET " + kList, .chunks = {page("20", item("c", "19"))}},
                               watch("20", {event("MODIFIED", "c", "21") + "\n"}, Step::After::Hang)});
  http::Metrics metrics;
  auto client = http::make_cpprest_client({.base_url = server.url(), .tls = {.ca_pem = pki.ca_pem}});
  REQUIRE(client.has_value());
  const ApiClient api(*client, {.host = "test"}, metrics);
  Store store;
  std::mutex mutex;
  std::condition_variable changed;
  bool seen = false;
  store.on_change([&](Store::Change, const std::string& key, const Object&, const Object& now) {
    if (key != "n/c" || !now || metadata(*now, "resourceVersion") != "21") return;
    const std::lock_guard lock(mutex);
    seen = true;
    changed.notify_all();
  });
  Reflector reflector({.resource = kAccessPolicies, .metadata_only = true, .page_limit = 2}, api, store, metrics,
                      system_clock(), [] { return 0.5; });
  reflector.start();
  {
    std::unique_lock lock(mutex);
    CHECK(changed.wait_for(lock, std::chrono::seconds(30), [&] { return seen; }));
  }
  CHECK(reflector.health().following);
  const auto before = std::chrono::steady_clock::now();
  reflector.stop();
  CHECK(std::chrono::steady_clock::now() - before < std::chrono::milliseconds(500));
  CHECK(server.complaints() == "");
  CHECK(store.keys() == std::vector<std::string>{"n/c"});
}

}  // namespace
}  // namespace meshauth::kube
