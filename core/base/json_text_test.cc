#include "core/base/json_text.h"

#include <doctest/doctest.h>

#include "core/base/json_doc.h"

using namespace meshauth;

TEST_CASE("a JSON string holds what it was made of") {
  std::string every;
  for (int c = 0; c < 128; ++c) every += static_cast<char>(c);
  every += "é€😀";
  const auto doc = JsonDoc::parse(json_string(every));
  REQUIRE(doc);
  CHECK(std::string(std::string_view(doc->root())) == every);
}

TEST_CASE("only what must be escaped is") {
  CHECK(json_string("a\"b\\c/d\n\x7f") == "\"a\\\"b\\\\c/d\\u000a\x7f\"");
  CHECK(json_string("") == "\"\"");
  std::string out = "x";
  append_json_string(out, "y");
  CHECK(out == "x\"y\"");
}
