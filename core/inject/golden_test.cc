#include <doctest/doctest.h>
#include <yaml-cpp/yaml.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "core/inject/inject.h"

namespace meshauth::inject {
namespace {

using nlohmann::json;

/// As kubectl reads it, as far as these cases need: quoted scalars are strings.
json from_yaml(const YAML::Node& node) {
  if (node.IsMap()) {
    json out = json::object();
    for (const auto& entry : node) out[entry.first.as<std::string>()] = from_yaml(entry.second);
    return out;
  }
  if (node.IsSequence()) {
    json out = json::array();
    for (const auto& entry : node) out.push_back(from_yaml(entry));
    return out;
  }
  const json plain = json::parse(node.Scalar(), nullptr, false);
  return node.Tag() == "!" || plain.is_discarded() ? json(node.Scalar()) : plain;
}

std::string read(const std::filesystem::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

TEST_CASE("inject: golden pods; a second time changes nothing; the patch leads from one to the other") {
  int cases = 0;
  for (const auto& entry : std::filesystem::directory_iterator(MESH_AUTH_TESTDATA)) {
    CAPTURE(entry.path().string());
    const json in = from_yaml(YAML::LoadFile(entry.path() / "in.yaml"));
    Place place{"shop", {}, true, ""};
    const json labels = in.value("namespaceLabels", json::object());
    for (const auto& [name, value] : labels.items()) place.namespace_labels[name] = value;
    Settings with;
    with.image = "registry.example/mesh-auth/sidecar:1";
    with.native_sidecars = in.value("nativeSidecars", true);
    const json& before = in.at("pod");
    const auto once = inject(before, place, with);
    REQUIRE_MESSAGE(once, (once ? "" : once.error().message));
    REQUIRE(once->injected);
    const auto want = entry.path() / "want.json";
    if (std::getenv("UPDATE_GOLDEN") != nullptr) std::ofstream(want) << once->pod.dump(2) << '\n';
    CHECK(once->pod.dump(2) + "\n" == read(want));
    const auto twice = inject(once->pod, place, with);
    REQUIRE(twice);
    CHECK(twice->pod == once->pod);
    CHECK(patch_between(once->pod, twice->pod).empty());
    CHECK(before.patch(patch_between(before, once->pod)) == once->pod);
    ++cases;
  }
  CHECK(cases == 4);
}

}  // namespace meshauth::inject
