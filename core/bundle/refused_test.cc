// What came from outside and is refused: each of these differs in one thing from what is taken.
#include <doctest/doctest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include <nlohmann/json.hpp>

#include "core/base/base64.h"
#include "core/bundle/bundle.h"
#include "core/bundle/documents.h"
#include "core/bundle/full_settings_test.h"
#include "core/bundle/wire.h"
#include "core/jose/testing.h"

namespace meshauth::bundle {
namespace {

using nlohmann::json;

template <class T>
std::string said(const Result<T>& result) {
  return result ? "" : result.error().message;
}
std::string said(const Status& status) {
  return status ? "" : status.error().message;
}

#define CHECK_SAYS(result, text)                    \
  do {                                              \
    const std::string message = said(result);       \
    CAPTURE(message);                               \
    CHECK(message.find(text) != std::string::npos); \
    CHECK_FALSE(message.empty());                   \
  } while (false)

struct Signed {
  SigningKey key = SigningKey::generate();
  Trust trust{{key.public_key()}, {"PEM"}};
  Files files{{"auth.conf", "# none\n"}, {"jwks.json", "{}"}, {"policy.json", "[]"}};
  Bundle bundle = make_bundle(files, "shop/orders", {3, 7}, key).value();
  json manifest = json::parse(bundle.manifest_json);

  Result<Manifest> open(const json& changed) const {
    const std::string text = changed.dump();
    return open_manifest(text, base64_encode(key.sign(text)), trust, "shop/orders");
  }
  Result<Manifest> with(const char* pointer, const json& value) const {
    json changed = manifest;
    changed[json::json_pointer(pointer)] = value;
    return open(changed);
  }
};

std::string pem_of(EVP_PKEY* key) {
  BIO* bio = BIO_new(BIO_s_mem());
  REQUIRE(PEM_write_bio_PKCS8PrivateKey(bio, key, nullptr, nullptr, 0, nullptr, nullptr) == 1);
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  std::string out(data, static_cast<std::size_t>(size));
  BIO_free(bio);
  EVP_PKEY_free(key);
  return out;
}

}  // namespace

TEST_CASE("trust of another form is refused") {
  const std::string key = base64_encode(std::string(32, 'k'));
  const auto trust = [](const json& keys, const json& authorities) {
    return Trust::parse(json{{"signingKeys", keys}, {"certificateAuthorities", authorities}}.dump());
  };
  REQUIRE(trust({key, key}, {"A", "B"}));
  CHECK_SAYS(trust({key, key, key}, json::array()), "signingKeys has 3 entries; at most 2");
  CHECK_SAYS(trust({key}, {"A", "B", "C"}), "certificateAuthorities has 3 entries; at most 2");
  CHECK_SAYS(trust({key}, {1}), "certificateAuthorities must hold strings");
  CHECK_SAYS(trust({1}, json::array()), "signingKeys must hold strings");
  CHECK_SAYS(trust({"!"}, json::array()), "base64 of 32 bytes each");
  CHECK_SAYS(trust({base64_encode(std::string(33, 'k'))}, json::array()), "base64 of 32 bytes each");
  CHECK_SAYS(trust(json::array(), json::array()), "signingKeys is empty");
  CHECK_SAYS(trust({key}, {std::string(64 * 1024, 'x')}), "trust.json is refused");
  CHECK_SAYS(Trust::parse(json{{"signingKeys", {key}}}.dump()), "no list certificateAuthorities");
  CHECK_SAYS(Trust::parse(json{{"certificateAuthorities", json::array()}}.dump()), "no list signingKeys");
}

TEST_CASE("a signing key of another kind is refused") {
  REQUIRE(SigningKey::from_pem(pem_of(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"))));
  for (EVP_PKEY* key : {EVP_PKEY_Q_keygen(nullptr, nullptr, "X25519"), EVP_PKEY_Q_keygen(nullptr, nullptr, "ED448"),
                        EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256")}) {
    CHECK_SAYS(SigningKey::from_pem(pem_of(key)), "no Ed25519 private key");
  }
  for (const char* text : {"", "PEM", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"}) {
    CHECK_SAYS(SigningKey::from_pem(text), "no Ed25519 private key");
  }
}

TEST_CASE_FIXTURE(Signed, "a manifest of another form is refused, though it is signed") {
  REQUIRE(open(manifest));
  CHECK_SAYS(with("/formatVersion", 2), "format version 2");
  CHECK_SAYS(with("/formatVersion", "1"), "no formatVersion");
  CHECK_SAYS(with("/workload", "shop/payments"), "for workload \"shop/payments\", not for shop/orders");
  const std::string digest(64, 'a');
  for (const json& wrong : {json(7), json(digest + "a"), json(digest.substr(1)), json("g" + digest.substr(1)),
                            json("A" + digest.substr(1))}) {
    CAPTURE(wrong.dump());
    CHECK_SAYS(with("/revision", wrong), "must have workload, revision, epoch");
    CHECK_SAYS(with("/files/0/sha256", wrong), "no name, size and sha256");
  }
  CHECK_SAYS(with("/files/0/size", -1), "no name, size and sha256");
  CHECK_SAYS(with("/files/0/size", "1"), "no name, size and sha256");
  CHECK_SAYS(with("/files/0/name", "../auth.conf"), "\"../auth.conf\", which is no file of a bundle");
  for (const char* member : {"/epoch/term", "/epoch/sequence"}) {
    for (const json& wrong : {json(-1), json("1"), json(1.5), json()}) {
      CHECK_SAYS(with(member, wrong), "must have workload, revision, epoch");
    }
  }
  json files_of = manifest;
  files_of["files"].erase(2);
  CHECK_SAYS(open(files_of), "lists 2 files; a bundle has 3");
  files_of["files"].push_back(manifest["files"][2]);
  REQUIRE(open(files_of));
  files_of["files"].push_back(manifest["files"][2]);
  CHECK_SAYS(open(files_of), "lists 4 files; a bundle has 3");
  CHECK_SAYS(with("/more", std::string(16 * 1024, 'x')), "bytes; at most 16384");
  for (const auto& [member, value] : manifest.items()) {
    json changed = manifest;
    changed.erase(member);
    CAPTURE(member);
    CHECK_FALSE(open(changed));
  }
}

TEST_CASE_FIXTURE(Signed, "a signature that is none is refused") {
  for (const std::string& signature : {std::string(), std::string("!"), std::string(88, 'A'), bundle.signature + "\n",
                                       bundle.signature.substr(4), bundle.signature + bundle.signature}) {
    CAPTURE(signature);
    CHECK_SAYS(open_manifest(bundle.manifest_json, signature, trust, "shop/orders"), "not signed by a trusted key");
    CHECK_SAYS(open_fresh(R"({"sources":{}})", signature, trust), "not signed by a trusted key");
    Bundle other = bundle;
    other.signature = signature;
    CHECK_FALSE(signer_of(other, trust));
  }
}

TEST_CASE_FIXTURE(Signed, "files that are not those of the manifest are refused, each by what is wrong with it") {
  const auto open_files = [&](const Files& changed) {
    return open_bundle(bundle.manifest_json, bundle.signature, changed, trust, "shop/orders");
  };
  REQUIRE(open_files(files));
  Files changed = files;
  changed["jwks.json"] = "[]";
  CHECK_SAYS(open_files(changed), "jwks.json does not have the digest of the manifest");
  changed["jwks.json"] = "{} ";
  CHECK_SAYS(open_files(changed), "jwks.json has 3 bytes; the manifest says 2");
  changed = files;
  changed.erase("jwks.json");
  CHECK_SAYS(open_files(changed), "2 files; its manifest lists 3");
  changed["other.json"] = "{}";
  CHECK_SAYS(open_files(changed), "the bundle lacks jwks.json");
  changed = files;
  changed["more"] = "";
  CHECK_SAYS(open_files(changed), "4 files; its manifest lists 3");
  const auto another = with("/revision", std::string(64, '0'));
  REQUIRE(another);
  CHECK_SAYS(check_files(*another, files), "do not make the revision");
}

TEST_CASE_FIXTURE(Signed, "no bundle is made of other files") {
  Files changed = files;
  changed.erase("auth.conf");
  CHECK_SAYS(make_bundle(changed, "shop/orders", {1, 1}, key), "a bundle needs the file auth.conf");
  changed = files;
  changed["more"] = "";
  CHECK_SAYS(make_bundle(changed, "shop/orders", {1, 1}, key), "exactly 3 files");
  // sha256sum of the lines `name NUL size NUL sha256hex LF`.
  CHECK(revision_of(files) == "14b57c88f2f70ee5c0e4e5a1915e422589a3c3bb411d372d98950112f046857c");
}

TEST_CASE("a jwks.json or fresh.json of another form is refused") {
  JwksFile file;
  file.providers = {full_settings()};
  file.sources["source"] = jose::testing::key_set({jose::testing::ed25519_key("k", 1)});
  const json whole = json::parse(write_jwks(file));
  const auto with = [&](const char* pointer, const json& value) {
    json changed = whole;
    changed[json::json_pointer(pointer)] = value;
    return read_jwks(changed.dump());
  };
  REQUIRE(read_jwks(whole.dump()));
  CHECK_SAYS(with("/providers", json::object()), "a list `providers` and an object `sources`");
  CHECK_SAYS(with("/sources", json::array()), "a list `providers` and an object `sources`");
  CHECK_SAYS(with("/sources/source/keys/0/d", "AAAA"), "jwks.json: source \"source\"");
  CHECK_SAYS(with("/sources/source/keys", "none"), "jwks.json: source \"source\"");
  CHECK_SAYS(with("/sources/source/ambiguousKids", json()), "no list ambiguousKids");
  CHECK_SAYS(with("/sources/source/ambiguousKids", {1}), "ambiguousKids must hold strings");
  CHECK_SAYS(with("/more", std::string(kMaxBundleBytes, 'x')), "jwks.json is refused");
  CHECK_SAYS(Fresh::parse(R"({"sources":{"a":"1"}})"), "source \"a\" has no unix time");
  CHECK_SAYS(Fresh::parse(R"({"sources":{"a":1.5}})"), "source \"a\" has no unix time");
  CHECK_SAYS(Fresh::parse(R"({"sources":[]})"), "no object `sources`");
  CHECK_SAYS(Fresh::parse("{}"), "no object `sources`");
  CHECK_SAYS(Fresh::parse(R"({"a":")" + std::string(256 * 1024, 'x') + "\"}"), "fresh.json is refused");
}

TEST_CASE("a provider's member of another type is refused by its name") {
  const json whole = json::parse(write_jwks({{full_settings()}, {}}));
  const auto with = [&](const std::string& pointer, const json& value) {
    json changed = whole;
    changed["providers"][0][json::json_pointer(pointer)] = value;
    return read_jwks(changed.dump());
  };
  REQUIRE(with("/maxStale", nullptr));
  for (const auto& [name, value] : whole["providers"][0].items()) {
    CAPTURE(name);
    CHECK_SAYS(with("/" + name, json::object()), name + " is missing or of another type");
    if (value.is_array() && name != "algorithms") CHECK_SAYS(with("/" + name + "/0", 7), name + " is missing or of");
  }
  CHECK_SAYS(with("/maxStale", -1), "maxStale is missing or of another type");
  CHECK_SAYS(with("/maxTokenLifetime", "60"), "maxTokenLifetime is missing or of another type");
  CHECK_SAYS(with("/algorithms/0", "HS256"), "unknown algorithm \"HS256\"");
  CHECK_SAYS(with("/client/0/0", 7), "client is missing or of another type");
  CHECK_SAYS(with("/requiredClaims/0/operator", "Equals"), "requiredClaims is missing or of another type");
  for (const char* place : {"requiredClaims", "tokenSources", "forwardClaims"}) {
    for (const auto& [member, value] : whole["providers"][0][place][0].items()) {
      json changed = whole;
      changed["providers"][0][place][0].erase(member);
      CAPTURE(member);
      CHECK_SAYS(read_jwks(changed.dump()), std::string(place) + " is missing or of another type");
    }
  }
}

TEST_CASE("messages beyond their bounds are refused") {
  const json ack = {{"revision", std::string(64, '0')}, {"outcome", "applied"}, {"detail", ""}};
  const auto ack_with = [&](const char* name, const json& value) {
    json changed = ack;
    changed[name] = value;
    return decode_ack(changed.dump());
  };
  REQUIRE(ack_with("swapMs", 1e9));
  CHECK_SAYS(ack_with("swapMs", 1.1e9), "swapMs must be a number of at most");
  CHECK_SAYS(ack_with("reloadMs", -1.1e9), "reloadMs must be a number of at most");
  CHECK_SAYS(ack_with("reloadMs", "1"), "reloadMs must be a number");
  CHECK_SAYS(ack_with("revision", std::string(65, '0')), "revision has 65 bytes; at most 64");
  CHECK_SAYS(ack_with("detail", std::string(3073, 'x')), "detail has 3073 bytes; at most 3072");
  CHECK_SAYS(ack_with("more", std::string(kMaxAckBytes, 'x')), "ack is refused");
  CHECK_SAYS(ack_with("more", json::parse("[[[[[[[[[]]]]]]]]]")), "nested too deeply");
  CHECK(encode(Ack{"00", Outcome::Refused, std::string(5000, 'x'), {}, {}}).size() < 1200);

  const auto report = [](const char* name, const json& value) { return decode_report(json{{name, value}}.dump()); };
  const json kid = {{"source", "s"}, {"kid", "k"}}, decision = {{"allow", true}, {"count", 1}};
  REQUIRE(report("unknownKids", json(kMaxUnknownKids, kid)));
  REQUIRE(report("decisions", json(kMaxDecisions, decision)));
  CHECK_SAYS(report("unknownKids", json(kMaxUnknownKids + 1, kid)), "a list of at most 64");
  CHECK_SAYS(report("unknownKids", kid), "a list of at most 64");
  CHECK_SAYS(report("decisions", json(kMaxDecisions + 1, decision)), "a list of at most 256");
  for (const json& wrong : {json{{"count", 1}}, json{{"allow", 1}, {"count", 1}}, json{{"allow", true}}, json(7)}) {
    CHECK_SAYS(report("decisions", json::array({wrong})), "a decision needs \"allow\"");
  }
  CHECK_SAYS(report("skew", 1.1e12), "skew must be a number of at most");
  const std::string digest(64, 'a');
  const auto trust = [&](const json& keys, const json& authorities, const json& by) {
    return report("trust", {{"signingKeys", keys}, {"certificateAuthorities", authorities}, {"signedBy", by}});
  };
  REQUIRE(trust(json(kMaxTrusted, digest), json(kMaxTrusted, digest), digest));
  CHECK_SAYS(trust(json(kMaxTrusted + 1, digest), json::array(), ""), "signingKeys must be a list of at most 8");
  CHECK_SAYS(trust(json::array(), json(kMaxTrusted + 1, digest), ""), "certificateAuthorities must be a list of");
  for (const std::string& wrong : {digest + "a", digest.substr(1), "G" + digest.substr(1)}) {
    CHECK_SAYS(trust(json::array({wrong}), json::array(), ""), "signingKeys must be a list of at most 8 SHA-256");
    CHECK_SAYS(trust(json::array(), json::array(), wrong), "signedBy must be empty or SHA-256");
  }

  const auto event = [](const char* name, const json& value) {
    json whole = {{"manifest", ""}, {"signature", ""}, {"files", json::object()}};
    whole[name] = value;
    return decode_bundle_event(whole.dump());
  };
  REQUIRE(event("files", {{"auth.conf", "x"}}));
  CHECK_SAYS(event("files", {{"auth.conf", 7}}), "the file auth.conf is not text");
  CHECK_SAYS(event("files", json::array()), "needs the object \"files\"");
  CHECK_SAYS(event("manifest", 7), "needs the text \"manifest\"");
  CHECK_SAYS(event("signature", std::string(513, 'x')), "signature has 513 bytes; at most 512");
  CHECK_SAYS(event("more", std::string(kMaxEventBytes, 'x')), "bundle event is refused");
}

}  // namespace meshauth::bundle
