#include "core/jose/identity.h"

#include <iterator>

#include "core/base/text.h"

namespace meshauth::jose {
namespace {

using simdjson::dom::element;

std::string text_at(element claims, const ClaimPath& path) {
  if (path.empty()) return {};
  const auto claim = find_claim(claims, path);
  return claim ? claim_text(*claim).value_or("") : "";
}

void append_words(std::string_view text, std::vector<std::string>& out) {
  const auto words = split(text, ' ');
  out.reserve(out.size() + words.size());
  for (const std::string_view word : words) {
    if (!word.empty()) out.emplace_back(word);
  }
}

std::vector<std::string> list_at(element claims, const std::vector<ClaimPath>& paths, bool split_text) {
  std::vector<std::string> out;
  for (const ClaimPath& path : paths) {
    const auto claim = find_claim(claims, path);
    if (!claim) continue;
    std::string_view text;
    if (split_text && claim->get(text) == simdjson::SUCCESS) {
      append_words(text, out);
    } else {
      auto values = claim_texts(*claim);
      if (out.empty()) {
        out = std::move(values);
      } else {
        std::move(values.begin(), values.end(), std::back_inserter(out));
      }
    }
  }
  return out;
}

}  // namespace

Identity map_claims(const ClaimMappings& mappings, element claims, std::size_t provider) {
  Identity out;
  out.provider = provider;
  out.subject = text_at(claims, mappings.subject);
  for (const ClaimPath& path : mappings.client) {
    out.client = text_at(claims, path);
    if (!out.client.empty()) break;
  }
  out.scopes = list_at(claims, mappings.scopes, true);
  out.groups = list_at(claims, mappings.groups, false);
  out.roles = list_at(claims, mappings.roles, false);
  return out;
}

}  // namespace meshauth::jose
