#include "operator/app/injector.h"

#include <doctest/doctest.h>

namespace meshauth::app {

TEST_CASE("a server runs native sidecars from 1.29 on, whatever its vendor writes behind the number") {
  const std::pair<const char*, bool> cases[] = {
      {R"({"major": "1", "minor": "28"})", false},        {R"({"major": "1", "minor": "28+"})", false},
      {R"({"major": "1", "minor": "29"})", true},         {R"({"major": "1", "minor": "29+"})", true},
      {R"({"major": "1", "minor": "36", "x": 1})", true}, {R"({"major": "2", "minor": "0"})", true},
      {R"({"major": "0", "minor": "99"})", false},
  };
  for (const auto& [version, native] : cases) {
    CAPTURE(version);
    CHECK(has_native_sidecars(version) == native);
  }
}

TEST_CASE("an answer without a version is an error that says which flag would help") {
  for (const char* version : {"", "[]", "{}", "no JSON", R"({"major": "1"})", R"({"major": 1, "minor": 29})",
                              R"({"major": "1", "minor": "x"})"}) {
    CAPTURE(version);
    const auto native = has_native_sidecars(version);
    REQUIRE_FALSE(native);
    CHECK(native.error().message.find("--native-sidecars") != std::string::npos);
  }
}

}  // namespace meshauth::app
