#include "operator/idp/discovery.h"

#include "core/base/json_doc.h"
#include "core/base/text.h"
#include "operator/http/url.h"

namespace meshauth::idp {
namespace {

constexpr JsonLimits kLimits{.bytes = 256 * 1024, .depth = 16};
constexpr std::size_t kMaxMember = 2048;

tl::unexpected<SourceFailure> failed(std::string message) {
  return tl::unexpected(SourceFailure{SourceFault::DiscoveryFailed, std::move(message), true});
}

tl::expected<std::string, SourceFailure> member(simdjson::dom::object document, std::string_view name) {
  std::string_view text;
  const auto error = document.at_key(name).get(text);
  if (error == simdjson::NO_SUCH_FIELD) return failed(fmt::format("the discovery document has no {}", name));
  if (error != simdjson::SUCCESS || text.empty() || text.size() > kMaxMember)
    return failed(fmt::format("{} of the discovery document must be a string of 1 to {} bytes", name, kMaxMember));
  return std::string(text);
}

}  // namespace

tl::expected<DiscoveryDocument, SourceFailure> parse_discovery(std::string_view json) {
  const auto document = JsonDoc::parse(json, kLimits);
  if (!document) {
    return tl::unexpected(
        SourceFailure{SourceFault::NotJson,
                      fmt::format("the discovery document is no JSON: {}", json_fault(document.error())), true});
  }
  simdjson::dom::object object;
  if (document->root().get(object) != simdjson::SUCCESS) return failed("the discovery document is no JSON object");
  auto issuer = member(object, "issuer");
  if (!issuer) return tl::unexpected(std::move(issuer.error()));
  auto jwks_uri = member(object, "jwks_uri");
  if (!jwks_uri) return tl::unexpected(std::move(jwks_uri.error()));
  const auto url = http::Url::parse(*jwks_uri);
  if (!url) return failed(fmt::format("jwks_uri of the discovery document: {}", url.error().message));
  if (!url->https)
    return failed(fmt::format("jwks_uri of the discovery document is {}, not https", in_quotes(*jwks_uri, 256)));
  return DiscoveryDocument{std::move(*issuer), std::move(*jwks_uri)};
}

}  // namespace meshauth::idp
