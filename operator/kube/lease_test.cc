#include "operator/kube/lease.h"

#include <doctest/doctest.h>

#include <atomic>
#include <nlohmann/json.hpp>

#include "operator/http/metrics.h"
#include "operator/kube/testing/fake_api_server.h"

namespace meshauth::kube {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::FakeApiServer;

constexpr std::uint64_t kClock = 1'500'000'000;  // seconds since 1970; the test clock is past it
const std::string kPath = "/apis/coordination.k8s.io/v1/namespaces/n/leases/mesh-auth-operator";

struct LeaseFixture {
  http::Metrics metrics;
  FakeClock clock;
  std::shared_ptr<FakeApiServer> server = std::make_shared<FakeApiServer>();
  ApiClient api{server, {.host = "test"}, metrics};
  std::mutex mutex;
  std::string lost;  // guarded by mutex

  LeaseOptions options(const std::string& identity, std::uint64_t min_term = 0) {
    LeaseOptions options;
    options.ns = "n";
    options.identity = identity;
    options.min_term = min_term;
    return options;
  }
  std::unique_ptr<Leadership> lead(const LeaseOptions& wanted) {
    auto gained = Elector(api, wanted, metrics, clock)
                      .lead(
                          [this](const std::string& why) {
                            const std::lock_guard lock(mutex);
                            lost = why;
                          },
                          {});
    REQUIRE_MESSAGE(gained.has_value(), gained.error().message);
    REQUIRE(*gained != nullptr);
    return std::move(*gained);
  }
  // Moves the clock until the condition holds.
  bool until(const std::function<bool()>& holds) {
    const auto deadline = std::chrono::steady_clock::now() + seconds(30);
    while (!holds()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      clock.advance(milliseconds(100));
      std::this_thread::sleep_for(milliseconds(1));  // the threads that wait look at this clock each millisecond
    }
    return true;
  }
  std::string why_lost() {
    const std::lock_guard lock(mutex);
    return lost;
  }
  json spec() { return server->object(kPath)["spec"]; }
};

TEST_CASE("each start has a greater term, whether the Lease was given back or not") {
  LeaseFixture f;
  std::uint64_t term = 0;
  {
    const auto first = f.lead(f.options("a"));
    CHECK(first->term() >= kClock);
    term = first->term();
    CHECK(f.spec()["holderIdentity"] == "a");
    CHECK(f.metrics.text().find(R"(leader_election_master_status{name="mesh-auth-operator"} 1)") != std::string::npos);
  }
  CHECK(f.spec()["holderIdentity"] == "");
  CHECK(f.lead(f.options("b"))->term() == term + 1);
  // A process that was killed gave nothing back; its successor has the same identity.
  json killed = f.server->object(kPath);
  killed["spec"]["holderIdentity"] = "c";
  killed["spec"]["leaseDurationSeconds"] = 15;
  f.server->put(kPath, killed);
  const auto again = f.lead(f.options("c"));
  CHECK(again->term() == term + 2);
  CHECK(f.server->object(kPath)["metadata"]["annotations"]["meshauth.dev/term"] == std::to_string(term + 2));
}

TEST_CASE("--min-term is a floor and never lowers the term") {
  LeaseFixture f;
  constexpr std::uint64_t kFar = 1ULL << 40;
  CHECK(f.lead(f.options("a", kFar))->term() == kFar);
  CHECK(f.lead(f.options("b", 50))->term() == kFar + 1);
  CHECK(f.lead(f.options("c", kFar + 100))->term() == kFar + 100);
}

TEST_CASE("a term that a hand took away or spoilt never leads to a smaller one") {
  LeaseFixture f;
  const auto first = f.lead(f.options("a"))->term();
  json lease = f.server->object(kPath);
  lease["metadata"].erase("annotations");
  f.server->put(kPath, lease);
  const auto second = f.lead(f.options("a"))->term();
  CHECK(second >= first);
  REQUIRE(f.api.remove(kLeases, "n", "mesh-auth-operator"));  // the whole Lease, as when the release was uninstalled
  CHECK(f.lead(f.options("a"))->term() >= second);
  lease = f.server->object(kPath);
  lease["metadata"]["annotations"]["meshauth.dev/term"] = "many";
  f.server->put(kPath, lease);
  const auto refused = Elector(f.api, f.options("a"), f.metrics, f.clock).lead({}, {});
  REQUIRE(!refused.has_value());
  CHECK(refused.error().message.find("--min-term") != std::string::npos);
}

TEST_CASE("a second process waits while the first renews, and takes over when it falls silent") {
  LeaseFixture f;
  json held = {
      {"metadata", {{"namespace", "n"}, {"name", "mesh-auth-operator"}, {"annotations", {{"meshauth.dev/term", "7"}}}}},
      {"spec", {{"holderIdentity", "other"}, {"leaseDurationSeconds", 15}, {"renewTime", "x"}}}};
  f.server->put(kPath, held);
  std::vector<std::string> waits;
  Elector elector(f.api, f.options("me"), f.metrics, f.clock, [&](const std::string& why) { waits.push_back(why); });
  std::atomic<bool> gained{false};
  std::unique_ptr<Leadership> leadership;
  std::jthread candidate([&](std::stop_token stop) {
    auto got = elector.lead({}, stop);
    REQUIRE(got.has_value());
    leadership = std::move(*got);
    gained = true;
  });
  // Renewed each second for a minute: it stays with the other.
  for (int i = 0; i < 60; ++i) {
    f.server->put(kPath, held);
    f.clock.advance(seconds(1));
    std::this_thread::sleep_for(milliseconds(2));
  }
  CHECK(!gained);
  const auto silent_since = f.clock.now();
  CHECK(f.until([&] { return gained.load(); }));
  CHECK(f.clock.now() - silent_since >= seconds(13));  // the candidate looked last up to 2 s before
  candidate.join();
  CHECK(leadership->term() == 8);
  CHECK(waits.front().find("\"other\" holds Lease n/mesh-auth-operator") != std::string::npos);
}

TEST_CASE("a holder that has ended for certain is not waited for, and another one is") {
  LeaseFixture f;
  f.server->put(kPath,
                {{"metadata",
                  {{"namespace", "n"}, {"name", "mesh-auth-operator"}, {"annotations", {{"meshauth.dev/term", "7"}}}}},
                 {"spec", {{"holderIdentity", "other"}, {"leaseDurationSeconds", 15}, {"renewTime", "x"}}}});
  auto options = f.options("me");
  std::atomic<bool> ended{false};
  std::atomic<int> asked{0};
  options.has_ended = [&](const std::string& holder) { return ++asked, ended && holder == "other"; };
  const auto began = f.clock.now();
  std::unique_ptr<Leadership> leadership;
  std::jthread candidate([&] { leadership = f.lead(options); });
  REQUIRE(f.until([&] { return asked > 1; }));
  CHECK(f.spec()["holderIdentity"] == "other");
  ended = true;
  REQUIRE(f.until([&] { return f.spec()["holderIdentity"] == "me"; }));
  CHECK(f.clock.now() - began < seconds(15));
  candidate.join();
  CHECK(leadership->term() == 8);
}

TEST_CASE("of two that try at once one wins, and the terms differ") {
  LeaseFixture f;
  // Between the loser's read and its write another process takes the Lease and gives it back.
  std::atomic<int> puts{0};
  f.lead(f.options("first"));
  f.server->before_each([&](const http::Request& request) -> std::optional<Result<http::Response>> {
    if (request.method == "PUT" && ++puts == 1) {
      json lease = f.server->object(kPath);
      lease["metadata"]["annotations"]["meshauth.dev/term"] = "9";
      f.server->put(kPath, lease);
    }
    return std::nullopt;
  });
  std::unique_ptr<Leadership> leadership;
  std::atomic<bool> gained{false};
  std::jthread candidate([&] {
    leadership = f.lead(f.options("second"));
    gained = true;
  });
  CHECK(f.until([&] { return gained.load(); }));
  CHECK(leadership->term() == 10);
}

TEST_CASE("leadership is renewed, survives a foreign edit, and is lost to another holder") {
  LeaseFixture f;
  const auto leadership = f.lead(f.options("a"));
  const std::string renewed = f.spec()["renewTime"];
  CHECK(f.until([&] { return f.spec()["renewTime"] != renewed; }));
  json lease = f.server->object(kPath);
  lease["metadata"]["labels"]["hand"] = "edited";
  f.server->put(kPath, lease);
  const std::string before = f.spec()["renewTime"];
  CHECK(f.until([&] { return f.spec()["renewTime"] != before; }));
  CHECK(leadership->held());
  CHECK(f.server->object(kPath)["metadata"]["labels"]["hand"] == "edited");
  lease = f.server->object(kPath);
  lease["spec"]["holderIdentity"] = "thief";
  f.server->put(kPath, lease);
  CHECK(f.until([&] { return !f.why_lost().empty(); }));
  CHECK(f.why_lost() == "the Lease is now \"thief\"'s");
  CHECK(!leadership->held());
}

TEST_CASE("an API server that is away costs the leadership after the renew deadline, not before") {
  LeaseFixture f;
  const auto leadership = f.lead(f.options("a"));
  const auto since = f.clock.now();
  f.server->before_each(
      [](const http::Request&) -> std::optional<Result<http::Response>> { return fail("nobody listens"); });
  CHECK(f.until([&] { return !f.why_lost().empty(); }));
  CHECK(f.clock.now() - since >= seconds(8));
  CHECK(f.why_lost().find("could not be renewed for 10 s") != std::string::npos);
}

TEST_CASE("waiting ends with a stop request, and where we may not write at once") {
  LeaseFixture f;
  std::stop_source stopped;
  stopped.request_stop();
  const auto none = Elector(f.api, f.options("a"), f.metrics, f.clock).lead({}, stopped.get_token());
  REQUIRE(none.has_value());
  CHECK(*none == nullptr);
  f.server->before_each([](const http::Request&) -> std::optional<Result<http::Response>> {
    return http::Response{403, {}, R"({"kind":"Status","code":403,"message":"may not get leases"})"};
  });
  const auto refused = Elector(f.api, f.options("a"), f.metrics, f.clock).lead({}, {});
  REQUIRE(!refused.has_value());
  CHECK(refused.error().message.find("may not get leases") != std::string::npos);
}

}  // namespace
}  // namespace meshauth::kube
