// The program itself, with a real fleet server, and with the folder in which the cluster brings it its bundle.
#include <doctest/doctest.h>

#include <chrono>
#include <filesystem>
#include <fstream>

#include "core/base/base64.h"
#include "sidecar/agent/testing/fixture.h"

namespace meshauth::agent {
namespace {

namespace fs = std::filesystem;
using bundle::Outcome;
using testing::Fixture;
using testing::open_paths;

/// As kubelet mounts a ConfigMap: files are links through ..data, which is swapped.
struct Mounted {
  const std::string& path() const { return folder.path(); }
  void swap(const bundle::Bundle& bundle) {
    const auto name = ".." + std::to_string(++swaps);
    const auto made = path() + "/" + name;
    fs::create_directory(made);
    auto files = bundle.files;
    files["manifest.json"] = bundle.manifest_json;
    files["manifest.json.sig"] = bundle.signature;
    for (const auto& [file, content] : files) {
      std::ofstream(made + "/" + file) << content;
      if (!fs::is_symlink(path() + "/" + file)) fs::create_symlink("..data/" + file, path() + "/" + file);
    }
    fs::create_symlink(name, path() + "/..data_tmp");
    fs::rename(path() + "/..data_tmp", path() + "/..data");
  }

  testing::TemporaryFolder folder;
  int swaps = 0;
};

TEST_CASE("with the operator gone the mounted folder is taken, if it is newer") {
  Mounted mounted;
  const auto mount = [&](const bundle::Bundle& bundle) { mounted.swap(bundle); };
  Fixture f({"--fallback-dir=" + mounted.path()});
  const auto old = f.fleet.make(open_paths({"/old"}));
  f.program.start();
  f.publish(open_paths({"/now"}));
  mount(old);
  f.fleet.stop();
  const auto next = f.fleet.make(open_paths({"/next"}));
  mount(next);
  CHECK(f.program.await_status(200, "/next"));
  CHECK(f.program.await_status(403, "/now"));  // by the other worker too
  mount(old);
  mount(f.fleet.make(open_paths({"/last"})));
  CHECK(f.program.await_status(200, "/last"));
  CHECK(f.status("/old") == 403);
}

TEST_CASE("a stream that is up and brings nothing does not keep the mounted folder out") {
  Mounted mounted;
  Fixture f({"--fallback-dir=" + mounted.path()});
  f.fleet.stop();
  f.fleet.start(std::chrono::hours(1));  // not even a ping: as if every packet was dropped
  f.program.start();
  const auto old = f.fleet.make(open_paths({"/old"}));
  f.publish(open_paths({"/now"}));
  const auto connects = f.fleet.connects.count();

  const auto next = f.fleet.make(open_paths({"/next"}));
  const auto began = std::chrono::steady_clock::now();
  mounted.swap(next);
  CHECK(f.program.await_status(200, "/next"));
  const auto took = std::chrono::steady_clock::now() - began;
  CHECK(took >= std::chrono::seconds(1));                              // the stream has its time first
  CHECK(took < std::chrono::seconds(10));                              // it would count as silent after 45 s
  CHECK(f.fleet.await_ack(next.manifest.revision, Outcome::Applied));  // by every worker
  CHECK(f.status("/now") == 403);
  CHECK(f.fleet.connects.count() == connects);

  // Neither what is older nor what is not signed comes in; what is newer then does, and the stream goes on.
  mounted.swap(old);
  const auto forged =
      bundle::make_bundle(open_paths({"/forged"}), "shop/orders", {9, 9}, bundle::SigningKey::generate());
  mounted.swap(*forged);
  const auto last = f.fleet.make(open_paths({"/last"}));
  mounted.swap(last);
  CHECK(f.program.await_status(200, "/last"));
  mounted.swap(*forged);
  f.publish(open_paths({"/by-stream"}));
  mounted.swap(last);
  f.publish(open_paths({"/by-stream", "/too"}));
  CHECK(f.status("/by-stream") == 200);
  for (const char* path : {"/old", "/forged", "/last"}) CHECK(f.status(path) == 403);
}

TEST_CASE("while a stream is up an older or unsigned folder is left alone, for as long as it lies there") {
  Mounted mounted;
  Fixture f({"--fallback-dir=" + mounted.path()});
  f.program.start();
  const auto old = f.fleet.make(open_paths({"/old"}));
  const auto now = f.publish(open_paths({"/now"}));
  const auto forged =
      bundle::make_bundle(open_paths({"/forged"}), "shop/orders", {9, 9}, bundle::SigningKey::generate());
  for (const auto& bundle : {*forged, old}) {
    mounted.swap(bundle);
    const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(1500);
    while (std::chrono::steady_clock::now() < until) {
      CHECK(f.status("/now") == 200);
      CHECK(f.status("/forged") == 403);
      CHECK(f.status("/old") == 403);
    }
  }
  CHECK(f.program.current_revision() == now.revision);
}

/// Rightly signed, of an operator that is newer than this agent may be.
bundle::Bundle of_next_format(bundle::Bundle bundle, const bundle::SigningKey& key) {
  const std::string ours = R"("formatVersion":1)";
  const auto at = bundle.manifest_json.find(ours);
  REQUIRE(at != std::string::npos);
  bundle.manifest_json.replace(at, ours.size(), R"("formatVersion":2)");
  bundle.signature = base64_encode(key.sign(bundle.manifest_json));
  return bundle;
}

TEST_CASE(
    "a bundle of a newer format is refused by its version, by stream and by folder, and the one in force goes on") {
  Mounted mounted;
  Fixture f({"--fallback-dir=" + mounted.path()});
  f.program.start();
  const auto good = f.publish(open_paths({"/a"}));
  const auto next = of_next_format(f.fleet.make(open_paths({"/b"})), f.fleet.key);
  const auto goes_on = [&] {
    CHECK(f.program.health("/readyz").status == 200);
    CHECK(f.program.current_revision() == good.revision);
    CHECK(f.status("/a") == 200);
    CHECK(f.status("/b") == 403);
  };
  const auto ack = f.fleet.await_ack(f.fleet.publish(next), Outcome::Refused);
  REQUIRE(ack);
  CHECK(ack->detail.find("format version 2; this program reads version 1") != std::string::npos);
  goes_on();

  f.fleet.stop();
  mounted.swap(next);
  CHECK(f.program.await_log("the mounted bundle is not used"));
  const auto log = f.program.log();
  CHECK(log.find("format version 2", log.find("the mounted bundle is not used")) != std::string::npos);
  goes_on();

  // And the way on is open.
  mounted.swap(f.fleet.make(open_paths({"/c"})));
  CHECK(f.program.await_status(200, "/c"));
}

}  // namespace
}  // namespace meshauth::agent
