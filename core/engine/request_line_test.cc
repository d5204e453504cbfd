#include "core/engine/request_line.h"

#include <doctest/doctest.h>

#include <utility>

using namespace meshauth::engine;

TEST_CASE("a request line is split at its blanks, with or without a version") {
  struct Case {
    const char *line, *method, *target;
  };
  const Case cases[] = {
      {"GET /a?b HTTP/1.1", "GET", "/a?b"},
      {"GET /a", "GET", "/a"},
      {"GET   /a HTTP/1.0", "GET", "/a"},
      {"GET", "GET", ""},
      {"GET ", "GET", ""},
      {"", "", ""},
  };
  for (const Case& c : cases) {
    CAPTURE(c.line);
    CHECK(split_request_line(c.line).method == c.method);
    CHECK(split_request_line(c.line).target == c.target);
  }
}

TEST_CASE("what nginx delivers is what was decided on, to the byte") {
  struct Case {
    const char *target, *unparsed_uri;
    bool empty_path, delivers;
  };
  const Case cases[] = {
      {"/a/b?c=d", "/a/b?c=d", false, true},
      {"/a", "/a", false, true},
      {"/a?", "/a?", false, true},
      {"http://h/a?b", "/a?b", false, true},
      {"http://h", "", true, true},
      {"http://h?b", "?b", true, true},
      {"http://h/", "/", false, true},
      // Another path.
      {"/a", "/b", false, false},
      {"/a", "/ab", false, false},
      {"/ab", "/a", false, false},
      {"/a", "", false, false},
      {"/a", "/a/b", false, false},
      {"/a%20b", "/a b", false, false},
      {"http://h/a", "http://h/a", false, false},
      // Another query.
      {"/a?b", "/a?c", false, false},
      {"/a?b", "/a?bc", false, false},
      {"/a?b", "/a", false, false},
      {"/a", "/a?b", false, false},
      // nginx puts in a slash where there is a path.
      {"http://h/a?b", "?b", true, false},
      {"http://h/a", "", true, false},
      {"http://h?b", "?c", true, false},
      {"http://h?b", "", true, false},
      {"http://h", "x", true, false},
      // Refused anyway, with a reason of its own.
      {"a/b", "", false, true},
      {"/a#b", "/a", false, true},
  };
  for (const Case& c : cases) {
    CAPTURE(c.target);
    CAPTURE(c.unparsed_uri);
    CHECK(delivers(c.target, c.unparsed_uri, c.empty_path) == c.delivers);
  }
}

TEST_CASE("the path for a log is what was sent, without what may be secret, and printable") {
  const std::pair<const char*, const char*> cases[] = {
      {"/", "/"},
      {"/a/b?c=d", "/a/b"},
      {"/orders/../public", "/orders/../public"},
      {"/a//b;c/%2e%2E/%00", "/a//b;c/%2e%2E/%00"},
      {"/a?b?c#d", "/a"},
      {"/a#access_token=secret", "/a"},
      {"http://user:secret@h/a?b", "/a"},
      {"ftp://user:secret@h/a", "/a"},
      {"http://h?x=/y", "/"},
      {"http://user:secret@h", "/"},
      {"/a?b=http://h/c", "/a"},
      {"/a://b/c", "/a://b/c"},
      {"a?b=http://h/c", "a"},
      {"*", "*"},
      {"", ""},
      {"/\xc3\xa9\xff\"\\", "/%C3%A9%FF\"\\"},
      {"/a\x01 \x7f", "/a%01%20%7F"},
  };
  for (const auto& [target, path] : cases) {
    CAPTURE(target);
    CHECK(loggable_path(target) == path);
  }
}
