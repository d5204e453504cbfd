#include "core/base/duration.h"

#include <doctest/doctest.h>

#include <tuple>

using namespace meshauth;
using namespace std::chrono_literals;

TEST_CASE("durations are read and written in the shortest spelling") {
  const std::tuple<std::string_view, Seconds, std::string_view> cases[] = {
      {"0s", 0s, "0s"},          {"0h", 0s, "0s"},          {"30s", 30s, "30s"},         {"90s", 90s, "1m30s"},
      {"5m", 300s, "5m"},        {"1h30m", 5400s, "1h30m"}, {"1h1s", 3601s, "1h1s"},     {"24h", 24h, "24h"},
      {"8760h", 8760h, "8760h"}, {"007s", 7s, "7s"},        {"1h2m3s", 3723s, "1h2m3s"},
  };
  for (const auto& [text, seconds, shortest] : cases) {
    CAPTURE(text);
    REQUIRE(parse_duration(text));
    CHECK(*parse_duration(text) == seconds);
    CHECK(format_duration(seconds) == shortest);
  }
}

TEST_CASE("what is no duration is refused with what would be right") {
  for (const std::string_view text : {"",
                                      "s",
                                      "30",
                                      "30 s",
                                      " 30s",
                                      "30s ",
                                      "1.5h",
                                      "-30s",
                                      "+30s",
                                      "30S",
                                      "30sec",
                                      "1d",
                                      "100ms",
                                      "1s1m",
                                      "1h1h",
                                      "1m2h",
                                      "99999999999999999999s",
                                      "4294967296s",
                                      "1h-5m",
                                      "0x10s",
                                      "30s\n"}) {
    CAPTURE(text);
    const auto duration = parse_duration(text);
    REQUIRE_FALSE(duration);
    CHECK(duration.error().message.find("1h30m") != std::string::npos);
  }
}

TEST_CASE("a year is the longest duration") {
  CHECK(parse_duration("8760h"));
  for (const std::string_view text : {"8760h1s", "8761h", "525601m", "31536001s"}) {
    CAPTURE(text);
    REQUIRE_FALSE(parse_duration(text));
    CHECK(parse_duration(text).error().message.find("8760h") != std::string::npos);
  }
}

TEST_CASE("format_duration is read back to the same value") {
  for (int i = 0; i < 200000; i += 37) CHECK(parse_duration(format_duration(Seconds(i))) == Seconds(i));
}

TEST_CASE("times are read and written as RFC 3339 in UTC") {
  const std::pair<std::string_view, std::int64_t> cases[] = {
      {"1970-01-01T00:00:00Z", 0},
      {"2026-01-31T12:00:00Z", 1769860800},
      {"2024-02-29T23:59:59Z", 1709251199},
      {"0001-01-01T00:00:00Z", -62135596800},
      {"9999-12-31T23:59:59Z", 253402300799},
  };
  for (const auto& [text, unix] : cases) {
    CAPTURE(text);
    const std::chrono::sys_seconds time{Seconds(unix)};
    REQUIRE(parse_time(text));
    CHECK(*parse_time(text) == time);
    CHECK(format_time(time) == text);
  }
  CHECK(parse_time("2026-01-31T12:00:00.123456Z") == parse_time("2026-01-31T12:00:00Z"));
}

TEST_CASE("what is no time in UTC is refused") {
  for (const std::string_view text : {"",
                                      "2026-01-31",
                                      "2026-01-31T12:00:00",
                                      "2026-01-31T12:00:00+01:00",
                                      "2026-02-30T12:00:00Z",
                                      "2023-02-29T12:00:00Z",
                                      "2026-13-01T12:00:00Z",
                                      "2026-00-01T12:00:00Z",
                                      "2026-01-00T12:00:00Z",
                                      "2026-01-31T24:00:00Z",
                                      "2026-01-31T12:60:00Z",
                                      "2026-01-31T12:00:61Z",
                                      "2026-01-31 12:00:00Z",
                                      "2026-01-31t12:00:00z",
                                      "-026-01-31T12:00:00Z",
                                      "2026-+1-31T12:00:00Z",
                                      "2026-01-31T-0:00:00Z",
                                      "-000-01-31T12:00:00Z",
                                      "2026-01-31T12:00:0xZ",
                                      "2026-01-31T12:00:00X",
                                      "2026-01-31T12:00:0051Z",
                                      "2026-01-31T12:00:00.Z",
                                      "2026-01-31T12:00:00.1xZ",
                                      "2026-01-31T12:00:00ZZ",
                                      " 2026-01-31T12:00:00Z"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_time(text));
  }
}
