#include <doctest/doctest.h>

#include "core/policy/case_builder_test.h"
#include "core/policy/engine.h"

namespace meshauth::policy {
namespace {

using testing::Call;
using testing::Caller;
using testing::decide;
using testing::make_policy;

bool allowed(const std::string& pattern, const std::string& path) {
  const auto policy =
      make_policy("a/p", R"([{"name": "r", "action": "Allow", "from": [{"anyone": true}], "to": [{"paths": [")" +
                             pattern + R"("]}]}])");
  const Engine engine(compile({&policy}, {}, model::Action::Deny));
  Call call;
  call.path = path;
  return decide(engine, Caller(), call).enforced.allow;
}

}  // namespace

TEST_CASE("a segment is compared whole, whatever its length") {
  const std::string all = "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz";
  for (std::size_t size = 1; size < all.size(); ++size) {
    const std::string text = all.substr(0, size);
    CAPTURE(text);
    CHECK(allowed("/" + text, "/" + text));
    CHECK_FALSE(allowed("/" + text, "/" + all.substr(0, size + 1)));
    for (std::size_t i = 0; i < size; ++i) {
      std::string other = text;
      other[i] = '0';
      CHECK_FALSE(allowed("/" + text, "/" + other));
    }
  }
}

TEST_CASE("texts whose words in the index are the same are told apart") {
  CHECK(allowed("/interna1-reports-of-2026", "/interna1-reports-of-2026"));
  CHECK_FALSE(allowed("/interna1-reports-of-2026", "/pBjGKCeEto54qfZp-of-2026"));
}

}  // namespace meshauth::policy
