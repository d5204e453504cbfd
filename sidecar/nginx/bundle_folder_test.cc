#include "sidecar/nginx/bundle_folder.h"

#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "core/base/base64.h"
#include "core/engine/testing.h"

namespace fs = std::filesystem;
using namespace meshauth;
using namespace meshauth::nginx;
using engine::testing::Mesh;

namespace {

void write(const fs::path& path, std::string_view text) {
  std::ofstream(path, std::ios::binary) << text;
}

/// A folder as the agent keeps it, with one bundle in force.
class Agent {
 public:
  Agent() : root_(fs::temp_directory_path() / ("bundle-folder-test-" + std::to_string(::getpid()))) {
    fs::remove_all(root_);
    fs::create_directories(folder());
    write(trust(), bundle::Trust{{key_.public_key()}, {}}.to_json());
  }
  ~Agent() { fs::remove_all(root_); }

  fs::path folder() const { return root_ / "bundle"; }
  fs::path trust() const { return root_ / "trust.json"; }
  fs::path revision(const std::string& name) const { return folder() / "revisions" / name; }
  const bundle::SigningKey& key() const { return key_; }

  std::string put(const std::string& workload = "shop/orders", const std::string& policy_id = "shop/p") {
    Mesh mesh;
    mesh.add(engine::testing::provider());
    mesh.add(policy_id, {engine::testing::rule("r", {engine::testing::from()})});
    bundle::Files files = {
        {"auth.conf", ""}, {"jwks.json", bundle::write_jwks(mesh.keys)}, {"policy.json", policy::to_json(mesh.policy)}};
    const auto made = bundle::make_bundle(std::move(files), workload, {1, 1}, key_);
    REQUIRE(made);
    const fs::path to = revision(made->manifest.revision);
    fs::create_directories(to);
    for (const auto& [name, content] : made->files) write(to / name, content);
    write(to / "manifest.json", made->manifest_json);
    write(to / "manifest.json.sig", made->signature);
    point_to("revisions/" + made->manifest.revision);
    return made->manifest.revision;
  }
  void point_to(const std::string& target) {
    fs::remove(folder() / "current");
    fs::create_symlink(target, folder() / "current");
  }
  BundleFolder reader() const { return {folder(), trust(), "shop/orders"}; }

 private:
  fs::path root_;
  bundle::SigningKey key_ = bundle::SigningKey::generate();
};

std::string why(const BundleFolder& reader) {
  const auto loaded = reader.load().snapshot;
  return loaded ? "" : loaded.error().message;
}

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("the bundle that current names is read and verified") {
  Agent agent;
  const std::string revision = agent.put();
  const auto loaded = agent.reader().load();
  REQUIRE(loaded.snapshot);
  CHECK((*loaded.snapshot)->revision == revision);
  CHECK(loaded.name == revision);
}

TEST_CASE("what is wrong with a bundle is said, with the file's name") {
  Agent agent;
  CHECK(has(why(agent.reader()), "current cannot be opened"));
  const fs::path at = agent.revision(agent.put());
  SUBCASE("a byte of a file") {
    write(at / "policy.json", "{}");
    CHECK(has(why(agent.reader()), "policy.json"));
  }
  SUBCASE("a byte of a file that is as good as before") {
    write(at / "auth.conf", "# another\n");
    CHECK(has(why(agent.reader()), "auth.conf has 10 bytes; the manifest says 0"));
  }
  SUBCASE("a file too large") {
    write(at / "jwks.json", std::string(bundle::kMaxBundleBytes + 1, ' '));
    CHECK(has(why(agent.reader()), "jwks.json has more than"));
  }
  SUBCASE("a link in a file's place") {
    fs::rename(at / "jwks.json", at / "other");
    fs::create_symlink("other", at / "jwks.json");
    CHECK(has(why(agent.reader()), "jwks.json cannot be opened"));
  }
  SUBCASE("a fifo in a file's place") {
    fs::remove(at / "manifest.json");
    REQUIRE(::mkfifo((at / "manifest.json").c_str(), 0600) == 0);
    CHECK(has(why(agent.reader()), "manifest.json is no regular file"));
  }
  SUBCASE("another workload") {
    agent.put("shop/billing");
    CHECK(has(why(agent.reader()), "shop/billing"));
  }
  SUBCASE("no trust") {
    fs::remove(agent.trust());
    CHECK(has(why(agent.reader()), "trust.json"));
  }
  SUBCASE("another key's trust") {
    write(agent.trust(), bundle::Trust{{bundle::SigningKey::generate().public_key()}, {}}.to_json());
    CHECK(has(why(agent.reader()), "not signed by a trusted key"));
  }
  SUBCASE("a link that leads nowhere") {
    agent.point_to("revisions/none");
    CHECK(has(why(agent.reader()), "revisions/none cannot be opened"));
    CHECK(agent.reader().load().name == "none");
  }
}

TEST_CASE("a stamp changes with everything that could change the answer, and with nothing else") {
  Agent agent;
  const std::string first = agent.put();
  const BundleFolder reader = agent.reader();
  const BundleStamp before = reader.bundle_stamp();
  CHECK(reader.bundle_stamp() == before);
  CHECK(before.manifest.exists);
  SUBCASE("the link") {
    agent.put("shop/orders", "shop/q");
    CHECK_FALSE(reader.bundle_stamp() == before);
  }
  SUBCASE("the signature") {
    write(agent.revision(first) / "manifest.json.sig", "AAAA");
    CHECK_FALSE(reader.bundle_stamp() == before);
  }
  SUBCASE("the trust") {
    write(agent.trust(), "{}");
    CHECK_FALSE(reader.bundle_stamp() == before);
    CHECK_FALSE(reader.bundle_stamp().trust == before.trust);
  }
  SUBCASE("nothing at all there") {
    fs::remove_all(agent.folder());
    CHECK_FALSE(reader.bundle_stamp().manifest.exists);
    CHECK(reader.load().name == "current");
  }
}

TEST_CASE("fresh.json counts only with a signature that fits") {
  Agent agent;
  CHECK_FALSE(agent.reader().load_fresh());
  bundle::Fresh fresh;
  fresh.sources["keys"] = 1234;
  write(agent.folder() / "fresh.json", fresh.to_json());
  CHECK_FALSE(agent.reader().load_fresh());
  write(agent.folder() / "fresh.json.sig", base64_encode(agent.key().sign(fresh.to_json())));
  const auto loaded = agent.reader().load_fresh();
  REQUIRE(loaded);
  CHECK(*loaded == fresh);
  fresh.sources["keys"] = 1235;
  write(agent.folder() / "fresh.json", fresh.to_json());
  CHECK_FALSE(agent.reader().load_fresh());
}

TEST_CASE("a trust file is checked before nginx starts") {
  Agent agent;
  CHECK(check_trust_file(agent.trust()));
  CHECK_FALSE(check_trust_file("/nowhere"));
  write(agent.trust(), "{}");
  CHECK_FALSE(check_trust_file(agent.trust()));
  write(agent.trust(), "not json");
  CHECK_FALSE(check_trust_file(agent.trust()));
}
