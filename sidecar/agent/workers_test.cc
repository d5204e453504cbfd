#include "sidecar/agent/workers.h"

#include <doctest/doctest.h>

#include <set>

namespace meshauth::agent {
namespace {

using engine::WorkerEvent;
using engine::WorkerReport;

struct Fixture {
  std::set<std::int64_t> dead;
  Workers workers{[this](std::int64_t pid) { return !dead.contains(pid); }};

  void say(WorkerEvent event, std::int64_t pid, const std::string& revision, std::int64_t started = 100,
           bool draining = false) {
    WorkerReport report;
    report.event = event;
    report.pid = pid;
    report.started = started;
    report.revision = revision;
    report.draining = draining;
    report.swap_ms = event == WorkerEvent::swapped ? static_cast<double>(pid) : 0;
    workers.note(report, {});
  }
};

TEST_CASE("all run a revision when enough live workers do and none runs another") {
  Fixture f;
  CHECK(f.workers.missing({"r", 2, 0}) == "0 of 2 workers have started");
  f.say(WorkerEvent::hello, 1, "r");
  CHECK(!f.workers.all_run({"r", 2, 0}));
  f.say(WorkerEvent::hello, 2, "q");
  CHECK(f.workers.missing({"r", 2, 0}) == "worker 2 still runs q");
  f.say(WorkerEvent::swapped, 2, "r");
  CHECK(f.workers.all_run({"r", 2, 0}));
  CHECK(f.workers.swap_ms("r") == 2.0);
}

TEST_CASE("after a reload only new workers count, and none of before may take requests") {
  Fixture f;
  f.say(WorkerEvent::hello, 1, "old", 100);
  f.say(WorkerEvent::hello, 2, "new", 200);
  CHECK(f.workers.missing({"new", 1, 150}) == "worker 1 still runs old");
  SUBCASE("it drains") {
    f.say(WorkerEvent::counters, 1, "new", 100, true);
  }
  SUBCASE("it says goodbye") {
    f.say(WorkerEvent::bye, 1, "new", 100);
  }
  SUBCASE("it is dead") {
    f.dead.insert(1);
  }
  CHECK(f.workers.all_run({"new", 1, 150}));
  CHECK(f.workers.missing({"new", 2, 150}) == "1 of 2 new workers have started");
}

TEST_CASE("a pid that comes again is another worker") {
  Fixture f;
  f.say(WorkerEvent::hello, 7, "r", 100);
  f.say(WorkerEvent::bye, 7, "r", 100);
  f.say(WorkerEvent::hello, 7, "", 300);
  CHECK(f.workers.missing({"r", 1, 0}) == "worker 7 has no valid bundle");
  CHECK(f.workers.view().size() == 1);
}

TEST_CASE("any valid bundle will do for readiness") {
  Fixture f;
  CHECK(!f.workers.all_run_something(1));
  f.say(WorkerEvent::hello, 1, "a");
  f.say(WorkerEvent::hello, 2, "");
  CHECK(!f.workers.all_run_something(2));
  f.say(WorkerEvent::swapped, 2, "b");
  CHECK(f.workers.all_run_something(2));
}

TEST_CASE("strangers cannot make it remember without bound") {
  Fixture f;
  for (int pid = 1; pid <= 5000; ++pid) f.say(WorkerEvent::hello, pid, "r");
  CHECK(f.workers.view().size() == 1024);
}

}  // namespace
}  // namespace meshauth::agent
