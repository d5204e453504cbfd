#include "core/engine/request.h"

#include <doctest/doctest.h>

using namespace meshauth;
using namespace meshauth::engine;

TEST_CASE("a target is split as RFC 9112 says, or refused") {
  struct Case {
    const char* raw;
    const char* path;  // nullptr: refused
    const char* query;
    const char* authority;  // nullptr: none
  };
  const Case cases[] = {
      {"/", "/", "", nullptr},
      {"/a/b?c=d?e", "/a/b", "c=d?e", nullptr},
      {"/a?", "/a", "", nullptr},
      {"http://h/a?b", "/a", "b", "h"},
      {"HTTPS://h:8080", "/", "", "h:8080"},
      {"http://h?x=/y", "/", "x=/y", "h"},
      {"http:///a", "/a", "", ""},
      {"", nullptr, nullptr, nullptr},
      {"*", nullptr, nullptr, nullptr},
      {"a/b", nullptr, nullptr, nullptr},
      {"h:443", nullptr, nullptr, nullptr},
      {"ftp://h/a", nullptr, nullptr, nullptr},
      {"/a#b", nullptr, nullptr, nullptr},
      {"/a?b#c", nullptr, nullptr, nullptr},
  };
  for (const Case& c : cases) {
    CAPTURE(c.raw);
    const auto target = split_target(c.raw);
    REQUIRE(target.has_value() == (c.path != nullptr));
    if (!target) {
      CHECK(target.error() == Reason::path_ambiguous);
      continue;
    }
    CHECK(target->path == c.path);
    CHECK(target->query == c.query);
    REQUIRE(target->authority.has_value() == (c.authority != nullptr));
    if (c.authority) CHECK(*target->authority == c.authority);
  }
}

TEST_CASE("there is one host, whatever the client calls it") {
  struct Case {
    const char* target;
    std::vector<std::string> hosts;
    const char* decided;  // nullptr: host_mismatch
  };
  const Case cases[] = {
      {"/", {"a.test"}, "a.test"},
      {"/", {"A.Test.:8080"}, "a.test"},
      {"/", {}, ""},
      {"/", {"a.test", "a.test"}, nullptr},
      {"/", {"a b"}, nullptr},
      {"/", {"a.test:x"}, nullptr},
      {"/", {""}, nullptr},
      {"http://a.test/", {"a.test"}, "a.test"},
      {"http://a.test:80/", {"A.test"}, "a.test"},
      {"http://a.test:8080/", {"a.test:8080"}, "a.test"},
      {"http://a.test:8080/", {"a.test:9090"}, nullptr},
      {"http://a.test/", {"b.test"}, nullptr},
      {"http://a.test/", {}, "a.test"},
      {"http://u@a.test/", {"a.test"}, nullptr},
      {"http:///x", {"a.test"}, nullptr},
      {"http://[::1]:80/", {"[::1]"}, "[::1]"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.target);
    std::vector<Header> headers;
    for (const auto& host : c.hosts) headers.push_back({"host", host});
    const auto target = split_target(c.target);
    REQUIRE(target);
    const auto host = decided_host(*target, headers);
    REQUIRE(host.has_value() == (c.decided != nullptr));
    if (host) {
      CHECK(*host == c.decided);
    } else {
      CHECK(host.error() == Reason::host_mismatch);
    }
  }
}

TEST_CASE("headers have bounds, each alone and all together") {
  const std::string at_most(kMaxHeaderValueBytes, 'x'), over = at_most + "x";
  CHECK(check_header_sizes(std::vector<Header>{{"a", at_most}}) == Reason::none);
  CHECK(check_header_sizes(std::vector<Header>{{"a", over}}) == Reason::header_too_large);
  const std::vector<Header> four(kMaxHeaderBytes / kMaxHeaderValueBytes, Header{"", at_most});
  CHECK(check_header_sizes(four) == Reason::none);
  auto more = four;
  more.push_back({"a", ""});
  CHECK(check_header_sizes(more) == Reason::header_too_large);
}

TEST_CASE("a preflight is OPTIONS with both of its headers") {
  const std::vector<Header> both = {{"origin", "https://a"}, {"access-control-request-method", "PUT"}};
  HttpRequest request;
  request.method = "OPTIONS";
  request.headers = both;
  CHECK(is_preflight(request));
  request.method = "GET";
  CHECK_FALSE(is_preflight(request));
  request.method = "OPTIONS";
  request.headers = std::span(both).first(1);
  CHECK_FALSE(is_preflight(request));
  request.headers = std::span(both).last(1);
  CHECK_FALSE(is_preflight(request));
}
