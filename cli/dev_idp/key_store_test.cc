#include "cli/dev_idp/key_store.h"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <fstream>
#include <set>

using namespace meshauth;
using namespace meshauth::dev_idp;
namespace fs = std::filesystem;

namespace {

/// A folder of this test run, gone at its end.
struct TempDir {
  fs::path path;
  TempDir() {
    std::string name = (fs::temp_directory_path() / "dev-idp-XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    path = name;
  }
  ~TempDir() { fs::remove_all(path); }
};

std::vector<std::string> kids(const KeyStore& store) {
  std::vector<std::string> out;
  for (const SigningKey& key : store.keys()) out.push_back(key.kid());
  return out;
}

mode_t mode_of(const fs::path& path) {
  struct stat info {};
  REQUIRE(stat(path.c_str(), &info) == 0);
  return info.st_mode & 0777;
}

}  // namespace

TEST_CASE("keys and CA survive a restart, readable by their owner alone") {
  const TempDir dir;
  const fs::path state = dir.path / "made" / "when missing";
  const auto first = KeyStore::open(state);
  REQUIRE_MESSAGE(first, first.error().message);
  CHECK(first->keys().size() == 3);
  CHECK(kids(*KeyStore::open(state)) == kids(*first));
  const auto authority = open_authority(state);
  REQUIRE(authority);
  CHECK(open_authority(state)->certificate() == authority->certificate());
  CHECK(mode_of(state / "keys.json") == 0600);
  CHECK(mode_of(state / "ca-key.pem") == 0600);
}

TEST_CASE("rotation adds a generation that signs, keeps or drops the others, and is kept") {
  const TempDir dir;
  auto store = KeyStore::open(dir.path);
  REQUIRE(store);
  const std::string old_kid = store->find("", Algorithm::ES256)->kid();
  REQUIRE(store->rotate(false));
  CHECK(store->keys().size() == 6);
  const std::string new_kid = store->find("", Algorithm::ES256)->kid();
  CHECK(new_kid != old_kid);
  CHECK(store->find(old_kid, Algorithm::ES256) != nullptr);
  CHECK(kids(*KeyStore::open(dir.path)) == kids(*store));
  REQUIRE(store->rotate(true));
  CHECK(store->keys().size() == 3);
  CHECK(store->find(old_kid, Algorithm::ES256) == nullptr);
  CHECK(kids(*KeyStore::open(dir.path)) == kids(*store));
}

TEST_CASE("kids never repeat, and the published generations are bounded") {
  auto store = KeyStore::open("");
  REQUIRE(store);
  std::set<std::string> seen;
  for (int i = 0; i < 6; ++i) {
    REQUIRE(store->rotate(false));
    CHECK(store->keys().size() <= KeyStore::kMaxGenerations * 3);
    for (const std::string& kid : kids(*store)) seen.insert(kid);
  }
  CHECK(store->keys().size() == KeyStore::kMaxGenerations * 3);
  CHECK(seen.size() == 7 * 3);
}

TEST_CASE("state that cannot be read is an error that repeats none of it") {
  const TempDir dir;
  const std::string secret = "c2VjcmV0";
  for (const std::string& content :
       {std::string("{\"keys\":[{\"kind\":\"RS256\",\"generation\":1,\"key\":\"" + secret + "\"}]}"),
        std::string("garbage " + secret), std::string("{\"keys\":[]}"),
        std::string("{\"keys\":[{\"kind\":\"" + secret + "\",\"generation\":1,\"key\":\"\"}]}")}) {
    CAPTURE(content);
    std::ofstream(dir.path / "keys.json") << content;
    const auto store = KeyStore::open(dir.path);
    REQUIRE_FALSE(store);
    CHECK(store.error().message.find("keys.json") != std::string::npos);
    CHECK(store.error().message.find(secret) == std::string::npos);
  }
  std::ofstream(dir.path / "ca.pem") << "x";
  std::ofstream(dir.path / "ca-key.pem") << "x";
  CHECK_FALSE(open_authority(dir.path));
}

TEST_CASE("a key of another type than its kind is refused") {
  const SigningKey key = SigningKey::generate(KeyKind::ES256, 1);
  CHECK(SigningKey::load(KeyKind::ES256, 1, key.private_pem())->kid() == key.kid());
  CHECK_FALSE(SigningKey::load(KeyKind::RS256, 1, key.private_pem()));
}
