#include "core/bundle/bundle.h"

#include <doctest/doctest.h>

#include "core/base/base64.h"
#include "core/bundle/documents.h"
#include "core/bundle/full_settings_test.h"
#include "core/jose/testing.h"

namespace meshauth::bundle {
namespace {

struct Fixture {
  SigningKey key = SigningKey::generate();
  Trust trust{{key.public_key()}, {"PEM"}};
  Files files{{"auth.conf", "# none\n"}, {"jwks.json", "{}"}, {"policy.json", "{}"}};
  Bundle bundle = make_bundle(files, "shop/orders", {3, 7}, key).value();
};

TEST_CASE_FIXTURE(Fixture, "a bundle opens as it was made") {
  const auto opened = open_bundle(bundle.manifest_json, bundle.signature, bundle.files, trust, "shop/orders");
  REQUIRE(opened.has_value());
  CHECK(opened->manifest == bundle.manifest);
  CHECK(opened->manifest.epoch == Epoch{3, 7});
  CHECK(opened->manifest.revision == revision_of(files));
}

TEST_CASE_FIXTURE(Fixture, "any changed byte of manifest, signature or file is refused") {
  for (std::size_t i = 0; i < bundle.manifest_json.size(); ++i) {
    std::string changed = bundle.manifest_json;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    CHECK_FALSE(open_manifest(changed, bundle.signature, trust, "shop/orders").has_value());
  }
  auto raw = *base64_decode(bundle.signature);
  for (char& byte : raw) {
    byte = static_cast<char>(byte ^ 1);
    CHECK_FALSE(open_manifest(bundle.manifest_json, base64_encode(raw), trust, "shop/orders").has_value());
    byte = static_cast<char>(byte ^ 1);
  }
  for (const auto& [name, content] : files) {
    Files changed = files;
    changed[name] += " ";
    CHECK_FALSE(check_files(bundle.manifest, changed).has_value());
    changed.erase(name);
    CHECK_FALSE(check_files(bundle.manifest, changed).has_value());
  }
}

TEST_CASE_FIXTURE(Fixture, "another workload's bundle and another operator's are refused") {
  CHECK_FALSE(open_manifest(bundle.manifest_json, bundle.signature, trust, "shop/payments").has_value());
  const Trust other{{SigningKey::generate().public_key()}, {}};
  CHECK_FALSE(open_manifest(bundle.manifest_json, bundle.signature, other, "shop/orders").has_value());
}

TEST_CASE_FIXTURE(Fixture, "while one signing key replaces the other, both are trusted") {
  const SigningKey next = SigningKey::generate();
  const Trust both{{next.public_key(), key.public_key()}, {}};
  CHECK(open_manifest(bundle.manifest_json, bundle.signature, both, "shop/orders").has_value());
  CHECK(signer_of(bundle, both) == key.public_key());

  const Bundle anew = sign_anew(bundle, next);
  CHECK(anew.manifest_json == bundle.manifest_json);
  CHECK(anew.files == bundle.files);
  CHECK(signer_of(anew, both) == next.public_key());
  CHECK(open_manifest(anew.manifest_json, anew.signature, both, "shop/orders").has_value());
  CHECK_FALSE(open_manifest(anew.manifest_json, anew.signature, trust, "shop/orders").has_value());
  CHECK(signer_of(anew, trust) == std::nullopt);
}

TEST_CASE_FIXTURE(Fixture, "a newer format is named, and refused") {
  std::string newer = bundle.manifest_json;
  newer.replace(newer.find("\"formatVersion\":1"), 17, "\"formatVersion\":2");
  const auto opened = open_manifest(newer, base64_encode(key.sign(newer)), trust, "shop/orders");
  CHECK(opened.error().message.find("format version 2") != std::string::npos);
}

TEST_CASE_FIXTURE(Fixture, "a bundle that no ConfigMap can hold is refused") {
  files["policy.json"] = std::string(kMaxBundleBytes, ' ');
  const auto made = make_bundle(files, "shop/orders", {1, 1}, key);
  CHECK(made.error().message.find("fewer or smaller policies") != std::string::npos);
}

TEST_CASE("comments and empty lines make no other auth.conf, everything else does") {
  CHECK(auth_conf_digest("") == auth_conf_digest("# made by\n\n \t\n"));
  CHECK(auth_conf_digest("a b;\n") == auth_conf_digest("# x\na b;"));
  CHECK(auth_conf_digest("a b;") != auth_conf_digest("a c;"));
  CHECK(auth_conf_digest("a b;") != auth_conf_digest(""));
  CHECK(auth_conf_digest("a b;\nc d;") != auth_conf_digest("c d;\na b;"));
}

TEST_CASE("epochs are ordered by term, then by sequence") {
  CHECK(Epoch{1, 9} < Epoch{2, 0});
  CHECK(Epoch{2, 1} < Epoch{2, 2});
}

TEST_CASE("keys survive their PEM, and trust its JSON") {
  const SigningKey key = SigningKey::generate();
  const auto read = SigningKey::from_pem(key.to_pem());
  REQUIRE(read.has_value());
  CHECK(read->public_key() == key.public_key());
  const Trust trust{{key.public_key()}, {"A", "B"}};
  const auto again = Trust::parse(trust.to_json());
  REQUIRE(again.has_value());
  CHECK(again->signing_keys == trust.signing_keys);
  CHECK(again->certificate_authorities == trust.certificate_authorities);
  CHECK_FALSE(Trust::parse(R"({"signingKeys":[],"certificateAuthorities":[]})").has_value());
  CHECK_FALSE(Trust::parse(R"({"signingKeys":["AA=="],"certificateAuthorities":[]})").has_value());
}

TEST_CASE("jwks.json is read back as it was written") {
  JwksFile file;
  file.providers = {full_settings()};
  file.sources["source"] = jose::testing::key_set(
      {jose::testing::ed25519_key("k", 1), jose::testing::ed25519_key("two", 2), jose::testing::ed25519_key("two", 3)});
  const std::string text = write_jwks(file);
  const auto read = read_jwks(text);
  REQUIRE(read.has_value());
  CHECK(read->providers == file.providers);
  CHECK(write_jwks(*read) == text);
  CHECK(read->sources.at("source").keys.size() == 1);
  CHECK(read->sources.at("source").ambiguous_kids == std::vector<std::string>{"two"});
}

TEST_CASE("a jwks.json that lacks any member is refused: no default is guessed") {
  const auto whole = nlohmann::json::parse(write_jwks({{full_settings()}, {}}));
  for (const auto& [name, value] : whole["providers"][0].items()) {
    CAPTURE(name);
    auto changed = whole;
    changed["providers"][0].erase(name);
    CHECK_FALSE(read_jwks(changed.dump()).has_value());
  }
}

TEST_CASE("fresh.json keeps the newest time of each source, and counts only signed") {
  Fresh fresh{{{"a", 10}, {"b", 20}}};
  fresh.merge({{{"a", 5}, {"b", 30}, {"c", 1}}});
  CHECK(fresh.sources == std::map<std::string, std::int64_t>{{"a", 10}, {"b", 30}, {"c", 1}});
  const SigningKey key = SigningKey::generate();
  const Trust trust{{key.public_key()}, {}};
  const std::string text = fresh.to_json();
  CHECK(open_fresh(text, base64_encode(key.sign(text)), trust)->sources == fresh.sources);
  CHECK_FALSE(open_fresh(text, base64_encode(key.sign(text + " ")), trust).has_value());
}

}  // namespace
}  // namespace meshauth::bundle
