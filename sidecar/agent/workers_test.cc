#include "sidecar/agent/workers.h"

#include <doctest/doctest.h>

#include <set>

namespace meshauth::agent {
namespace {

using engine::WorkerEvent;
using engine::WorkerReport;

struct WorkersFixture {
  std::set<std::int64_t> dead;
  Workers workers{[this](std::int64_t pid) { return !dead.contains(pid); }};

  void say(WorkerEvent event, std::int64_t pid, const std::string& revision, const std::string& auth_conf = "a",
           bool draining = false, std::int64_t started = 100) {
    WorkerReport report;
    report.event = event;
    report.pid = pid;
    report.started = started;
    report.revision = revision;
    report.auth_conf = auth_conf;
    report.draining = draining;
    report.swap_ms = event == WorkerEvent::swapped ? static_cast<double>(pid) : 0;
    workers.note(report, {});
  }
};

TEST_CASE("all run a revision when enough live workers do and none runs another") {
  WorkersFixture f;
  CHECK(f.workers.missing({"r", "a", 2}) == "0 of 2 workers have started");
  f.say(WorkerEvent::hello, 1, "r");
  CHECK(!f.workers.all_run({"r", "a", 2}));
  f.say(WorkerEvent::hello, 2, "q");
  CHECK(f.workers.missing({"r", "a", 2}) == "worker 2 still runs q");
  f.say(WorkerEvent::swapped, 2, "r");
  CHECK(f.workers.all_run({"r", "a", 2}));
  CHECK(f.workers.swap_ms("r") == 2.0);
}

TEST_CASE("after a reload only new workers count, and none of before may take requests") {
  WorkersFixture f;
  f.say(WorkerEvent::hello, 1, "old", "a");
  CHECK(f.workers.missing({"new", "b", 1}) == "0 of 1 workers have started");
  f.say(WorkerEvent::hello, 2, "new", "b");
  CHECK(f.workers.missing({"new", "b", 1}) == "worker 1 of before the reload still takes requests");
  SUBCASE("it drains") {
    f.say(WorkerEvent::counters, 1, "new", "a", true);
  }
  SUBCASE("it says goodbye") {
    f.say(WorkerEvent::bye, 1, "new", "a");
  }
  SUBCASE("it is dead") {
    f.dead.insert(1);
  }
  CHECK(f.workers.all_run({"new", "b", 1}));
  CHECK(f.workers.missing({"new", "b", 2}) == "1 of 2 workers have started");
}

TEST_CASE("a pid that comes again is another worker") {
  WorkersFixture f;
  f.say(WorkerEvent::hello, 7, "r");
  f.say(WorkerEvent::bye, 7, "r");
  f.say(WorkerEvent::hello, 7, "", "a", false, 300);
  CHECK(f.workers.missing({"r", "a", 1}) == "worker 7 has no valid bundle");
  CHECK(f.workers.view().size() == 1);
}

TEST_CASE("any valid bundle will do for readiness") {
  WorkersFixture f;
  CHECK(!f.workers.all_run_something(1));
  f.say(WorkerEvent::hello, 1, "a");
  f.say(WorkerEvent::hello, 2, "");
  CHECK(!f.workers.all_run_something(2));
  f.say(WorkerEvent::swapped, 2, "b");
  CHECK(f.workers.all_run_something(2));
}

TEST_CASE("strangers cannot make it remember without bound") {
  WorkersFixture f;
  for (int pid = 1; pid <= 5000; ++pid) f.say(WorkerEvent::hello, pid, "r");
  CHECK(f.workers.view().size() == 1024);
}

}  // namespace
}  // namespace meshauth::agent
