#include "core/base/text.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

using namespace meshauth;
using Pieces = std::vector<std::string_view>;

TEST_CASE("text from outside is quoted so that it cannot end its line or its quotes") {
  CHECK(in_quotes("plain") == "\"plain\"");
  CHECK(in_quotes("") == "\"\"");
  CHECK(in_quotes("a\"b\\c") == R"("a\"b\\c")");
  CHECK(in_quotes("a\nb\x1b[31m\x7f") == R"("a\x0ab\x1b[31m\x7f")");
  CHECK(in_quotes(std::string_view("a\0b", 3)) == R"("a\x00b")");
  CHECK(in_quotes("é😀") == "\"é😀\"");
  CHECK(in_quotes("a\xff") == R"("a\xff")");
  CHECK(in_quotes("é\xff") == R"("\xc3\xa9\xff")");
}

TEST_CASE("what a terminal would obey, or show in another order, is escaped though it is good UTF-8") {
  CHECK(in_quotes("a\u202eb") == R"("a\u202eb")");
  CHECK(in_quotes("\xc2\x9b"
                  "31m") == R"("\u009b31m")");
  struct Row {
    std::uint32_t first, last;
    bool escaped;
  };
  const Row rows[] = {{0x80, 0x9f, true},      {0xa0, 0xa1, false},     {0x61b, 0x61b, false},
                      {0x61c, 0x61c, true},    {0x61d, 0x61d, false},   {0x200d, 0x200d, false},
                      {0x200e, 0x200f, true},  {0x2010, 0x2027, false}, {0x2028, 0x202e, true},
                      {0x202f, 0x202f, false}, {0x2065, 0x2065, false}, {0x2066, 0x2069, true},
                      {0x206a, 0x206a, false}, {0xfffd, 0xfffd, false}};
  for (const Row& row : rows) {
    for (std::uint32_t code = row.first; code <= row.last; ++code) {
      std::string text;
      if (code < 0x800) {
        text = {static_cast<char>(0xc0 | code >> 6), static_cast<char>(0x80 | (code & 0x3f))};
      } else {
        text = {static_cast<char>(0xe0 | code >> 12), static_cast<char>(0x80 | (code >> 6 & 0x3f)),
                static_cast<char>(0x80 | (code & 0x3f))};
      }
      CAPTURE(code);
      CHECK(in_quotes("<" + text + ">") == (row.escaped ? fmt::format(R"("<\u{:04x}>")", code) : "\"<" + text + ">\""));
    }
  }
}

TEST_CASE("long text is cut between characters") {
  CHECK(in_quotes("abcdef", 6) == "\"abcdef\"");
  CHECK(in_quotes("abcdef", 5) == "\"abcde...\"");
  CHECK(in_quotes("aé", 2) == "\"a...\"");
  CHECK(in_quotes("a😀", 4) == "\"a...\"");
  CHECK(in_quotes("é", 1) == "\"...\"");
  CHECK(in_quotes(std::string(1000, 'x')).size() == 80 + 5);
}

TEST_CASE("a prefix cuts no character in two") {
  CHECK(utf8_prefix("abc", 5) == "abc");
  CHECK(utf8_prefix("abc", 3) == "abc");
  CHECK(utf8_prefix("abc", 2) == "ab");
  CHECK(utf8_prefix("é€😀", 2) == "é");
  CHECK(utf8_prefix("é€😀", 4) == "é");
  CHECK(utf8_prefix("é€😀", 8) == "é€");
  CHECK(utf8_prefix("é€😀", 9) == "é€😀");
  CHECK(utf8_prefix("😀", 0) == "");
}

TEST_CASE("split keeps empty pieces") {
  CHECK(split("a.b", '.') == Pieces{"a", "b"});
  CHECK(split("a..b", '.') == Pieces{"a", "", "b"});
  CHECK(split("", '.') == Pieces{""});
  CHECK(split(".", '.') == Pieces{"", ""});
  CHECK(split("ab", '.') == Pieces{"ab"});
}

TEST_CASE("case is folded in ASCII alone") {
  CHECK(to_lower("AZaz09-É") == "azaz09-É");
  CHECK(iequals("Bearer", "bEARER"));
  CHECK_FALSE(iequals("Bearer", "Bearer "));
  CHECK_FALSE(iequals("É", "é"));
  CHECK_FALSE(iequals("@", "`"));
  CHECK_FALSE(iequals("[", "{"));
  CHECK(iequals("", ""));
}

TEST_CASE("UTF-8 as RFC 3629 says") {
  for (const std::string_view text : {"", "abc", "é€😀", "\xf4\x8f\xbf\xbf", "\xed\x9f\xbf", "\xee\x80\x80"})
    CHECK(valid_utf8(text));
  for (const std::string_view text : {"\x80", "\xc3", "\xc0\x80", "\xe0\x80\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80",
                                      "\xf8\x88\x80\x80\x80", "a\xe2\x82z"}) {
    CHECK_FALSE(valid_utf8(text));
  }
}
