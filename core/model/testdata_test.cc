// The model refuses what the API server refuses: the objects in crds/testdata are given to both.
#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/model/access_policy.h"
#include "core/model/identity_provider.h"
#include "core/model/testing/manifests.h"

namespace meshauth::model {
namespace {

using nlohmann::json;

FieldErrors faults_of(const json& object) {
  if (object.value("kind", "") == "AccessPolicy") {
    const auto policy = parse_access_policy(object);
    return policy ? FieldErrors{} : policy.error();
  }
  const auto provider = parse_identity_provider(object);
  return provider ? FieldErrors{} : provider.error();
}

struct Case {
  std::string name, text;
  json object;
};

std::vector<Case> cases(const std::string& folder) {
  std::vector<Case> out;
  const std::filesystem::path root = std::filesystem::path(MESH_AUTH_SOURCE_DIR) / "crds/testdata" / folder;
  if (!std::filesystem::exists(root)) return out;
  for (const auto& entry : std::filesystem::directory_iterator(root)) {
    if (entry.path().extension() != ".yaml") continue;
    const std::string text = testing::read_text(entry.path());
    for (json& object : testing::read_yaml(text)) {
      out.push_back({folder + "/" + entry.path().filename().string(), text, std::move(object)});
    }
  }
  return out;
}

/// `# want: spec.rules[0].action` names a field: then a fault must be on it, or below it.
std::string wanted_field(const std::string& text) {
  constexpr std::string_view kMark = "# want: ";
  if (!text.starts_with(kMark)) return {};
  std::string want = text.substr(kMark.size(), text.find('\n') - kMark.size());
  if (want.starts_with("unknown field \"")) want = want.substr(15, want.size() - 16);
  if (const auto colon = want.find(':'); colon != std::string::npos) want.erase(colon);
  return want.starts_with("spec") && want.find(' ') == std::string::npos ? want : std::string();
}

}  // namespace

TEST_CASE("what the API server accepts, the model accepts") {
  const auto all = cases("accept");
  CHECK(all.size() >= 60);
  for (const Case& item : all) {
    CAPTURE(item.name);
    const auto faults = faults_of(item.object);
    CAPTURE(to_message(faults));
    CHECK(faults.empty());
  }
}

TEST_CASE("what the API server refuses, the model refuses, and names the same field") {
  const auto all = cases("refuse");
  CHECK(all.size() >= 200);
  for (const Case& item : all) {
    CAPTURE(item.name);
    const auto faults = faults_of(item.object);
    CAPTURE(to_message(faults));
    CHECK_FALSE(faults.empty());
    const std::string want = wanted_field(item.text);
    if (want.empty()) continue;
    CAPTURE(want);
    CHECK(std::any_of(faults.begin(), faults.end(),
                      [&](const FieldError& fault) { return fault.field.starts_with(want); }));
  }
}

TEST_CASE("what a schema cannot see, the model refuses") {
  for (const Case& item : cases("beyond")) {
    CAPTURE(item.name);
    CHECK_FALSE(faults_of(item.object).empty());
  }
}

TEST_CASE("every fault says what would be right, and shows no key") {
  for (const Case& item : cases("refuse")) {
    CAPTURE(item.name);
    for (const FieldError& fault : faults_of(item.object)) {
      CAPTURE(fault.field);
      CHECK(fault.message.size() > 20);
      CHECK(fault.message.find("PRIVATE") == std::string::npos);
      CHECK(fault.message.find("\"d\"") == std::string::npos);
    }
  }
}

}  // namespace meshauth::model
