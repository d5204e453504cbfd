#include "core/base/json_number.h"

#include <doctest/doctest.h>

#include "core/base/json_doc.h"

using namespace meshauth;

TEST_CASE("numbers that can be held stay as they are written") {
  for (const std::string_view text :
       {"0", "-0", "1", "-9223372036854775808", "18446744073709551615", "1.5", "1e308", "-1.7976931348623157e308",
        "0.1e-300", "[1,2.0,-3]", R"({"a":1,"b":"18446744073709551616 1e400","c":"\"1e400"})", "", "\"1e400", "\"\\"}) {
    CAPTURE(text);
    CHECK(with_representable_numbers(text) == text);
  }
}

TEST_CASE("numbers that cannot be held become the nearest double") {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"18446744073709551616", "18446744073709551616.0"},
      {"-9223372036854775809", "-9223372036854775809.0"},
      {"1e400", "1.7976931348623157e308"},
      {"-1E+400", "-1.7976931348623157e308"},
      {"1.5e999999999999", "1.7976931348623157e308"},
      {"1e-400", "0.0"},
      {"[1e400,[[1e400]]]", "[1.7976931348623157e308,[[1.7976931348623157e308]]]"},
      {R"({"a":[1e400,2],"b":"1e400"})", R"({"a":[1.7976931348623157e308,2],"b":"1e400"})"},
      {"[\"\\\\\",1e400]", "[\"\\\\\",1.7976931348623157e308]"},
  };
  for (const auto& [text, expected] : cases) {
    CAPTURE(text);
    CHECK(with_representable_numbers(text) == expected);
    CHECK(JsonDoc::parse(text));
  }
  const std::string digits(400, '9');
  CHECK(with_representable_numbers(digits) == "1.7976931348623157e308");
}

TEST_CASE("whether a number is too small or too large, its digits and its exponent say together") {
  const std::string zeros(400, '0'), nines(400, '9'), largest = "1.7976931348623157e308";
  const std::pair<std::string, std::string> cases[] = {
      {"0." + zeros + "1", "0.0"},     {"-0." + zeros + "1", "0.0"},        {"0." + zeros + "1e50", "0.0"},
      {"0." + zeros + "1E+50", "0.0"}, {"0." + zeros + "1e800", largest},   {"0." + zeros + "1e+800", largest},
      {nines + "e-50", largest},       {nines + ".5e-50", largest},         {"-" + nines + "e-50", "-" + largest},
      {nines + "e-900", "0.0"},        {"1e99999999999999999999", largest}, {"1e-99999999999999999999", "0.0"},
      {"1E-2147483648", "0.0"},
  };
  for (const auto& [text, expected] : cases) {
    CAPTURE(text);
    CHECK(with_representable_numbers(text) == expected);
  }
}

TEST_CASE("what is no number is not made one") {
  for (const std::string_view text :
       {"01e400", "-", "1e", "1.e400", "1e400x", "+1e400", "1e+", "--1", "1e400.5", "1-1", "0x1e400", ".5e400", "00"}) {
    CAPTURE(text);
    CHECK_FALSE(JsonDoc::parse(text));
    CHECK_FALSE(JsonDoc::parse("[1e400," + std::string(text) + "]"));
  }
  for (const char* end : {".", "e", "e+", ".e1", "e1.", "x"}) {
    CAPTURE(end);
    CHECK_FALSE(JsonDoc::parse(std::string(400, '9') + end));
  }
}
