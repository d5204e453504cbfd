#include "sidecar/nginx/trace.h"

#include <doctest/doctest.h>

#include <set>
#include <string>

using namespace meshauth::nginx;

namespace {
const std::string kSent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
}

TEST_CASE("a valid traceparent passes on") {
  const auto trace = trace_of(kSent);
  REQUIRE(trace);
  CHECK(trace->traceparent() == kSent);
  CHECK(trace->trace_id() == "4bf92f3577b34da6a3ce929d0e0e4736");
}

TEST_CASE("one of a later version passes on as far as we know it") {
  for (const auto& trace :
       {trace_of("cc" + kSent.substr(2) + "-what-the-future-holds"), trace_of("cc" + kSent.substr(2))}) {
    REQUIRE(trace);
    CHECK(trace->traceparent() == kSent);
  }
}

TEST_CASE("anything else is none") {
  const std::string wrong[] = {
      "",
      kSent + "-x",
      kSent.substr(0, 54),
      "ff" + kSent.substr(2),
      "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
      "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
      "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
      "00_4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
      "00-4bf92f3577b34da6a3ce929d0e0e4736-00F067aa0ba902b7-01",
      "00-4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7-01",
      "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7_01",
      "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0G",
      "cc" + kSent.substr(2) + "x",
  };
  for (const std::string& text : wrong) {
    CAPTURE(text);
    CHECK_FALSE(trace_of(text));
  }
}

TEST_CASE("a new one is valid, whatever the numbers") {
  const Trace trace = new_trace({0, 0, 0});
  CHECK(trace.traceparent() == "00-00000000000000000000000000000001-0000000000000001-00");
  CHECK(trace.trace_id() == "00000000000000000000000000000001");
}

TEST_CASE("every number is told in hexadecimal digits") {
  CHECK(new_trace({0x0123456789abcdef, 0xfedcba9876543211, 0xa0b1c2d3e4f50607}).traceparent() ==
        "00-0123456789abcdeffedcba9876543211-a0b1c2d3e4f50607-00");
}

TEST_CASE("no two traces are alike, of one worker or of two") {
  NewTraces one(TraceIds(1, 2)), other(TraceIds(3, 4)), again(TraceIds(1, 2));
  std::set<std::string> seen;
  for (int i = 0; i < 1000; ++i) {
    const Trace next = one.next();
    CHECK(next.traceparent() == again.next().traceparent());
    for (const Trace& trace : {next, other.next()}) {
      CHECK(trace_of(trace.traceparent()));
      seen.emplace(trace.trace_id());
      seen.emplace(trace.traceparent().substr(36, 16));
    }
  }
  CHECK(seen.size() == 4000);
}
