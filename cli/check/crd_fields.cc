#include "cli/check/crd_fields.h"

#include <nlohmann/json.hpp>

#include "cli/check/json_at.h"
#include "operator/files/manifest.h"

namespace meshauth::cli::check {
namespace {

using nlohmann::json;

constexpr int kMostDepth = 32;

void collect(const json& schema, const std::string& name, int depth, Fields& out) {
  if (depth > kMostDepth) return;
  if (!name.empty()) out.insert(name);
  const json& properties = at(schema, {"properties"});
  if (properties.is_object()) {
    for (const auto& [member, inner] : properties.items()) {
      collect(inner, name.empty() ? member : name + "." + member, depth + 1, out);
    }
  }
  if (const json& items = at(schema, {"items"}); items.is_object()) collect(items, name + "[]", depth + 1, out);
  if (const json& any = at(schema, {"additionalProperties"}); any.is_object())
    collect(any, name + "{}", depth + 1, out);
}

}  // namespace

Fields fields_of(const json& crd) {
  const json& version = entry_at(crd, {"spec", "versions"}, "name", kVersion);
  Fields out;
  for (const char* half : {"spec", "status"}) {
    collect(at(version, {"schema", "openAPIV3Schema", "properties", half}), half, 0, out);
  }
  return out;
}

const std::map<std::string, Fields>& our_fields() {
  static const std::map<std::string, Fields> ours = [] {
    std::map<std::string, Fields> out;
    for (const std::string_view text : kOurCrds) {
      const auto objects = files::parse_manifests(text, "crds");
      if (!objects) continue;  // a test sees that both are there
      for (const json& crd : *objects) out[text_at(crd, {"metadata", "name"})] = fields_of(crd);
    }
    return out;
  }();
  return ours;
}

}  // namespace meshauth::cli::check
