#include "operator/app/key_rotation.h"

#include <doctest/doctest.h>

#include "core/base/base64.h"

namespace meshauth::app {
namespace {

using namespace std::chrono_literals;

const KeyTimes kTimes{.lifetime = 300s, .confirm_timeout = 60s, .overlap = 100s};
const std::chrono::sys_seconds kStart{std::chrono::seconds(1'800'000'000)};

/// What a step asks for, as text: a table reads better so.
std::string taken(const KeyFacts& facts, const KeyTimes& times = kTimes) {
  const auto [step, forced] = decide(facts, times);
  const char* name = step == KeyStep::Announce ? "announce"
                     : step == KeyStep::Switch ? "switch"
                     : step == KeyStep::Retire ? "retire"
                                               : "none";
  return std::string(name) + (forced ? ", forced" : "");
}

TEST_CASE("a key is replaced by request, or at two thirds of its life") {
  CHECK(taken({.age = 199s}) == "none");
  CHECK(taken({.age = 200s}) == "announce");
  CHECK(taken({.age = 1s, .asked = true}) == "announce");
  const KeyTimes never{.lifetime = 0s, .confirm_timeout = 60s, .overlap = 100s};
  CHECK(taken({.age = 1'000'000s}, never) == "none");
  CHECK(taken({.asked = true}, never) == "announce");
}

TEST_CASE("the next key is used once everybody trusts it, or when time is up") {
  const auto announced = [](std::chrono::seconds in_phase, std::vector<std::string> waiting) {
    // Neither age nor a request matters any more.
    return taken({KeyPhase::Announced, 1'000'000s, true, in_phase, std::move(waiting)});
  };
  CHECK(announced(0s, {}) == "switch");
  CHECK(announced(59s, {"pod shop/a"}) == "none");
  CHECK(announced(60s, {"pod shop/a"}) == "switch, forced");
  CHECK(announced(60s, {}) == "switch");
}

TEST_CASE("the key before is trusted for the overlap, longer while something hangs on it, but not for ever") {
  const auto switched = [](std::chrono::seconds in_phase, std::vector<std::string> waiting) {
    return taken({KeyPhase::Switched, 1'000'000s, true, in_phase, std::move(waiting)});
  };
  CHECK(switched(99s, {}) == "none");
  CHECK(switched(100s, {}) == "retire");
  CHECK(switched(599s, {"record shop/orders"}) == "none");
  CHECK(switched(600s, {"record shop/orders"}) == "retire, forced");
}

TEST_CASE("what an annotation asks for") {
  using Keys = std::vector<MeshKey>;
  CHECK(parse_request("").value() == Keys{});
  CHECK(parse_request("ca").value() == Keys{MeshKey::Authority});
  CHECK(parse_request("signing-key").value() == Keys{MeshKey::Signing});
  CHECK(parse_request("all").value() == Keys{MeshKey::Signing, MeshKey::Authority});
  CHECK(parse_request("CA").error().message ==
        "annotation meshauth.dev/rotate is \"CA\"; signing-key, ca or all would be right");
  CHECK(rest_of_request("all", MeshKey::Signing) == "ca");
  CHECK(rest_of_request("all", MeshKey::Authority) == "signing-key");
  CHECK(rest_of_request("ca", MeshKey::Authority).empty());
  CHECK(rest_of_request("junk", MeshKey::Authority) == "junk");
}

TEST_CASE("a message names a few, and counts the rest") {
  CHECK(some_of({}) == "");
  CHECK(some_of({"a", "b"}) == "a, b");
  CHECK(some_of({"a", "b", "c", "d"}, 2) == "a, b and 2 more");
}

struct KeysFixture {
  MeshKeys keys = MeshKeys::make(kStart, 1h).value();
  /// As the next start finds them.
  MeshKeys again() const { return MeshKeys::from_files(keys.to_files()).value(); }
  std::string fault(const std::string& name, const std::string& content) const {
    auto files = keys.to_files();
    files[name] = content;
    const auto read = MeshKeys::from_files(files);
    return read ? "" : read.error().message;
  }
};

TEST_CASE_FIXTURE(KeysFixture, "each phase survives a restart, and two of each kind are trusted at most") {
  for (const MeshKey key : kMeshKeys) {
    CAPTURE(to_string(key));
    const auto of = [&](const bundle::Trust& trust) {
      return key == MeshKey::Signing ? trust.signing_keys : trust.certificate_authorities;
    };
    const auto old = of(keys.trust());
    REQUIRE(old.size() == 1);
    CHECK(keys.phase(key) == KeyPhase::Steady);

    REQUIRE(keys.announce(key, kStart, 2h));
    CHECK(again().to_files() == keys.to_files());
    CHECK(again().phase(key) == KeyPhase::Announced);
    const auto announced = of(again().trust());
    REQUIRE(announced.size() == 2);
    CHECK(announced[0] == old[0]);  // the one in use comes first

    keys.switch_over(key);
    CHECK(again().to_files() == keys.to_files());
    CHECK(again().phase(key) == KeyPhase::Switched);
    CHECK(of(again().trust()) == std::vector<std::string>{announced[1], old[0]});

    keys.retire(key);
    CHECK(again().phase(key) == KeyPhase::Steady);
    CHECK(of(again().trust()) == std::vector<std::string>{announced[1]});
  }
}

TEST_CASE_FIXTURE(KeysFixture, "an older operator reads the keys in use, whatever else is there; private halves go") {
  const auto in_use = [](const std::map<std::string, std::string>& files) {
    return MeshKeys::from_files({{"signing.key", files.at("signing.key")},
                                 {"ca.crt", files.at("ca.crt")},
                                 {"ca.key", files.at("ca.key")}})
        .value();
  };
  for (const MeshKey key : kMeshKeys) REQUIRE(keys.announce(key, kStart, 2h));
  CHECK(in_use(keys.to_files()).signing.public_key() == keys.signing.public_key());
  const auto before = keys.to_files();
  const std::string next = keys.next_signing->public_key();
  for (const MeshKey key : kMeshKeys) keys.switch_over(key);
  const auto after = keys.to_files();
  CHECK(in_use(after).signing.public_key() == next);
  CHECK(after.at("ca.key") == before.at("next-ca.key"));
  for (const auto& [name, content] : after) {
    CAPTURE(name);
    CHECK(content.find(before.at("signing.key")) == std::string::npos);
    CHECK(content.find(before.at("ca.key")) == std::string::npos);
  }
  const auto names = MeshKeys::names();
  for (const auto& files : {before, after}) {
    for (const auto& [name, content] : files) CHECK(std::find(names.begin(), names.end(), name) != names.end());
  }
}

TEST_CASE_FIXTURE(KeysFixture, "authorities can be told apart by their names") {
  REQUIRE(keys.announce(MeshKey::Authority, kStart, 2h));
  CHECK(keys.next_authority->certificate_pem != keys.authority.certificate_pem);
  CHECK(fleet::issued_at(keys.next_authority->certificate_pem) == kStart);
  CHECK(fleet::valid_until(keys.next_authority->certificate_pem) == kStart + 2h);
}

TEST_CASE_FIXTURE(KeysFixture, "what does not read is named, and never quoted") {
  CHECK(fault("next-signing.key", "junk") ==
        "next-signing.key: the signing key is no Ed25519 private key in PKCS #8 PEM");
  CHECK(fault("next-ca.crt", "junk") == "next-ca.crt and next-ca.key must be there both, or neither");
  CHECK(fault("previous-signing.pub", "junk") == "previous-signing.pub is no Ed25519 public key, base64 of 32 bytes");
  CHECK(fault("previous-ca.crt", "junk") == "previous-ca.crt: the certificate is not readable PEM");
  CHECK(fault("something-newer", "junk").empty());
  REQUIRE(keys.announce(MeshKey::Signing, kStart, 2h));
  CHECK(fault("previous-signing.pub", base64_encode(std::string(32, 'x'))) ==
        "next-signing.key and previous-signing.pub cannot both be there: remove the next one");
}

}  // namespace
}  // namespace meshauth::app
