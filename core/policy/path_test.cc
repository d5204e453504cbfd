#include "core/policy/path.h"

#include <doctest/doctest.h>

namespace meshauth::policy {
namespace {
using Segments = std::vector<std::string>;
}

TEST_CASE("a path is decoded once") {
  const struct {
    std::string_view raw;
    Segments want;
  } rows[] = {
      {"/", {""}},
      {"/a", {"a"}},
      {"/a/", {"a", ""}},
      {"/a/b", {"a", "b"}},
      {"/%61/%62%2e%63", {"a", "b.c"}},
      {"/a%20b", {"a b"}},
      {"/%2561", {"%61"}},
      {"/%252F", {"%2F"}},
      {"/%C3%BC", {"\xc3\xbc"}},
      {"/\xc3\xbc", {"\xc3\xbc"}},
      {"/...", {"..."}},
      {"/.hidden", {".hidden"}},
      {"/a..b", {"a..b"}},
      {"/a:b@c!$&'()*+,=~", {"a:b@c!$&'()*+,=~"}},
      {"/%3B", {";"}},
      {"/{id}", {"{id}"}},
      {"/*", {"*"}},
  };
  for (const auto& row : rows) {
    CAPTURE(row.raw);
    const auto path = decode_path(row.raw);
    REQUIRE(path);
    CHECK(path->segments == row.want);
  }
}

TEST_CASE("what two parsers could read differently is refused") {
  const std::string_view rows[] = {
      "",       "a",    "*",     "//",      "/a//b",   "//a",       "/a//",    "/.",         "/..",  "/./a",  "/a/../b",
      "/a/..",  "/a/.", "/%2e",  "/%2E%2e", "/.%2e/a", "/a/%2e%2E", "/a;b",    "/;",         "/a#b", "/a\\b", "/a%5Cb",
      "/a%5cb", "/%00", "/%23",  "/%3F",    "/%3f",    "/%2F",      "/a%2fb",  "/a?b",       "/%",   "/%4",   "/%zz",
      "/%4g",   "/a%",  "/\xff", "/%ff",    "/%C3",    "/%c0%ae",   "/%C0%AF", "/%ed%a0%80", "/a b", "/a\tb", "/a\x01",
      "/%01",   "/%7f", "/%0a",  "/%0d%0a", "/..;/a",  "/..%3b/a",  "/.%3Bx",  "http://x/",  "/% 1", "/%+1",
  };
  for (const auto raw : rows) {
    CAPTURE(raw);
    const auto path = decode_path(raw);
    REQUIRE_FALSE(path);
    CHECK(path.error() == Reason::path_ambiguous);
  }
}

TEST_CASE("what is allowed on request is data inside a segment, never a separator") {
  const PathAllow all{true, true, true};
  CHECK(decode_path("/a%2Fb/c", all)->segments == Segments{"a/b", "c"});
  CHECK(decode_path("/a;v=1/c", all)->segments == Segments{"a;v=1", "c"});
  CHECK(decode_path("//a///b/", all)->segments == Segments{"", "a", "", "", "b", ""});
  for (const auto raw :
       {"/..%2Fa", "/a%2F..", "/a%2F.%2Fb", "/..;/a", "/.;x", "/a%2F..;x", "/..", "/a\\b", "/%5c", "/%00"}) {
    CAPTURE(raw);
    CHECK_FALSE(decode_path(raw, all));
  }
  CHECK_FALSE(decode_path("/a%2Fb", {false, true, true}));
  CHECK_FALSE(decode_path("/a;b", {true, false, true}));
  CHECK_FALSE(decode_path("/a//b", {true, true, false}));
}

TEST_CASE("path-allow is a list of known words") {
  CHECK(parse_path_allow("")->semicolon == false);
  const auto some = parse_path_allow("double-slash,encoded-slash");
  REQUIRE(some);
  CHECK(some->encoded_slash);
  CHECK(some->double_slash);
  CHECK_FALSE(some->semicolon);
  CHECK(parse_path_allow("semicolon")->semicolon);
  for (const auto text : {"encoded_slash", "semicolon,", "semicolon, double-slash", "all", ","}) {
    CAPTURE(text);
    const auto refused = parse_path_allow(text);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().message.find("encoded-slash, semicolon, double-slash") != std::string::npos);
  }
}

TEST_CASE("a host is compared in lower case, without port and trailing dot") {
  const struct {
    std::string_view host, want;
  } rows[] = {
      {"orders.example.com", "orders.example.com"},
      {"Orders.EXAMPLE.com:8080", "orders.example.com"},
      {"orders.example.com.", "orders.example.com"},
      {"orders.example.com.:80", "orders.example.com"},
      {"localhost", "localhost"},
      {"10.0.0.1:1", "10.0.0.1"},
      {"[::1]", "[::1]"},
      {"[0:0:0::0001]:443", "[::1]"},
      {"[2001:DB8::A]", "[2001:db8::a]"},
      {"a_b.c", "a_b.c"},
      {"x:", "x"},
      {"xn--bcher-kva.example", "xn--bcher-kva.example"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.host);
    CHECK(normalize_host(row.host) == row.want);
  }
}

TEST_CASE("blanks around a header's value are no part of it") {
  CHECK(field_value("blue") == "blue");
  CHECK(field_value(" \tblue green\t ") == "blue green");
  CHECK(field_value("\t \t").empty());
  CHECK(field_value("").empty());
  CHECK(field_value("\vblue\f") == "\vblue\f");
}

TEST_CASE("what is no host is refused") {
  const std::string long_label(64, 'a');
  std::string long_name;
  while (long_name.size() <= 253) long_name += "abc.";
  long_name += "d";
  const std::string_view rows[] = {"",         ".",      "a..b",    ".a",        "a..",     "a b",
                                   "a/b",      "user@a", "a:x",     "a:65536",   "a:1:2",   "::1",
                                   "[::1",     "[::1]x", "[::1]:x", "[1.2.3.4]", "[v1.a]",  "[fe80::1%25eth0]",
                                   "\xc3\xbc", "a,b",    "a%41",    long_label,  long_name, std::string_view("a\0", 2)};
  for (const auto host : rows) {
    CAPTURE(host);
    CHECK_FALSE(normalize_host(host));
  }
}

}  // namespace meshauth::policy
