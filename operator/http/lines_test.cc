#include "operator/http/lines.h"

#include <doctest/doctest.h>

#include <vector>

namespace meshauth::http {
namespace {

using Outcome = LineSplitter::Outcome;

struct Collector {
  std::vector<std::string> lines;
  std::size_t stop_after = 1000;
  bool operator()(std::string_view line) {
    lines.emplace_back(line);
    return lines.size() < stop_after;
  }
};

TEST_CASE("lines come out the same however the bytes are cut") {
  const std::string text = "one\ntwo\r\n\n\nthree\nrest";
  for (std::size_t step = 1; step <= text.size(); ++step) {
    CAPTURE(step);
    LineSplitter splitter(16);
    Collector collector;
    for (std::size_t at = 0; at < text.size(); at += step) {
      CHECK(splitter.feed(std::string_view(text).substr(at, step), std::ref(collector)) == Outcome::More);
    }
    CHECK(collector.lines == std::vector<std::string>{"one", "two", "three"});
    CHECK(splitter.unfinished());
  }
}

TEST_CASE("a line of exactly the limit passes and one byte more does not") {
  for (const bool at_once : {true, false}) {
    CAPTURE(at_once);
    Collector collector;
    LineSplitter exact(4);
    CHECK(exact.feed("abcd\n", std::ref(collector)) == Outcome::More);
    CHECK(collector.lines == std::vector<std::string>{"abcd"});
    LineSplitter over(4);
    if (at_once) {
      CHECK(over.feed("abcde\n", std::ref(collector)) == Outcome::TooLong);
    } else {
      CHECK(over.feed("abc", std::ref(collector)) == Outcome::More);
      CHECK(over.feed("de", std::ref(collector)) == Outcome::TooLong);
    }
    CHECK(collector.lines.size() == 1);
  }
}

TEST_CASE("no line follows after the callback said stop") {
  LineSplitter splitter(16);
  Collector collector{{}, 1};
  CHECK(splitter.feed("a\nb\n", std::ref(collector)) == Outcome::Stopped);
  CHECK(collector.lines == std::vector<std::string>{"a"});
}

}  // namespace
}  // namespace meshauth::http
