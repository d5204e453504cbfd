// The mesh's own keys are replaced under a running agent: the real program, nginx, our module and a fleet server.
#include <doctest/doctest.h>
#include <signal.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "core/base/digest.h"
#include "sidecar/agent/folder.h"
#include "sidecar/agent/testing/fixture.h"

namespace meshauth::agent {
namespace {

namespace fs = std::filesystem;
using testing::Fixture;
using testing::open_paths;

struct KeyFixture : Fixture {
  using Fixture::Fixture;

  void trust(const std::vector<bundle::SigningKey>& keys) const {
    bundle::Trust trust{{}, {fleet.authority.certificate_pem}};
    for (const auto& key : keys) trust.signing_keys.push_back(key.public_key());
    const std::string file = fleet.trust_file();
    std::ofstream(file + ".new") << trust.to_json();
    fs::rename(file + ".new", file);
  }
  /// The agent has said that it trusts these and runs what `by` signed.
  bool await_told(const std::vector<bundle::SigningKey>& keys, const bundle::SigningKey& by) {
    bundle::TrustReport wanted{{}, {sha256_hex(fleet.authority.certificate_pem)}, sha256_hex(by.public_key())};
    for (const auto& key : keys) wanted.signing_keys.push_back(sha256_hex(key.public_key()));
    return fleet.reports.await([&](const bundle::Report& report) { return report.trust == wanted; }).has_value();
  }
  bool await_signed_by(const bundle::SigningKey& key) const {
    const auto end = std::chrono::steady_clock::now() + testing::kPatience;
    while (std::chrono::steady_clock::now() < end) {
      const bundle::Trust only{{key.public_key()}, {}};
      if (read_bundle(program.bundle_dir() + "/current", only, "shop/orders")) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    return false;
  }
};

TEST_CASE_FIXTURE(KeyFixture, "the key that signs is replaced: the operator hears each step, and nothing is reloaded") {
  const auto old = fleet.key, next = bundle::SigningKey::generate();
  program.start();
  const auto first = publish(open_paths({"/a"}));
  CHECK(await_told({old}, old));
  const auto workers = program.worker_pids();

  trust({old, next});
  REQUIRE(await_told({old, next}, old));

  fleet.publish(bundle::sign_anew(*fleet.published, next));
  trust({next, old});
  REQUIRE(await_told({next, old}, next));
  CHECK(program.current_revision() == first.revision);

  trust({next});
  REQUIRE(await_told({next}, next));
  CHECK(status("/a") == 200);
  CHECK(status("/b") == 403);
  CHECK(program.worker_pids() == workers);

  // Workers that start now read the folder with the trust of now, and so does the agent itself.
  fleet.stop();
  const int nginx = program.nginx_pid();
  ::kill(nginx, SIGKILL);
  REQUIRE(program.await_new_nginx(nginx));
  CHECK(program.await_status(200, "/a"));
  CHECK(program.stop(SIGTERM) == 0);
  program.start();
  CHECK(program.await_status(200, "/a"));

  // What the old key signs is refused from now on, what the new one signs is taken.
  fleet.start();
  const auto forged = fleet.publish(open_paths({"/b"}));
  CHECK(fleet.await_ack(forged, bundle::Outcome::Refused));
  CHECK(status("/b") == 403);
  fleet.key = next;
  publish(open_paths({"/c"}));
  CHECK(status("/c") == 200);
}

TEST_CASE("an agent that is cut off takes the same revision under the new key's signature from the mounted folder") {
  const testing::TemporaryFolder mounted;
  KeyFixture f({"--fallback-dir=" + mounted.path()});
  const auto old = f.fleet.key, next = bundle::SigningKey::generate();
  const auto mount = [&](const bundle::Bundle& bundle) {
    for (const auto& [file, content] : bundle.files) std::ofstream(mounted.path() + "/" + file) << content;
    std::ofstream(mounted.path() + "/manifest.json") << bundle.manifest_json;
    std::ofstream(mounted.path() + "/manifest.json.sig") << bundle.signature;
  };
  f.program.start();
  f.publish(open_paths({"/a"}));
  const auto bundle = *f.fleet.published;
  mount(bundle);
  f.fleet.stop();
  mount(bundle::sign_anew(bundle, next));  // not trusted yet
  f.trust({old, next});                    // now it is, but the one in use is the better one
  CHECK(f.program.await_status(200, "/a"));
  CHECK(f.await_signed_by(old));
  f.trust({next, old});
  CHECK(f.await_signed_by(next));
  f.trust({next});
  CHECK(f.program.stop(SIGTERM) == 0);
  f.program.start();
  CHECK(f.program.await_status(200, "/a"));
}

}  // namespace
}  // namespace meshauth::agent
