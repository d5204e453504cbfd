#include "operator/files/manifest.h"

#include <doctest/doctest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

namespace meshauth::files {
namespace {

using nlohmann::json;

json only(std::string_view yaml) {
  const auto documents = parse_manifests(yaml, "x.yaml");
  REQUIRE_MESSAGE(documents, documents.error().message);
  REQUIRE(documents->size() == 1);
  return documents->front();
}

std::string refusal(std::string_view yaml, const ManifestLimits& limits = {}) {
  const auto documents = parse_manifests(yaml, "x.yaml", limits);
  REQUIRE_FALSE(documents);
  return documents.error().message;
}

}  // namespace

TEST_CASE("scalars are those of YAML 1.2's core schema") {
  const struct {
    std::string_view yaml;
    json want;
  } rows[] = {
      {"1", 1},
      {"-7", -7},
      {"+7", 7},
      {"0777", 777},
      {"0o17", 15},
      {"0x1F", 31},
      {"1.5", 1.5},
      {".5", 0.5},
      {"1e3", 1000.0},
      {"1.", 1.0},
      {"true", true},
      {"False", false},
      {"yes", "yes"},
      {"on", "on"},
      {"~", nullptr},
      {"null", nullptr},
      {"", nullptr},
      {"'1'", "1"},
      {"\"true\"", "true"},
      {"\"\"", ""},
      {"1_000", "1_000"},
      {"1:30", "1:30"},
      {"2026-01-31", "2026-01-31"},
      {"0b1", "0b1"},
      {"!!str 1", "1"},
      {"!!int 1", 1},
      {"- ", json::array({nullptr})},
      {"18446744073709551615", 18446744073709551615U},
      {"|\n  two\n  lines\n", "two\nlines\n"},
      {"1e", "1e"},
      {".", "."},
      {"-", json::array({nullptr})},
      {"GET", "GET"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.yaml);
    CHECK(only("a:\n  " + std::string(row.yaml) + "\nb: 1\n")["a"] == row.want);
  }
}

TEST_CASE("one file holds several documents, and empty ones are passed over") {
  const auto documents = parse_manifests("---\n---\nkind: A\n---\n# nothing\n---\nkind: B\n...\n", "x.yaml");
  REQUIRE(documents);
  CHECK(*documents == std::vector<json>{{{"kind", "A"}}, {{"kind", "B"}}});
  CHECK(parse_manifests("", "x.yaml")->empty());
  CHECK(parse_manifests("# only a comment\n", "x.yaml")->empty());
}

TEST_CASE("a List stands for its items") {
  const auto objects = parse_manifests("{apiVersion: v1, kind: List, items: [{a: 1}, {a: 2}]}\n---\na: 3\n", "f");
  REQUIRE(objects);
  CHECK(json(*objects) == json::parse(R"([{"a":1},{"a":2},{"a":3}])"));
  const auto wrong = parse_manifests("{apiVersion: v1, kind: List, items: [7]}", "f");
  REQUIRE(!wrong);
  CHECK(wrong.error().message == "f: items of a List: found number, expected an object");
}

TEST_CASE("JSON is YAML") {
  CHECK(only(R"({"a": [1, {"b": "c:\"d\""}], "e": null})") == json::parse(R"({"a":[1,{"b":"c:\"d\""}],"e":null})"));
}

TEST_CASE("quotes inside quotes, carriage returns and a byte order mark change nothing") {
  CHECK(only("a: 'it''s'\nb: \"say \\\"x\\\"\"\n") == json{{"a", "it's"}, {"b", "say \"x\""}});
  CHECK(only("\xef\xbb\xbf"
             "a: 'x'\r\nb: \"y\"\r\n") == json{{"a", "x"}, {"b", "y"}});
  CHECK(only("ü: 'x'\nb: \"ü\"\n") == json{{"ü", "x"}, {"b", "ü"}});
}

TEST_CASE("an alias is what it names") {
  CHECK(only("a: &x {b: [1, 2]}\nc: *x\n")["c"] == json::parse(R"({"b":[1,2]})"));
  CHECK(only("a: &x 7\nc: *x\n")["c"] == 7);
}

TEST_CASE("escapes become UTF-8") {
  const json read = only(R"(a: "\u00a0\u0085\xe9\L\P\U0001f600")");
  CHECK(read["a"].dump(-1, ' ', true) == R"("\u00a0\u0085\u00e9\u2028\u2029\ud83d\ude00")");
}

TEST_CASE("what is refused names the file, the line and the remedy") {
  const struct {
    std::string_view yaml, want;
  } rows[] = {
      {"a: 1\nb: 2\na: 3\n", "x.yaml:3: key \"a\" stands twice"},
      {"a:\n  b: 1\n  \"b\": 2\n", "x.yaml:3: key \"b\" stands twice"},
      {"---\nkind: A\n---\n- 1\n", "x.yaml:4: the document is no object"},
      {"just text\n", "x.yaml:1: the document is no object"},
      {"a: [1\n", "is no YAML here"},
      {"a: 'x\n", "x.yaml:1: the quote that begins here is not closed"},
      {"a: 1\nb: \"x\\\"\nc: 1\n", "x.yaml:2: the quote"},
      {"a: 'it''\n", "x.yaml:1: the quote"},
      {"a: b: c\n", "x.yaml:1: is no YAML here"},
      {"a: *nobody\n", "is no YAML here"},
      {"a: &x [*x]\n", "inside what it names"},
      {"a: &x {b: 1}\nc:\n  <<: *x\n", "x.yaml:3: `<<`"},
      {"a: .nan\n", "x.yaml:1: .nan is no number"},
      {"a: -.inf\n", "is no number"},
      {"a: 1e999\n", "too large"},
      {"a: !!int x\n", "tag"},
      {"a: !secret x\n", "tag"},
      {"a: 1\nb: \"x\\_\"\n", "x.yaml:2: an escape \\_ or \\N is not read here; write \\u00a0 or \\u0085"},
      {"{\"\\N\": 1}\n", "x.yaml:1: an escape \\_ or \\N"},
      {"a: !thing {b: 1}\n", "tag"},
      {"? [1, 2]\n: x\n", "a key must be a text"},
      {"~: x\n", "key is missing"},
      {"a: \xff\n", "is not UTF-8"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.yaml);
    const std::string message = refusal(row.yaml);
    CAPTURE(message);
    CHECK(message.find(row.want) != std::string::npos);
    CHECK(message.starts_with("x.yaml:"));
  }
  CHECK(refusal(std::string_view("a: \0b\n", 6)).find("control character \\x00") != std::string::npos);
  CHECK(refusal("a: b\nc: \x0b\n").find(":2: holds the control character \\x0b") != std::string::npos);
  CHECK(refusal("\x1b[31ma: b\n").find("control character \\x1b") != std::string::npos);
}

TEST_CASE("limits hold in bytes, documents, depth and values") {
  CHECK(refusal("a: 12345678\n", {.bytes = 8}).find("12 bytes, allowed are 8") != std::string::npos);
  CHECK(refusal("a: 1\n---\nb: 1\n---\nc: 1\n", {.documents = 2}).find("more than 2 documents") != std::string::npos);
  CHECK(refusal("a: [[[1]]]\n", {.depth = 3}).find("nested more than 3 deep") != std::string::npos);
  CHECK(parse_manifests("a: [[[1]]]\n", "x", {.depth = 4}));
  CHECK(refusal("a: [1, 2, 3, 4]\n", {.nodes = 5}).find("more than 5 values") != std::string::npos);
  const std::string deep = "a: " + std::string(100'000, '[');
  CHECK_FALSE(parse_manifests(deep, "x"));
}

TEST_CASE("aliases cannot multiply without bound, in number or depth") {
  std::string laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 9; ++i) {
    const std::string name = "*a" + std::to_string(i - 1);
    laughs += fmt::format("a{0}: &a{0} [{1}, {1}, {1}, {1}, {1}, {1}, {1}, {1}, {1}, {1}]\n", i, name);
  }
  CHECK(refusal(laughs).find("aliases counted") != std::string::npos);
  std::string tower = "a0: &a0 [x]\n";
  for (int i = 1; i < 64; ++i) tower += fmt::format("a{0}: &a{0} [*a{1}]\n", i, i - 1);
  CHECK(refusal(tower).find("nested more than") != std::string::npos);
}

}  // namespace meshauth::files
