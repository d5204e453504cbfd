#include "core/engine/resource_metadata.h"

#include <algorithm>
#include <set>

#include "core/base/text.h"
#include "core/bundle/documents.h"

namespace meshauth::engine {
namespace {

constexpr std::string_view kWellKnown = "/.well-known/oauth-protected-resource";

/// So that nginx finds it as it stands: nothing to decode, no dot segment, no empty one but the last.
bool is_plain(std::string_view path) {
  const auto plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("-._~/").find(c) != std::string_view::npos;
  };
  return std::all_of(path.begin(), path.end(), plain) && path.find("//") == std::string_view::npos &&
         path.find("/.") == std::string_view::npos;
}

/// A JSON string of printable ASCII, which issuers are.
std::string json_text(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

std::string list(const std::set<std::string>& texts) {
  std::string out;
  for (const std::string& text : texts) out += (out.empty() ? "" : ",") + json_text(text);
  return out;
}

}  // namespace

std::optional<ProtectedResource> protected_resource(std::string_view url) {
  const auto scheme = url.find("://");
  if (scheme == std::string_view::npos) return std::nullopt;
  const auto slash = url.find('/', scheme + 3);
  if (slash == std::string_view::npos) return std::nullopt;
  const auto path = url.substr(slash);
  if (!path.starts_with(kWellKnown)) return std::nullopt;
  const auto after = path.substr(kWellKnown.size());
  if (!after.empty() && (after.front() != '/' || !is_plain(after))) return std::nullopt;
  return ProtectedResource{fmt::format("{}{}", url.substr(0, slash), after), std::string(path)};
}

Result<std::string> resource_metadata(const ProtectedResource& resource, std::string_view jwks_json) {
  const auto file = bundle::read_jwks(jwks_json);
  if (!file) return tl::unexpected(file.error());
  std::set<std::string> issuers, methods;
  for (const ProviderSettings& provider : file->providers) {
    if (provider.issuer.find('{') == std::string::npos) issuers.insert(provider.issuer);
    for (const TokenSource& source : provider.token_sources) {
      if (source.header == "authorization") methods.insert("header");  // RFC 6750 section 2.1
    }
  }
  return fmt::format("{{\"resource\":{},\"authorization_servers\":[{}],\"bearer_methods_supported\":[{}]}}\n",
                     json_text(resource.identifier), list(issuers), list(methods));
}

}  // namespace meshauth::engine
