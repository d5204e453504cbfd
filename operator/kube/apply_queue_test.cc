#include "operator/kube/apply_queue.h"

#include <doctest/doctest.h>

#include <atomic>
#include <nlohmann/json.hpp>

#include "operator/http/metrics.h"
#include "operator/kube/testing/fake_api_server.h"

namespace meshauth::kube {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::FakeApiServer;

Object config_map(const std::string& name, const std::string& value) {
  return std::make_shared<const nlohmann::json>(nlohmann::json{{"apiVersion", "v1"},
                                                               {"kind", "ConfigMap"},
                                                               {"metadata", {{"namespace", "n"}, {"name", name}}},
                                                               {"data", {{"v", value}}}});
}

struct ApplyFixture {
  http::Metrics metrics;
  FakeClock clock;
  std::shared_ptr<FakeApiServer> server = std::make_shared<FakeApiServer>();
  ApiClient api{server, {.host = "test"}, metrics};
  std::atomic<int> outcomes{0};
  std::atomic<int> errors{0};

  ApplyTask task(const std::string& name, const std::string& value) {
    return {kConfigMaps, config_map(name, value), "", [this](const ApiResult<Object>& outcome) {
              ++outcomes;
              if (!outcome) ++errors;
            }};
  }
  std::string value(const std::string& name) {
    const auto object = server->object("/api/v1/namespaces/n/configmaps/" + name);
    return object.is_null() ? "" : object["data"]["v"].get<std::string>();
  }
  std::size_t writes() const { return server->requests().size(); }
  // Moves the clock until the condition holds.
  bool until(const std::function<bool()>& holds, milliseconds step = milliseconds(5)) {
    const auto deadline = std::chrono::steady_clock::now() + seconds(30);
    while (!holds()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      clock.advance(step);
      std::this_thread::yield();
    }
    return true;
  }
};

bool idle(ApplyQueue& queue) {
  return queue.wait_idle(std::chrono::steady_clock::now() + seconds(30));
}

TEST_CASE("of several tasks of one key that wait the newest is written") {
  ApplyFixture f;
  // The first write is held up, so that the others wait.
  std::atomic<bool> go{false};
  std::atomic<bool> begun{false};
  f.server->before_each([&](const http::Request&) -> std::optional<Result<http::Response>> {
    begun = true;
    while (!go) std::this_thread::yield();
    return std::nullopt;
  });
  ApplyQueue queue(f.api, {}, f.clock);
  queue.put("x", f.task("x", "1"));
  while (!begun) std::this_thread::yield();
  queue.put("x", f.task("x", "2"));
  queue.put("x", f.task("x", "3"));
  queue.put("y", f.task("y", "1"));
  queue.put("z", f.task("z", "1"));
  queue.drop("z");
  go = true;
  CHECK(idle(queue));
  CHECK(f.value("x") == "3");
  CHECK(f.value("y") == "1");
  CHECK(f.value("z") == "");
  CHECK(f.writes() == 3);
  CHECK(f.outcomes == 3);
}

TEST_CASE("writes and bytes are bounded per second") {
  ApplyFixture f;
  SUBCASE("writes") {
    ApplyQueue queue(f.api, {.writes_per_second = 2, .bytes_per_second = 0}, f.clock);
    for (int i = 0; i < 5; ++i) queue.put(std::to_string(i), f.task("c" + std::to_string(i), "v"));
    while (f.writes() < 2) std::this_thread::yield();  // the burst
    f.clock.advance(milliseconds(499));
    CHECK(queue.pending() >= 3);
    CHECK(f.writes() == 2);
    CHECK(f.until([&] { return f.writes() == 5; }));
    CHECK(idle(queue));
    CHECK(f.clock.now() - FakeClock().now() >= milliseconds(1500));
  }
  SUBCASE("bytes") {
    ApplyQueue queue(f.api, {.writes_per_second = 0, .bytes_per_second = 1000}, f.clock);
    for (int i = 0; i < 3; ++i) queue.put(std::to_string(i), f.task("c" + std::to_string(i), std::string(900, 'x')));
    CHECK(f.until([&] { return f.writes() == 3; }));
    CHECK(idle(queue));
    CHECK(f.clock.now() - FakeClock().now() >= milliseconds(1900));
  }
  SUBCASE("one key") {
    ApplyQueue queue(f.api, {.per_key = seconds(1)}, f.clock);
    queue.put("x", f.task("x", "1"));
    CHECK(idle(queue));
    queue.put("x", f.task("x", "2"));
    queue.put("y", f.task("y", "1"));
    while (f.writes() < 2) std::this_thread::yield();
    CHECK(f.value("x") == "1");
    CHECK(f.value("y") == "1");
    CHECK(f.until([&] { return f.value("x") == "2"; }));
    CHECK(f.clock.now() - FakeClock().now() >= seconds(1));
  }
}

TEST_CASE("a failure that may pass is tried again, one that will not is left to its owner") {
  ApplyFixture f;
  std::atomic<int> tries{0};
  int code = 503;
  f.server->before_each([&](const http::Request&) -> std::optional<Result<http::Response>> {
    if (++tries > 2) return std::nullopt;
    return http::Response{code, {}, "{}"};
  });
  SUBCASE("503") {
    ApplyQueue queue(f.api, {}, f.clock);
    queue.put("x", f.task("x", "1"));
    CHECK(f.until([&] { return f.value("x") == "1"; }));
    CHECK(idle(queue));
    CHECK(f.errors == 2);
    CHECK(f.outcomes == 3);
  }
  SUBCASE("422") {
    code = 422;
    ApplyQueue queue(f.api, {}, f.clock);
    queue.put("x", f.task("x", "1"));
    CHECK(idle(queue));
    CHECK(f.errors == 1);
    CHECK(tries == 1);
  }
}

}  // namespace
}  // namespace meshauth::kube
