#include "operator/files/yaml_text.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "operator/files/manifest.h"

using namespace meshauth::files;
using nlohmann::json;

namespace {

json read_back(const json& object) {
  const std::string text = to_yaml(object);
  CAPTURE(text);
  const auto read = parse_manifests(text, "x");
  REQUIRE_MESSAGE(read, (read ? "" : read.error().message));
  REQUIRE(read->size() == 1);
  return read->front();
}

}  // namespace

TEST_CASE("yaml: what is written is read as the same object") {
  const char* texts[] = {"",           "a",    "yes",       "No",    "1",          "1.5",     "0x1f",   "1e3",
                         "~",          "null", "-",         "- a",   "a: b",       "a #b",    "#",      "\"",
                         "'",          "a\nb", "a\nb\n",    "a\n\n", "a\n\n\n",    "\na",     " a\nb",  "a\n b\n",
                         "a\t\nb",     "\t",   "a\n  \nb",  "\x7f",  "\u0085",     "\u2028",  "\ufeff", "\u00e9",
                         "\U0001f600", "{}",   "[]",        "*a",    "&a",         "!a",      "%a",     "@a",
                         "|",          ">",    "a:",        "1_000", "2024-01-01", "a---\nb", "---\n",  "a\n---\nb",
                         "on",         "y",    "$(POD_IP)", "a\\b",  "x\n",        "a/b:1.0", "08",     "1:30",
                         "=",          "<<",   "?",         "a ",    "\x01",       "\r\n",    "a\r\nb"};
  for (const std::string text : texts) {
    CAPTURE(text);
    const json object{{"a", text}, {"list", {text, {{"b", text}}, json::array({text})}}};
    CHECK(read_back(object) == object);
    if (text != "<<") CHECK(read_back({{text + "k", 1}, {"x", {{text.empty() ? "e" : text, 2}}}}).at("x").size() == 1);
  }
}

TEST_CASE("yaml: nesting, empty containers, numbers") {
  const json object = json::parse(R"({"a": {"b": [[1, 2], [], {}, [{"c": [{"d": null}]}]], "e": {}}, "f": [], "g": true,
      "h": 1.5, "i": -7, "j": [{"k": {"l": "m"}, "n": ["o"]}]})");
  CHECK(read_back(object) == object);
  CHECK(to_yaml({{"metadata", {{"name", "x"}}}, {"list", {{{"a", 1}, {"b", 2}}}}}) ==
        "list:\n- a: 1\n  b: 2\nmetadata:\n  name: x\n");
}

TEST_CASE("yaml: documents of a file, each with its text and its line") {
  const auto texts = [](std::string_view yaml) {
    std::string out;
    for (const auto& document : split_documents(yaml)) out += fmt::format("[{}:{}]", document.line, document.text);
    return out;
  };
  CHECK(texts("a: 1\n") == "[0:a: 1\n]");
  CHECK(texts("---\na: 1\n---\nb: 2\n") == "[0:\na: 1\n][2:\nb: 2\n]");
  CHECK(texts("# c\n--- {a: 1}\n---\n") == "[0:# c\n][1: {a: 1}\n][2:\n]");
  CHECK(texts("a: |\n  ---\n  b\n--- # c\nd: 1") == "[0:a: |\n  ---\n  b\n][3: # c\nd: 1]");
  CHECK(texts("") == "");
  CHECK(texts("----\n") == "[0:----\n]");
}
