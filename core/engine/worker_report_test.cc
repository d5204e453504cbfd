#include "core/engine/worker_report.h"

#include <doctest/doctest.h>

using namespace meshauth;
using namespace meshauth::engine;

namespace {

WorkerReport full() {
  WorkerReport report;
  report.event = WorkerEvent::counters;
  report.pid = 4711;
  report.worker = 3;
  report.started = 1700000000123;
  report.revision = std::string(64, 'a');
  report.auth_conf = std::string(64, 'b');
  report.draining = true;
  report.refused = "fresh.json";
  report.detail = "a \"quoted\"\nword";
  report.source = "https://idp.test/jwks";
  report.kid = "k\\1";
  report.counters = {{true, "", "ns/p", "read", "ns/okta", "", "", 7},
                     {false, "expired", "", "", "", "allow", "ns/a", 1}};
  return report;
}

}  // namespace

TEST_CASE("a report reads back as it was written") {
  const WorkerReport report = full();
  const auto read = parse_worker_report(to_json(report));
  REQUIRE(read);
  CHECK(*read == report);
}

TEST_CASE("a swap says how long it took") {
  WorkerReport report;
  report.event = WorkerEvent::swapped;
  report.swap_ms = 1.25;
  const auto read = parse_worker_report(to_json(report));
  REQUIRE(read);
  CHECK(read->swap_ms == 1.25);
  CHECK(to_json(report).find("\"type\":\"swapped\"") != std::string::npos);
}

TEST_CASE("bytes that are no UTF-8 do not lose the report") {
  WorkerReport report;
  report.event = WorkerEvent::unknown_kid;
  report.kid = "a\xff";
  const auto read = parse_worker_report(to_json(report));
  REQUIRE(read);
  CHECK(read->kid == "a\xef\xbf\xbd");
}

TEST_CASE("a long detail is cut") {
  WorkerReport report;
  report.event = WorkerEvent::refused;
  report.detail = std::string(5000, 'x');
  const auto read = parse_worker_report(to_json(report));
  REQUIRE(read);
  CHECK(read->detail.size() == kMaxReportDetail);
}

TEST_CASE("what is no report of this version is refused by name") {
  struct Case {
    const char* json;
    const char* says;
  };
  const Case cases[] = {
      {"", "refused"},
      {"[]", "no JSON object"},
      {R"({"v":2,"type":"hello"})", "version 2"},
      {R"({"type":"hello"})", "version 0"},
      {R"({"v":1,"type":"wave"})", "unknown type \"wave\""},
      {R"({"v":1,"type":"hello","pid":"x"})", "wrong \"pid\""},
      {R"({"v":1,"type":"hello","v":1})", "same member twice"},
      {R"({"v":1,"type":"counters","counters":[{"count":-1}]})", "wrong \"count\""},
      {R"({"v":1,"type":"counters","counters":[1]})", "wrong \"counters\""},
  };
  for (const Case& c : cases) {
    CAPTURE(c.json);
    const auto read = parse_worker_report(c.json);
    REQUIRE(!read);
    CHECK(read.error().message.find(c.says) != std::string::npos);
  }
}
