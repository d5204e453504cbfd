// A manifest: within its limits, and what is read is read the same from its JSON, which is YAML too.
#include "operator/files/manifest.h"

#include <nlohmann/json.hpp>

#include "core/base/text.h"
#include "fuzz/check.h"

using namespace meshauth;

namespace {

/// YAML 1.2 section 7.4.2 lets a key in a flow map have 1024 characters, escapes counted.
bool has_long_key(const nlohmann::json& value) {
  if (!value.is_structured()) return false;
  for (const auto& [key, item] : value.items()) {
    if ((value.is_object() && nlohmann::json(key).dump().size() > 1000) || has_long_key(item)) return true;
  }
  return false;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto documents = files::parse_manifests(fuzz::text_of(data, size), "input.yaml", {.nodes = 2000});
  if (!documents) {
    FUZZ_CHECK(documents.error().message.starts_with("input.yaml:"));
    return 0;
  }
  for (const auto& document : *documents) {
    FUZZ_CHECK(document.is_object());
    if (has_long_key(document)) continue;
    const auto again = files::parse_manifests(document.dump(), "again.yaml");
    FUZZ_CHECK(again && (document.empty() || (again->size() == 1 && again->front() == document)));
  }
  return 0;
}
