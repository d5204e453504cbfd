#include "core/plan/rotation.h"

#include <doctest/doctest.h>

#include "core/plan/testing.h"

namespace meshauth::plan {
namespace {

using testing::ed25519_key;
using testing::key_set;

Time at(std::int64_t seconds) {
  return Time(Seconds(1'800'000'000 + seconds));
}

TEST_CASE("a key is Active while it is listed, and gone at once where there is no overlap") {
  const auto a = ed25519_key("a", 1), b = ed25519_key("b", 2);
  const KeyHistory first = rotate({}, key_set({a, b}), at(0), Seconds(0));
  CHECK(first.keys.size() == 2);
  CHECK_FALSE(first.keys[0].retire.has_value());

  const KeyHistory second = rotate(first, key_set({b}), at(300), Seconds(0));
  REQUIRE(second.keys.size() == 1);
  CHECK(second.keys[0].key.kid == "b");
  CHECK(second.keys[0].first_seen == at(0));
  CHECK(second.keys[0].last_seen == at(300));
}

TEST_CASE("a key that left retires for the overlap, and verifies until then") {
  const auto a = ed25519_key("a", 1), b = ed25519_key("b", 2);
  const KeyHistory before = rotate({}, key_set({a}), at(0), Seconds(600));
  const KeyHistory after = rotate(before, key_set({b}), at(300), Seconds(600));
  REQUIRE(after.keys.size() == 2);
  CHECK(after.keys[1].retire == at(900));
  CHECK(after.next_retirement() == at(900));
  CHECK(after.key_set(at(899)).keys.size() == 2);
  CHECK(after.key_set(at(900)).keys.size() == 1);
  CHECK(expire(after, at(899)).keys.size() == 2);
  CHECK(expire(after, at(900)).keys.size() == 1);

  SUBCASE("seen missing again, its time stays") {
    CHECK(rotate(after, key_set({b}), at(600), Seconds(600)).next_retirement() == at(900));
  }
  SUBCASE("a key that came back is Active again") {
    const KeyHistory back = rotate(after, key_set({a, b}), at(600), Seconds(600));
    CHECK_FALSE(back.next_retirement().has_value());
    CHECK(back.keys[0].first_seen == at(0));
  }
}

TEST_CASE("two different keys under one kid are both refused, also when one of them is retiring") {
  const KeyHistory before = rotate({}, key_set({ed25519_key("same", 1)}), at(0), Seconds(600));
  const KeyHistory after = rotate(before, key_set({ed25519_key("same", 2)}), at(10), Seconds(600));
  const auto set = after.key_set(at(11));
  CHECK(set.ambiguous_kids == std::vector<std::string>{"same"});

  const KeyHistory listed =
      rotate(before, key_set({ed25519_key("same", 1), ed25519_key("same", 2)}), at(10), Seconds(600));
  CHECK(listed.key_set(at(11)).keys.empty());
  CHECK(listed.key_set(at(11)).ambiguous_kids == std::vector<std::string>{"same"});
}

TEST_CASE("a record is read back as it was written, and holds no private member") {
  KeyHistory history = rotate({}, key_set({ed25519_key("a", 1), ed25519_key("b", 2)}), at(0), Seconds(60));
  history = rotate(history, key_set({ed25519_key("b", 2)}), at(10), Seconds(60));
  history.jwks_uri = "https://idp.example/keys";
  history.discovered_issuer = "https://idp.example";
  history.etag = "\"x\"";
  history.skipped = {{"enc", "use is enc"}};
  const std::string text = to_json(history);
  CHECK(text.find("\"d\"") == std::string::npos);
  const auto read = history_from_json(text);
  REQUIRE(read.has_value());
  CHECK(to_json(*read) == text);
  CHECK(read->last_good == at(10));
}

TEST_CASE("a broken record is refused with what is wrong") {
  CHECK_FALSE(history_from_json("").has_value());
  CHECK_FALSE(history_from_json("[]").has_value());
  CHECK_FALSE(history_from_json(R"({"jwksUri":"","issuer":"","etag":"","keys":[{}],"skipped":[],"ambiguousKids":[]})")
                  .has_value());
}

}  // namespace
}  // namespace meshauth::plan
