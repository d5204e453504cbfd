#include "sidecar/agent/sse.h"

#include <doctest/doctest.h>

#include <vector>

namespace meshauth::agent {
namespace {

std::vector<ServerEvent> events_of(std::string_view text, std::size_t step) {
  std::vector<ServerEvent> events;
  SseParser parser(1000, [&](ServerEvent event) { events.push_back(std::move(event)); });
  for (std::size_t at = 0; at < text.size(); at += step) REQUIRE(parser.feed(text.substr(at, step)));
  return events;
}

TEST_CASE("events come out the same however the bytes are cut and lines are ended") {
  struct Case {
    std::string_view text;
    std::vector<ServerEvent> want;
  };
  for (const auto& [text, want] : {
           Case{"event: ping\ndata: {}\n\n", {{"ping", "", "{}"}}},
           Case{"event: b\r\nid: 7\r\ndata: x\r\n\r\ndata: y\r\n\r\n", {{"b", "7", "x"}, {"message", "", "y"}}},
           Case{"data: a\rdata: b\r\r", {{"message", "", "a\nb"}}},
           Case{"\xef\xbb\xbf"
                "data:a\n\n",
                {{"message", "", "a"}}},
           Case{": comment\ndata:  two\n\n", {{"message", "", " two"}}},
           Case{"data\n\n", {{"message", "", ""}}},
           Case{"event: nothing\nid: 1\n\n", {}},
           Case{"retry: 5\nunknown: x\ndata: a\n\n", {{"message", "", "a"}}},
           Case{"data: not finished\n", {}},
       }) {
    CAPTURE(text);
    for (const std::size_t step : {1, 2, 3, 7, 1000}) {
      CAPTURE(step);
      CHECK(events_of(text, step) == want);
    }
  }
}

TEST_CASE("an event over the bound is an error, in one line or in many") {
  SseParser one(100, [](ServerEvent) { FAIL("dispatched"); });
  const auto status = one.feed("data: " + std::string(200, 'x'));
  REQUIRE(!status);
  CHECK(status.error().message == "the stream holds an event of over 100 bytes");
  SseParser many(100, [](ServerEvent) { FAIL("dispatched"); });
  Status last;
  for (int i = 0; i < 50 && last; ++i) last = many.feed("data: 0123456789\n");
  CHECK(!last);
}

TEST_CASE("many small events never come near the bound") {
  int count = 0;
  SseParser parser(100, [&](ServerEvent) { ++count; });
  for (int i = 0; i < 1000; ++i) REQUIRE(parser.feed("event: ping\ndata: 0123456789\n\n"));
  CHECK(count == 1000);
}

}  // namespace
}  // namespace meshauth::agent
