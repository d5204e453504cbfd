// A manifest: within its limits, and what is read is read the same from its JSON, which is YAML too.
#include "operator/files/manifest.h"

#include <nlohmann/json.hpp>

#include "core/base/text.h"
#include "fuzz/check.h"

using namespace meshauth;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto documents = files::parse_manifests(fuzz::text_of(data, size), "input.yaml", {.nodes = 2000});
  if (!documents) {
    FUZZ_CHECK(documents.error().message.starts_with("input.yaml:"));
    return 0;
  }
  for (const auto& document : *documents) {
    FUZZ_CHECK(document.is_object());
    const auto again = files::parse_manifests(document.dump(), "again.yaml");
    FUZZ_CHECK(again && (document.empty() || (again->size() == 1 && again->front() == document)));
  }
  return 0;
}
