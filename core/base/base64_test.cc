#include "core/base/base64.h"

#include <doctest/doctest.h>

#include <random>

using namespace meshauth;

TEST_CASE("base64url of RFC 4648's and RFC 7515's examples") {
  const std::pair<std::string, std::string> cases[] = {
      {"", ""},           {"f", "Zg"},          {"fo", "Zm8"},          {"foo", "Zm9v"},
      {"foob", "Zm9vYg"}, {"fooba", "Zm9vYmE"}, {"foobar", "Zm9vYmFy"}, {"\x03\xec\xff\xe0\xc1", "A-z_4ME"},
  };
  for (const auto& [bytes, text] : cases) {
    CAPTURE(text);
    CHECK(base64url_encode(bytes) == text);
    CHECK(base64url_decode(text) == bytes);
  }
}

TEST_CASE("base64url that is not canonical is refused") {
  const std::string_view cases[] = {
      "Zg==",
      "Zg=",
      "=",
      "Z",
      "Zm9vY",
      "A",
      "Zm9vA",
      "Zm8 ",
      " Zm8",
      "Zm\n8",
      "Zm8\n",
      "Zm+v",
      "Zm/v",
      "Zh",
      "Zm9",
      "Zm9vYh",
      "Zm9vYmF",
      "Zm9vYmEx=",
      "Zm.v",
      "Zm8\xc3\xa9",
      "Zm8%3D",
      std::string_view("Zm9\0", 4),
      std::string_view("AAAAAAA", 1),
      std::string_view("AAAAAAA", 5),  // more would follow that is not theirs
  };
  for (const auto text : cases) {
    CAPTURE(text);
    CHECK_FALSE(base64url_decode(text));
  }
}

TEST_CASE("every byte string of every length comes back, in both alphabets") {
  std::mt19937 random(1);
  for (std::size_t size = 0; size < 200; ++size) {
    std::string bytes(size, '\0');
    for (char& c : bytes) c = static_cast<char>(random());
    CHECK(base64url_decode(base64url_encode(bytes)) == bytes);
    CHECK(base64_decode(base64_encode(bytes)) == bytes);
  }
}

TEST_CASE("one value has one spelling: of all two and three character texts only the canonical ones decode") {
  constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  int two = 0, three = 0;
  for (const char a : kAlphabet) {
    for (const char b : kAlphabet) {
      const std::string text{a, b};
      if (const auto bytes = base64url_decode(text)) {
        ++two;
        CHECK(base64url_encode(*bytes) == text);
      }
      three += base64url_decode(std::string{'A', a, b}) ? 1 : 0;
    }
  }
  CHECK(two == 256);
  CHECK(three == 1024);  // 6 + 6 + 4 bits are free, the first character is fixed
}

TEST_CASE("plain base64 wants its padding and its own alphabet") {
  CHECK(base64_encode("\xfb\xff") == "+/8=");
  CHECK(base64_decode("+/8=") == "\xfb\xff");
  CHECK(base64_decode("Zg==") == "f");
  CHECK(base64_decode("") == "");
  for (const std::string_view text :
       {"Zg", "Zg=", "Zg===", "=Zg=", "Z===", "====", "-_8=", "Zh==", "Zm9=", "Zg==Zg==", "Zg==\n"}) {
    CAPTURE(text);
    CHECK_FALSE(base64_decode(text));
  }
}

TEST_CASE("of 256 characters each place of a long text takes the 64 of its alphabet") {
  const std::string url = base64url_encode(std::string(90, '\x5a')), plain = base64_encode(std::string(90, '\x5a'));
  for (std::size_t place = 0; place < url.size(); ++place) {
    int of_url = 0, of_plain = 0;
    for (int c = 0; c < 256; ++c) {
      std::string text = url;
      text[place] = static_cast<char>(c);
      if (const auto bytes = base64url_decode(text)) {
        ++of_url;
        CHECK(base64url_encode(*bytes) == text);
      }
      text = plain;
      text[place] = static_cast<char>(c);
      if (const auto bytes = base64_decode(text); bytes && c != '=') {
        ++of_plain;
        CHECK(base64_encode(*bytes) == text);
      }
    }
    CAPTURE(place);
    CHECK(of_url == 64);
    CHECK(of_plain == 64);
  }
}
