#include "operator/http/address_guard.h"

#include <doctest/doctest.h>

using meshauth::IpAddress;
using meshauth::http::why_refused;

namespace {
std::string_view judge(const char* text, bool allow_loopback = false) {
  const auto address = IpAddress::parse(text);
  REQUIRE(address);
  return why_refused(*address, allow_loopback);
}
}  // namespace

TEST_CASE("addresses that no provider can have are refused") {
  for (const char* text : {"169.254.169.254", "169.254.0.1",     "100.100.100.200",
                           "192.0.0.192",     "168.63.129.16",   "0.0.0.0",
                           "0.1.2.3",         "224.0.0.1",       "239.255.255.255",
                           "255.255.255.255", "240.0.0.1",       "::",
                           "fe80::1",         "febf::1",         "fec0::1",
                           "ff02::1",         "fd00:ec2::254",   "fd20:ce::254",
                           "127.0.0.1",       "127.255.255.254", "::1"}) {
    CAPTURE(text);
    CHECK(judge(text) != "");
  }
}

TEST_CASE("an IPv4 address hidden in an IPv6 one is judged as itself") {
  for (const char* text : {"::ffff:169.254.169.254", "::ffff:127.0.0.1", "64:ff9b::a9fe:a9fe", "64:ff9b::7f00:1",
                           "2002:a9fe:a9fe::1", "2002:7f00:1::", "::169.254.169.254", "::ffff:0.0.0.0"}) {
    CAPTURE(text);
    CHECK(judge(text) != "");
  }
  CHECK(judge("64:ff9b::808:808") == "");
  CHECK(judge("::ffff:8.8.8.8") == "");
}

TEST_CASE("public and private addresses are allowed") {
  for (const char* text :
       {"8.8.8.8", "10.96.0.10", "172.16.3.4", "192.168.1.1", "100.64.0.1", "2001:4860::8888", "fd12:3456::1",
        "169.253.255.255", "169.255.0.0", "fe00::1", "126.255.255.255", "128.0.0.1"}) {
    CAPTURE(text);
    CHECK(judge(text) == "");
  }
}

TEST_CASE("loopback is allowed only where asked for, and nothing else with it") {
  CHECK(judge("127.0.0.1", true) == "");
  CHECK(judge("::1", true) == "");
  CHECK(judge("::ffff:127.0.0.1", true) == "");
  CHECK(judge("169.254.169.254", true) == "a cloud's metadata service");
  CHECK(judge("0.0.0.0", true) == "an unspecified address");
}
