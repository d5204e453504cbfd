#include "core/base/cidr.h"

#include <doctest/doctest.h>

#include <tuple>

using namespace meshauth;

TEST_CASE("addresses of both families are read and written") {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"10.0.0.1", "10.0.0.1"},
      {"0.0.0.0", "0.0.0.0"},
      {"255.255.255.255", "255.255.255.255"},
      {"::1", "::1"},
      {"2001:DB8::1", "2001:db8::1"},
      {"::ffff:10.0.0.1", "10.0.0.1"},
      {"::ffff:a00:1", "10.0.0.1"},
      {"2001:db8:0:0:0:0:0:1", "2001:db8::1"},
      {"::", "::"},
  };
  for (const auto& [text, canonical] : cases) {
    CAPTURE(text);
    const auto address = IpAddress::parse(text);
    REQUIRE(address);
    CHECK(address->text() == canonical);
  }
  CHECK(IpAddress::parse("10.0.0.1") == IpAddress::parse("::ffff:10.0.0.1"));
  CHECK(IpAddress::parse("10.0.0.1")->is_v4());
  CHECK_FALSE(IpAddress::parse("::10.0.0.1")->is_v4());
}

TEST_CASE("what is no address is refused") {
  for (const std::string_view text :
       {std::string_view(""), std::string_view("10.0.0"), std::string_view("10.0.0.256"),
        std::string_view("10.0.0.1.1"), std::string_view("010.0.0.1"), std::string_view("0x0a.0.0.1"),
        std::string_view("10.0.0.1 "), std::string_view(" ::1"), std::string_view("[::1]"),
        std::string_view("fe80::1%eth0"), std::string_view(":::"), std::string_view("1::2::3"),
        std::string_view("12345::"), std::string_view("10.0.0.1/8"), std::string_view("localhost"),
        std::string_view("10.0.0.1\0x", 10), std::string_view("::1\0", 4)}) {
    CAPTURE(text);
    CHECK_FALSE(IpAddress::parse(text));
  }
}

TEST_CASE("blocks are read, written and hold their addresses") {
  const std::tuple<std::string_view, std::string_view, std::string_view> cases[] = {
      {"10.0.0.0/8", "10.255.255.255", "11.0.0.0"},
      {"10.0.0.0/9", "10.127.255.255", "10.128.0.0"},
      {"192.168.1.128/25", "192.168.1.128", "192.168.1.127"},
      {"10.1.2.3/32", "10.1.2.3", "10.1.2.2"},
      {"0.0.0.0/0", "255.255.255.255", "2001:db8::1"},
      {"2001:db8::/32", "2001:db8:ffff::1", "2001:db9::"},
      {"2001:db8::1/128", "2001:db8::1", "2001:db8::2"},
      {"2001:db8:8000::/33", "2001:db8:ffff::", "2001:db8:7fff::"},
  };
  for (const auto& [text, inside, outside] : cases) {
    CAPTURE(text);
    const auto block = Cidr::parse(text);
    REQUIRE(block);
    CHECK(block->text() == text);
    CHECK(block->contains(*IpAddress::parse(inside)));
    CHECK_FALSE(block->contains(*IpAddress::parse(outside)));
    CHECK(Cidr::parse(block->text()) == block);
  }
  CHECK(Cidr::parse("::/0")->contains(*IpAddress::parse("10.0.0.1")));
  CHECK(Cidr::parse("10.0.0.0/8")->contains(*IpAddress::parse("::ffff:10.1.2.3")));
}

TEST_CASE("both spellings of a mapped block are one block") {
  REQUIRE(Cidr::parse("::ffff:10.0.0.0/104"));
  CHECK(*Cidr::parse("::ffff:10.0.0.0/104") == *Cidr::parse("10.0.0.0/8"));
  CHECK(Cidr::parse("::ffff:10.0.0.0/104")->text() == "10.0.0.0/8");
}

TEST_CASE("a block that is wider than the mapped addresses is written so that it is read back") {
  const auto block = Cidr::parse("::ffff:0:0/96");
  REQUIRE(block);
  CHECK(block->text() == "0.0.0.0/0");
  const auto wide = Cidr::parse("::fffe:0:0/95");
  REQUIRE(wide);
  CHECK(Cidr::parse(wide->text()) == wide);
}

TEST_CASE("what is no block is refused") {
  for (const std::string_view text : {"",
                                      "/",
                                      "10.0.0.0",
                                      "10.0.0.0/",
                                      "10.0.0.0/33",
                                      "10.0.0.1/8",
                                      "10.0.0.0/-1",
                                      "10.0.0.0/+8",
                                      "10.0.0.0/08",
                                      "10.0.0.0/8 ",
                                      "10.0.0.0/8/8",
                                      "10.0.0.0/255.0.0.0",
                                      "::1/64",
                                      "::/129",
                                      "::/0128",
                                      "/8",
                                      "x/32",
                                      "::g/128",
                                      "10.0.0.256/32",
                                      "0.0.0.0/",
                                      "::/",
                                      "10.0.0.0/1000",
                                      "10.0.0.0/0x8"}) {
    CAPTURE(text);
    CHECK_FALSE(Cidr::parse(text));
  }
}
