#include "core/bundle/documents.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/base/base64.h"
#include "core/base/json_doc.h"
#include "core/base/text.h"
#include "core/bundle/bundle.h"
#include "core/bundle/provider_json.h"

namespace meshauth::bundle {
namespace {
constexpr std::size_t kMaxFreshBytes = 256 * 1024;
}  // namespace

std::string write_jwks(const JwksFile& file) {
  nlohmann::json out;
  out["providers"] = nlohmann::json::array();
  auto providers = file.providers;
  std::sort(providers.begin(), providers.end(), [](const auto& a, const auto& b) { return a.id < b.id; });
  for (const ProviderSettings& provider : providers) out["providers"].push_back(provider_to_json(provider));
  out["sources"] = nlohmann::json::object();
  for (const auto& [id, set] : file.sources) {
    out["sources"][id] = nlohmann::json::parse(jose::to_json(set.keys));
    out["sources"][id]["ambiguousKids"] = set.ambiguous_kids;
  }
  return out.dump();
}

Result<JwksFile> read_jwks(std::string_view json) {
  const auto doc = JsonDoc::parse(json, {.bytes = kMaxBundleBytes});
  if (!doc) return fail("jwks.json is refused: {}", json_fault(doc.error()));
  simdjson::dom::array providers;
  simdjson::dom::object sources;
  if (doc->root()["providers"].get(providers) != simdjson::SUCCESS ||
      doc->root()["sources"].get(sources) != simdjson::SUCCESS) {
    return fail("jwks.json must have a list `providers` and an object `sources`");
  }
  JwksFile file;
  for (const auto item : providers) {
    auto provider = provider_from_json(item);
    if (!provider) return tl::unexpected(provider.error());
    file.providers.push_back(std::move(*provider));
  }
  for (const auto [id, set] : sources) {
    auto keys = jose::parse_key_set(simdjson::minify(set), {.bytes = kMaxBundleBytes});
    if (!keys) return fail("jwks.json: source {}: {}", in_quotes(id), keys.error().message);
    simdjson::dom::array ambiguous;
    if (set["ambiguousKids"].get(ambiguous) != simdjson::SUCCESS) {
      return fail("jwks.json: source {} has no list ambiguousKids", in_quotes(id));
    }
    for (const auto kid : ambiguous) {
      std::string_view text;
      if (kid.get(text) != simdjson::SUCCESS)
        return fail("jwks.json: source {}: ambiguousKids must hold strings", in_quotes(id));
      keys->ambiguous_kids.emplace_back(text);
    }
    file.sources.emplace(id, std::move(*keys));
  }
  return file;
}

std::string Fresh::to_json() const {
  nlohmann::json out;
  out["sources"] = nlohmann::json::object();
  for (const auto& [id, time] : sources) out["sources"][id] = time;
  return out.dump();
}

Result<Fresh> Fresh::parse(std::string_view json) {
  const auto doc = JsonDoc::parse(json, {.bytes = kMaxFreshBytes});
  if (!doc) return fail("fresh.json is refused: {}", json_fault(doc.error()));
  simdjson::dom::object sources;
  if (doc->root()["sources"].get(sources) != simdjson::SUCCESS) return fail("fresh.json has no object `sources`");
  Fresh fresh;
  for (const auto [id, time] : sources) {
    std::int64_t value = 0;
    if (time.get(value) != simdjson::SUCCESS) return fail("fresh.json: source {} has no unix time", in_quotes(id));
    fresh.sources.emplace(id, value);
  }
  return fresh;
}

void Fresh::merge(const Fresh& other) {
  for (const auto& [id, time] : other.sources) {
    auto& mine = sources[id];
    mine = std::max(mine, time);
  }
}

Result<Fresh> open_fresh(std::string_view json, std::string_view signature_base64, const Trust& trust) {
  const auto raw = signature_base64.size() <= kMaxSignatureText ? base64_decode(signature_base64) : std::nullopt;
  if (json.size() > kMaxFreshBytes || !raw || !trust.verifies(json, *raw)) {
    return fail("fresh.json is not signed by a trusted key");
  }
  return Fresh::parse(json);
}

}  // namespace meshauth::bundle
