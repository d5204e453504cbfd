#include "core/base/json_doc.h"

#include <doctest/doctest.h>

#include <string>
#include <tuple>

using namespace meshauth;

namespace {

Reason parsed(std::string_view text, const JsonLimits& limits = {}) {
  JsonReader reader;
  const auto by_reader = reader.parse(text, limits);
  const auto doc = JsonDoc::parse(text, limits);
  REQUIRE(bool(doc) == bool(by_reader));
  if (doc) return Reason::none;
  CHECK(doc.error().reason == by_reader.error().reason);
  CHECK(json_fault(doc.error()) == json_fault(by_reader.error()));
  return doc.error().reason;
}

std::string nested(std::size_t depth, std::string_view open, std::string_view inner, std::string_view close) {
  std::string out;
  for (std::size_t i = 0; i < depth; ++i) out += open;
  out += inner;
  for (std::size_t i = 0; i < depth; ++i) out += close;
  return out;
}

}  // namespace

TEST_CASE("one valid JSON value is read") {
  for (const std::string_view text :
       {"{}", "[]", "null", "0", "-0", "-0.0", "1e3", "1E+3", "\"\"", "true", " \t\r\n{ \"a\" : [ 1 , 2 ] } \n",
        "\"\\ud83d\\ude00\"", "\"\\u0000\"", "18446744073709551615", "-9223372036854775808", "1.7976931348623157e308",
        "\"\xf0\x9f\x98\x80\"", "\"\x7f\""}) {
    CAPTURE(text);
    CHECK(parsed(text) == Reason::none);
  }
}

TEST_CASE("anything but one valid JSON value is json_invalid") {
  const std::string_view cases[] = {
      "",
      " ",
      "{",
      "}",
      "{}{}",
      "{} {}",
      "{}x",
      "{},",
      "[1,]",
      "{\"a\":1,}",
      "{a:1}",
      "{'a':1}",
      "{\"a\"}",
      "{\"a\":}",
      "// c\n{}",
      "{}//",
      "/**/{}",
      "nul",
      "True",
      "NaN",
      "Infinity",
      "-Infinity",
      "01",
      "-01",
      "1.",
      ".5",
      "+1",
      "1e",
      "0x10",
      "\"\x01\"",
      "\"\t\"",
      "\"\n\"",
      "\"\\x\"",
      "\"\\u12\"",
      "\"\\u12g4\"",
      "\"abc",
      "\"\xff\"",
      "\"\xc0\xaf\"",
      "\"\xed\xa0\x80\"",
      "\"\xf4\x90\x80\x80\"",
      "\"\xe2\x82\"",
      "\xef\xbb\xbf{}",
      "\"\\ud800\"",
      "\"\\ud800\\u0041\"",
      "\"\\udc00\"",
      "\"\\udc00\\ud800\"",
      std::string_view("{}\0", 3),
      std::string_view("\0{}", 3),
      std::string_view("\"\0\"", 3),
      "{}\xff",
      "[\"\",]",
  };
  for (const auto text : cases) {
    CAPTURE(text);
    CHECK(parsed(text) == Reason::json_invalid);
  }
}

TEST_CASE("a member twice is json_duplicate, however it is spelt and however deep it lies") {
  for (const std::string_view text :
       {R"({"a":1,"a":1})", R"({"a":1,"b":2,"a":3})", R"({"a":1,"\u0061":2})", R"({"\u0061":1,"a":2})",
        R"({"":1,"":2})", R"([{"x":{"a":1,"a":2}}])", R"({"x":[[{"a":1,"a":2}]]})", R"({"a\u0000":1,"a\u0000":2})",
        R"({"/":1,"\/":2})", R"({"\ud83d\ude00":1,"😀":2})"}) {
    CAPTURE(text);
    CHECK(parsed(text) == Reason::json_duplicate);
  }
}

TEST_CASE("the member that stands twice is named, as it may stand in a message") {
  const auto says = [](std::string_view text) { return json_fault(JsonDoc::parse(text).error()); };
  const std::string twice = "an object has the same member twice: ";
  CHECK(says(R"({"b":1,"a":{"x":1,"y":2,"x":3}})") == twice + R"("x")");
  CHECK(says(R"({"\u0061":1,"a":2})") == twice + R"("a")");
  CHECK(says(R"({"a\nb":1,"a\nb":2})") == twice + R"("a\x0ab")");
  const std::string name(1000, 'n');
  CHECK(says("{\"" + name + "\":1,\"" + name + "\":2}") == twice + "\"" + name.substr(0, 80) + "...\"");
  std::string many = "{";
  for (int i = 0; i < 40; ++i) many += "\"m" + std::to_string(i == 39 ? 7 : i) + "\":0,";
  many.back() = '}';
  CHECK(says(many) == twice + R"("m7")");
  CHECK(says("[").find(':') == std::string::npos);
}

TEST_CASE("names that only look alike are two names") {
  for (const std::string_view text :
       {R"({"a":1,"A":1})", R"({"a":1,"a ":1})", R"({"a":1,"a\u0000":1})", R"({"abcd":1,"axcd":1})",
        R"({"é":1,"e\u0301":1})", R"([{"a":1},{"a":1}])", R"({"a":{"a":{"a":1}}})"}) {
    CAPTURE(text);
    CHECK(parsed(text) == Reason::none);
  }
}

TEST_CASE("duplicates are found in objects of every size, wherever they lie") {
  for (const std::size_t size : {2U, 15U, 16U, 17U, 18U, 33U, 100U}) {
    for (const std::size_t first : {std::size_t{0}, (size - 1) / 2, size - 2}) {
      std::string unique = "{", twice = "{";
      for (std::size_t i = 0; i < size; ++i) {
        const std::string comma = i > 0 ? "," : "";
        unique += comma + "\"m" + std::to_string(i) + "\":0";
        twice += comma + "\"m" + std::to_string(i == size - 1 ? first : i) + "\":0";
      }
      CAPTURE(size);
      CAPTURE(first);
      CHECK(parsed(unique + "}") == Reason::none);
      CHECK(parsed(twice + "}") == Reason::json_duplicate);
    }
  }
}

TEST_CASE("the depth is counted from the outermost") {
  const JsonLimits limits{.bytes = 16384, .depth = 32};
  for (const auto& [open, inner, close] : {std::tuple{"[", "", "]"}, std::tuple{"[", "1", "]"},
                                           std::tuple{"{\"a\":", "1", "}"}, std::tuple{"[{\"a\":", "1", "}]"}}) {
    const std::size_t per_turn = std::string_view(open).starts_with("[{") ? 2 : 1;
    CAPTURE(open);
    CHECK(parsed(nested(32 / per_turn, open, inner, close), limits) == Reason::none);
    CHECK(parsed(nested(32 / per_turn + 1, open, inner, close), limits) == Reason::json_too_deep);
    CHECK(parsed(nested(1000, open, inner, close), limits) == Reason::json_too_deep);
  }
  CHECK(parsed(nested(33, "[", "", "]"), limits) == Reason::json_too_deep);
  CHECK(parsed(nested(8000, "[", "", ""), limits) != Reason::none);
  CHECK(parsed("1", {.bytes = 10, .depth = 0}) == Reason::none);
  CHECK(parsed("[]", {.bytes = 10, .depth = 0}) == Reason::json_too_deep);
}

TEST_CASE("bytes are counted before anything is read") {
  const std::string text = "\"" + std::string(98, 'a') + "\"";
  CHECK(parsed(text, {.bytes = 100, .depth = 1}) == Reason::none);
  CHECK(parsed(text, {.bytes = 99, .depth = 1}) == Reason::json_invalid);
}

TEST_CASE("a document's elements stay where they are when it is moved") {
  auto doc = JsonDoc::parse(R"({"a":"value"})");
  REQUIRE(doc);
  const auto root = doc->root();
  const JsonDoc moved = std::move(*doc);
  std::string_view text;
  REQUIRE(root["a"].get(text) == simdjson::SUCCESS);
  CHECK(text == "value");
  CHECK(std::string_view(moved.root()["a"]) == "value");
}

TEST_CASE("a reader reads small after large, and another depth after one") {
  JsonReader reader;
  const std::string large = "[\"" + std::string(10000, 'x') + "\"]";
  REQUIRE(reader.parse(large));
  REQUIRE(reader.parse("{}"));
  CHECK(reader.parse("[[]]", {.bytes = 100, .depth = 1}).error() == Reason::json_too_deep);
  CHECK(reader.parse("[[]]", {.bytes = 100, .depth = 2}));
  CHECK(reader.parse("[").error() == Reason::json_invalid);
  CHECK(reader.parse(large));
  JsonReader shallow;
  REQUIRE(shallow.parse(large, {.bytes = 16384, .depth = 1}));
  CHECK(shallow.parse("[[[[[[[[]]]]]]]]", {.bytes = 16384, .depth = 8}));
}

TEST_CASE("each fault has its sentence") {
  CHECK(json_fault(Reason::json_duplicate) != json_fault(Reason::json_invalid));
  CHECK(json_fault(Reason::json_too_deep) != json_fault(Reason::json_invalid));
}
