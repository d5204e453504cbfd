#include "operator/idp/discovery.h"

#include <doctest/doctest.h>

using namespace meshauth::idp;

namespace {
std::string fault(std::string_view json) {
  const auto document = parse_discovery(json);
  return document ? "none" : std::string(source_fault_name(document.error().fault));
}
}  // namespace

TEST_CASE("issuer and jwks_uri are read as written") {
  const auto document = parse_discovery(
      R"({"issuer":"https://login.microsoftonline.com/{tenantid}/v2.0","jwks_uri":"https://a.example/keys?x=1","scopes_supported":["openid"]})");
  REQUIRE(document);
  CHECK(document->issuer == "https://login.microsoftonline.com/{tenantid}/v2.0");
  CHECK(document->jwks_uri == "https://a.example/keys?x=1");
}

TEST_CASE("a document that names no keys is refused by its fault") {
  struct Case {
    std::string_view json;
    const char* fault;
  };
  for (const Case& c : {Case{"<html>", "NotJson"}, Case{"", "NotJson"},
                        Case{R"({"issuer":"a","issuer":"b","jwks_uri":"https://a.example/"})", "NotJson"},
                        Case{"[]", "DiscoveryFailed"}, Case{R"({"issuer":"https://a.example"})", "DiscoveryFailed"},
                        Case{R"({"jwks_uri":"https://a.example/"})", "DiscoveryFailed"},
                        Case{R"({"issuer":1,"jwks_uri":"https://a.example/"})", "DiscoveryFailed"},
                        Case{R"({"issuer":"","jwks_uri":"https://a.example/"})", "DiscoveryFailed"},
                        Case{R"({"issuer":"https://a.example","jwks_uri":"http://a.example/"})", "DiscoveryFailed"},
                        Case{R"({"issuer":"https://a.example","jwks_uri":"/keys"})", "DiscoveryFailed"}}) {
    CAPTURE(c.json);
    CHECK(fault(c.json) == c.fault);
  }
  CHECK(fault(R"({"issuer":")" + std::string(3000, 'x') + R"(","jwks_uri":"https://a.example/"})") ==
        "DiscoveryFailed");
  CHECK(fault(std::string(300 * 1024, ' ') + "{}") == "NotJson");
}
