#include "sidecar/nginx/kid_reports.h"

#include <doctest/doctest.h>

#include <string>

using meshauth::nginx::KidReports;
using meshauth::nginx::kMaxKidSources;

namespace {
using Due = std::vector<std::pair<std::string, std::string>>;

bool nobody(const std::string&, const std::string&) {
  return false;
}
}  // namespace

TEST_CASE("of many unknown kids of one source one is told at once and the last one a second later") {
  KidReports reports;
  CHECK(reports.add("a", "k0", 100));
  for (int i = 1; i < 1000; ++i) CHECK_FALSE(reports.add("a", "k" + std::to_string(i), 100 + i / 1001.0));
  CHECK(reports.take_due(100.99, nobody).empty());
  CHECK(reports.take_due(101, nobody) == Due{{"a", "k999"}});
  CHECK(reports.take_due(200, nobody).empty());
}

TEST_CASE("what was told late counts as told: the next one waits again") {
  KidReports reports;
  CHECK(reports.add("a", "k0", 100));
  CHECK_FALSE(reports.add("a", "k1", 100.5));
  CHECK(reports.take_due(101.5, nobody).size() == 1);
  CHECK_FALSE(reports.add("a", "k2", 102));
  CHECK(reports.take_due(102.5, nobody) == Due{{"a", "k2"}});
  CHECK(reports.add("a", "k3", 104));
}

TEST_CASE("one that is told at once stands for the one that waited: the fetch that follows is for both") {
  KidReports reports;
  CHECK(reports.add("a", "k0", 100));
  CHECK_FALSE(reports.add("a", "k1", 100.5));
  CHECK(reports.add("a", "k2", 101.2));
  CHECK(reports.take_due(103, nobody).empty());
}

TEST_CASE("a key that came meanwhile is not told") {
  KidReports reports;
  CHECK(reports.add("a", "old", 100));
  CHECK_FALSE(reports.add("a", "new", 100.1));
  const auto due = reports.take_due(
      101.5, [](const std::string& source, const std::string& kid) { return source == "a" && kid == "new"; });
  CHECK(due.empty());
}

TEST_CASE("sources do not wait for each other") {
  KidReports reports;
  CHECK(reports.add("a", "k", 100));
  CHECK(reports.add("b", "k", 100));
  CHECK_FALSE(reports.add("a", "l", 100));
  CHECK_FALSE(reports.add("b", "m", 100));
  CHECK(reports.take_due(101, nobody) == Due{{"a", "l"}, {"b", "m"}});
}

TEST_CASE("a clock that was set back silences nobody") {
  KidReports reports;
  CHECK(reports.add("a", "k", 1000));
  CHECK(reports.add("a", "l", 10));
}

TEST_CASE("what is remembered is bounded") {
  KidReports reports;
  for (std::size_t i = 0; i <= kMaxKidSources; ++i) CHECK(reports.add("s" + std::to_string(i), "k", 100));
  CHECK(reports.add("s0", "k", 100));  // forgotten, so told again
}
