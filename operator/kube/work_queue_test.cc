#include "operator/kube/work_queue.h"

#include <doctest/doctest.h>

#include <atomic>
#include <thread>
#include <vector>

namespace meshauth::kube {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

struct QueueFixture {
  http::Metrics metrics;
  FakeClock clock;
  WorkQueue<std::string> queue{
      {.name = "policy", .backoff = {.first = milliseconds(100), .longest = seconds(1), .jitter = 0.0}},
      metrics,
      clock,
      [] { return 0.5; }};

  // What a worker would get without waiting.
  std::string now() {
    if (queue.depth() == 0) {
      // Keys that are due become visible in get(): ask with a stop that comes after the look.
      std::stop_source source;
      source.request_stop();
      const auto got = queue.get(source.get_token());
      CHECK(!got.has_value());
      if (queue.depth() == 0) return "";
    }
    return queue.get().value_or("shut down");
  }
  bool metric(const std::string& line) { return metrics.text().find(line + "\n") != std::string::npos; }
};

TEST_CASE("a key that is added many times is visited once") {
  QueueFixture f;
  f.queue.add("a");
  f.queue.add("b");
  f.queue.add("a");
  CHECK(f.now() == "a");
  CHECK(f.now() == "b");
  CHECK(f.now() == "");
  CHECK(f.metric(R"(workqueue_adds_total{name="policy"} 2)"));
}

TEST_CASE("a key added while a worker has it is visited once more, after that worker") {
  QueueFixture f;
  f.queue.add("a");
  CHECK(f.now() == "a");
  f.queue.add("a");
  f.queue.add("a");
  CHECK(f.now() == "");
  f.queue.done("a");
  CHECK(f.now() == "a");
  f.queue.done("a");
  CHECK(f.now() == "");
}

TEST_CASE("a delayed key comes at its earliest time") {
  QueueFixture f;
  f.queue.add_after("a", seconds(10));
  f.queue.add_after("a", seconds(5));
  f.queue.add_after("a", seconds(20));
  f.queue.add_after("now", seconds(0));
  CHECK(f.now() == "now");
  f.clock.advance(milliseconds(4999));
  CHECK(f.now() == "");
  f.clock.advance(milliseconds(1));
  CHECK(f.now() == "a");
  f.queue.done("a");
  f.clock.advance(seconds(60));
  CHECK(f.now() == "");
}

TEST_CASE("failures of one key wait longer each time, until it is forgotten") {
  QueueFixture f;
  for (const int wait : {100, 200, 400, 800, 1000, 1000}) {
    CAPTURE(wait);
    f.queue.add_rate_limited("a");
    f.clock.advance(milliseconds(wait - 1));
    CHECK(f.now() == "");
    f.clock.advance(milliseconds(1));
    CHECK(f.now() == "a");
    f.queue.done("a");
  }
  CHECK(f.queue.failures("a") == 6);
  f.queue.forget("a");
  f.queue.add_rate_limited("a");
  f.clock.advance(milliseconds(100));
  CHECK(f.now() == "a");
  CHECK(f.metric(R"(workqueue_retries_total{name="policy"} 7)"));
}

TEST_CASE("all metrics are there before anything happens, and follow the clock") {
  QueueFixture f;
  for (const char* line :
       {R"(workqueue_depth{name="policy"} 0)", R"(workqueue_adds_total{name="policy"} 0)",
        R"(workqueue_retries_total{name="policy"} 0)", R"(workqueue_queue_duration_seconds_count{name="policy"} 0)",
        R"(workqueue_work_duration_seconds_count{name="policy"} 0)",
        R"(workqueue_unfinished_work_seconds{name="policy"} 0)",
        R"(workqueue_longest_running_processor_seconds{name="policy"} 0)"}) {
    CAPTURE(line);
    CHECK(f.metric(line));
  }
  f.queue.add("a");
  f.queue.add("b");
  CHECK(f.metric(R"(workqueue_depth{name="policy"} 2)"));
  f.clock.advance(seconds(2));
  CHECK(f.now() == "a");
  f.clock.advance(seconds(3));
  CHECK(f.now() == "b");
  f.clock.advance(seconds(1));
  CHECK(f.metric(R"(workqueue_unfinished_work_seconds{name="policy"} 5)"));
  CHECK(f.metric(R"(workqueue_longest_running_processor_seconds{name="policy"} 4)"));
  f.queue.done("a");
  CHECK(f.metric(R"(workqueue_queue_duration_seconds_sum{name="policy"} 7)"));
  CHECK(f.metric(R"(workqueue_work_duration_seconds_sum{name="policy"} 4)"));
}

TEST_CASE("shutdown wakes every worker") {
  QueueFixture f;
  std::vector<std::jthread> workers;
  std::atomic<int> ended{0};
  for (int i = 0; i < 3; ++i) {
    workers.emplace_back([&] {
      CHECK(!f.queue.get().has_value());
      ++ended;
    });
  }
  f.queue.shutdown();
  workers.clear();
  CHECK(ended == 3);
  f.queue.add("a");
  CHECK(!f.queue.get().has_value());
}

TEST_CASE("many workers never share a key, and no last add is lost") {
  http::Metrics metrics;
  WorkQueue<int> queue({.name = "busy"}, metrics);
  constexpr int kKeys = 7;
  std::atomic<int> wanted[kKeys] = {};
  std::atomic<int> seen[kKeys] = {};
  std::atomic<bool> held[kKeys] = {};
  std::atomic<int> shared{0};
  std::vector<std::jthread> workers;
  for (int i = 0; i < 4; ++i) {
    workers.emplace_back([&] {
      while (const auto key = queue.get()) {
        if (held[*key].exchange(true)) ++shared;
        seen[*key] = wanted[*key].load();
        held[*key] = false;
        queue.done(*key);
      }
    });
  }
  for (int round = 1; round <= 3000; ++round) {
    wanted[round % kKeys] = round;
    queue.add(round % kKeys);
    if (round % 10 == 0) queue.add_after(round % kKeys, std::chrono::microseconds(50));
  }
  const auto settled = [&] {
    for (int key = 0; key < kKeys; ++key) {
      if (seen[key] != wanted[key]) return false;
    }
    return true;
  };
  const auto deadline = std::chrono::steady_clock::now() + seconds(30);
  while (!settled() && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
  queue.shutdown();
  workers.clear();
  CHECK(settled());
  CHECK(shared == 0);
}

}  // namespace
}  // namespace meshauth::kube
