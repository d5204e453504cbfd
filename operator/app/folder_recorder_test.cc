#include "operator/app/folder_recorder.h"

#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>

#include "operator/controllers/testing.h"

namespace meshauth::app {
namespace {

namespace fs = std::filesystem;
using controllers::Kind;
using controllers::testing::FakeWorld;
using controllers::testing::json;
using controllers::testing::Operator;
using controllers::testing::policy_object;

/// A folder of its own, gone with it.
struct OutputFolder {
  std::string path = fs::temp_directory_path() / "mesh-auth-output-XXXXXX";
  OutputFolder() { REQUIRE(mkdtemp(path.data()) != nullptr); }
  ~OutputFolder() { fs::remove_all(path); }
};

TEST_CASE("a restart goes on counting from the statuses that it wrote, of policies that are still there") {
  const OutputFolder output;
  const auto nothing = [](const auto&, const auto&, const Status&) {};
  const json status{{"conditions", json::array()}, {"audit", {{"wouldDeny", 7}, {"wouldAllow", 1}}}};
  FolderRecorder(output.path, nothing).write_status(Kind::Policy, "shop/trial.one", status);
  FolderRecorder(output.path, nothing).write_status(Kind::Policy, "shop/gone", status);

  FakeWorld world;
  Operator next(world, bundle::SigningKey::generate());
  FolderRecorder(output.path, nothing).restore(next.controllers);
  next.put(policy_object("shop", "trial.one", "idp"));
  CHECK(world.statuses["shop/trial.one"]["audit"] == status["audit"]);
  next.put(policy_object("shop", "gone", "idp"));
  CHECK(world.statuses["shop/gone"]["audit"]["wouldDeny"] == 0);
}

}  // namespace
}  // namespace meshauth::app
