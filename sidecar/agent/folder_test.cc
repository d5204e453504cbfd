#include "sidecar/agent/folder.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>

#include "core/base/base64.h"
#include "core/bundle/documents.h"
#include "sidecar/agent/testing/temporary.h"

namespace meshauth::agent {
namespace {

namespace fs = std::filesystem;
using testing::TemporaryFolder;

struct FolderFixture {
  TemporaryFolder place;
  bundle::SigningKey key = bundle::SigningKey::generate();
  bundle::Trust trust{{key.public_key()}, {}};
  BundleFolder folder = *BundleFolder::open(place.path());

  bundle::Bundle make(const std::string& policy, bundle::Epoch epoch = {1, 1}) const {
    auto made = bundle::make_bundle({{"auth.conf", "# a\n"}, {"jwks.json", "{}"}, {"policy.json", policy}},
                                    "shop/orders", epoch, key);
    REQUIRE(made);
    return *made;
  }
  std::string put(const bundle::Bundle& bundle) const {
    REQUIRE(folder.write(bundle));
    REQUIRE(folder.point(bundle.manifest.revision));
    return bundle.manifest.revision;
  }
  std::string current() const {
    const auto bundle = folder.current(trust, "shop/orders");
    return bundle && *bundle ? (*bundle)->manifest.revision : "";
  }
  std::string fresh(std::int64_t time) const { return bundle::Fresh{{{"a", time}, {"b", 5}}}.to_json(); }
  std::string sign(const std::string& text) const { return base64_encode(key.sign(text)); }
};

TEST_CASE("what was written and pointed to is read back, also by who opens the folder anew") {
  FolderFixture f;
  CHECK(f.current().empty());
  const auto one = f.put(f.make("{}"));
  CHECK(f.current() == one);
  const auto two = f.put(f.make(R"({"a":1})"));
  CHECK(f.current() == two);
  const auto again = BundleFolder::open(f.place.path());
  REQUIRE(again);
  CHECK((*again->current(f.trust, "shop/orders"))->manifest.revision == two);
}

TEST_CASE("a bundle that was changed on disk is an error, and writing it again heals it") {
  FolderFixture f;
  const auto bundle = f.make("{}");
  const auto revision = f.put(bundle);
  std::ofstream(f.place.path() + "/revisions/" + revision + "/policy.json") << R"({"allow":"all"})";
  CHECK(!f.folder.current(f.trust, "shop/orders"));
  REQUIRE(f.folder.write(bundle));
  CHECK(f.current() == revision);
}

TEST_CASE("a link that names another revision than its folder holds is an error") {
  FolderFixture f;
  const auto held = f.put(f.make("{}"));
  const std::string other(64, 'a');
  fs::rename(f.place.path() + "/revisions/" + held, f.place.path() + "/revisions/" + other);
  REQUIRE(f.folder.point(other));
  CHECK(!f.folder.current(f.trust, "shop/orders"));
}

TEST_CASE("the same revision under a newer epoch replaces its manifest") {
  FolderFixture f;
  f.put(f.make("{}", {1, 1}));
  f.put(f.make("{}", {2, 7}));
  CHECK((*f.folder.current(f.trust, "shop/orders"))->manifest.epoch == bundle::Epoch{2, 7});
}

TEST_CASE("another workload's bundle and another operator's are refused") {
  FolderFixture f;
  f.put(f.make("{}"));
  CHECK(!f.folder.current(f.trust, "shop/other"));
  const bundle::Trust stranger{{bundle::SigningKey::generate().public_key()}, {}};
  CHECK(!f.folder.current(stranger, "shop/orders"));
}

TEST_CASE("pruning keeps what is asked for and what is in force") {
  FolderFixture f;
  std::vector<std::string> revisions;
  for (int i = 0; i < 4; ++i) revisions.push_back(f.put(f.make("{\"a\":" + std::to_string(i) + "}")));
  REQUIRE(f.folder.point(revisions[0]));
  f.folder.prune(revisions[3], revisions[2]);
  const auto there = [&](int i) {
    return fs::exists(f.place.path() + "/revisions/" + revisions[static_cast<std::size_t>(i)]);
  };
  CHECK(there(0));
  CHECK(!there(1));
  CHECK(there(2));
  CHECK(there(3));
  f.folder.discard(revisions[0]);
  CHECK(there(0));  // it is in force
  f.folder.discard(revisions[2]);
  CHECK(!there(2));
  for (const std::string& other : {std::string(), "../../" + fs::path(f.place.path()).filename().string()}) {
    f.folder.discard(other);
  }
  CHECK(there(0));
}

TEST_CASE("without a link there is no bundle, and that is no error") {
  FolderFixture f;
  f.put(f.make("{}"));
  REQUIRE(f.folder.point(""));
  REQUIRE(f.folder.point(""));
  const auto bundle = f.folder.current(f.trust, "shop/orders");
  REQUIRE(bundle);
  CHECK(!*bundle);
}

TEST_CASE("the highest epoch is remembered, and a broken note of it is as none") {
  FolderFixture f;
  CHECK(f.folder.highest_epoch() == bundle::Epoch{});
  REQUIRE(f.folder.set_highest_epoch({3, 18446744073709551615U}));
  CHECK(BundleFolder::open(f.place.path())->highest_epoch() == bundle::Epoch{3, 18446744073709551615U});
  std::ofstream(f.place.path() + "/epoch.json") << "{";
  CHECK(f.folder.highest_epoch() == bundle::Epoch{});
}

TEST_CASE("fresh.json is taken if it is signed and something in it is newer") {
  FolderFixture f;
  const auto set = [&](const std::string& json) { return f.folder.set_fresh(json, f.sign(json), f.trust); };
  CHECK(set(f.fresh(10)).value() == true);
  CHECK(set(f.fresh(10)).value() == false);
  CHECK(set(f.fresh(9)).value() == false);
  CHECK(f.folder.fresh_json() == f.fresh(10));
  CHECK(set(f.fresh(11)).value() == true);
  const auto newer = f.fresh(12);
  {
    // Under the signature of the key that replaces ours: the same times are taken, older ones are not.
    const auto next = bundle::SigningKey::generate();
    const bundle::Trust both{{next.public_key(), f.trust.signing_keys.front()}, {}};
    const auto set_next = [&](const std::string& json) {
      return f.folder.set_fresh(json, base64_encode(next.sign(json)), both);
    };
    CHECK(set_next(f.fresh(10)).value() == false);
    CHECK(set_next(f.fresh(11)).value() == true);
    CHECK(set_next(f.fresh(11)).value() == false);
    // What is there is not trusted any more: anything that is may replace it.
    CHECK(f.folder.set_fresh(f.fresh(11), f.sign(f.fresh(11)), f.trust).value() == true);
  }
  CHECK(!f.folder.set_fresh(newer, f.sign("other"), f.trust));
  CHECK(f.folder.fresh_json() == f.fresh(11));
}

TEST_CASE("reading is bounded and says which file") {
  const TemporaryFolder place;
  std::ofstream(place.path() + "/big") << std::string(100, 'x');
  CHECK(read_file(place.path() + "/big", 100).has_value());
  CHECK(read_file(place.path() + "/big", 99).error().message == place.path() + "/big has over 99 bytes");
  CHECK(read_file(place.path() + "/none", 99).error().message.starts_with(place.path() + "/none cannot be read"));
}

}  // namespace
}  // namespace meshauth::agent
