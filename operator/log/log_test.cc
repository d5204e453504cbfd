#include "operator/log/log.h"

#include <doctest/doctest.h>

#include <vector>

#include "core/base/json_doc.h"

namespace meshauth::log {
namespace {

class Captured {
 public:
  explicit Captured(Format format, Level level = Level::Info) {
    init(format, level);
    set_sink([this](std::string_view line) { lines.emplace_back(line); });
  }
  ~Captured() { set_sink(nullptr); }

  std::vector<std::string> lines;
};

TEST_CASE("a JSON line holds ts, level, msg and the named values") {
  Captured log(Format::Json);
  warning("fetch failed", {{"object", "shop/okta"}, {"attempt", 3}, {"ms", 1.5}, {"final", false}});
  REQUIRE(log.lines.size() == 1);
  const auto doc = JsonDoc::parse(log.lines[0]);
  REQUIRE(doc);
  const auto root = doc->root();
  CHECK(std::string_view(root["level"].get_string().value()) == "warning");
  CHECK(std::string_view(root["msg"].get_string().value()) == "fetch failed");
  CHECK(std::string_view(root["object"].get_string().value()) == "shop/okta");
  CHECK(root["attempt"].get_int64().value() == 3);
  CHECK(root["ms"].get_double().value() == 1.5);
  CHECK(root["final"].get_bool().value() == false);
  CHECK(std::string_view(root["ts"].get_string().value()).ends_with("Z"));
}

TEST_CASE("whatever a value holds, the line stays one line of valid JSON") {
  for (const std::string& hostile :
       {std::string("a\nb\"c\\d\x01"), std::string("\xff\xfe half"), std::string(5000, 'x'), std::string("{}%v {0}")}) {
    CAPTURE(hostile);
    Captured log(Format::Json);
    info(hostile, {{"object", hostile}});
    REQUIRE(log.lines.size() == 1);
    CHECK(log.lines[0].find('\n') == std::string::npos);
    CHECK(JsonDoc::parse(log.lines[0]).has_value());
  }
}

TEST_CASE("what looks like a signed token is never written") {
  const std::string token = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl";
  for (const auto format : {Format::Json, Format::Text}) {
    Captured log(format);
    error("bad header " + token + " here", {{"header", "Bearer " + token}});
    REQUIRE(log.lines.size() == 1);
    CHECK(log.lines[0].find("eyJ") == std::string::npos);
    CHECK(log.lines[0].find("[token] here") != std::string::npos);
  }
}

TEST_CASE("text quotes only the values that need it") {
  Captured log(Format::Text);
  info("ready", {{"object", "shop/orders"}, {"detail", "two words"}, {"n", 2}});
  REQUIRE(log.lines.size() == 1);
  CHECK(log.lines[0].find("ready object=shop/orders detail=\"two words\" n=2") != std::string::npos);
}

TEST_CASE("lines below the level are not written") {
  Captured log(Format::Json, Level::Warning);
  info("quiet");
  warning("loud");
  REQUIRE(log.lines.size() == 1);
  CHECK(log.lines[0].find("loud") != std::string::npos);
}

TEST_CASE("unknown names of formats and levels are named") {
  CHECK(parse_format("xml").error().message == "log format \"xml\" is not known; one of auto, json, text");
  CHECK(parse_level("loud").error().message == "log level \"loud\" is not known; one of debug, info, warning, error");
}

}  // namespace
}  // namespace meshauth::log
