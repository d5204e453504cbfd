#include "operator/idp/key_fetch.h"

#include <algorithm>
#include <array>

#include "core/base/json_doc.h"
#include "core/base/text.h"

namespace meshauth::idp {
namespace {

using http::FetchFault;
using Failed = tl::unexpected<SourceFailure>;

constexpr JsonLimits kKeySetJson{.bytes = 1024 * 1024, .depth = 32};

Failed failed(SourceFault fault, std::string message) {
  return Failed(SourceFailure{fault, std::move(message), false});
}

/// Cancelled has no fault of its own: nobody is told of a fetch that a shutdown ended.
SourceFault to_source_fault(FetchFault fault) {
  switch (fault) {
    case FetchFault::UrlInvalid:
    case FetchFault::HttpRefused:
      return SourceFault::UrlInvalid;
    case FetchFault::CaInvalid:
      return SourceFault::CaInvalid;
    case FetchFault::ResolveFailed:
      return SourceFault::ResolveFailed;
    case FetchFault::AddressRefused:
      return SourceFault::AddressRefused;
    case FetchFault::ConnectFailed:
      return SourceFault::ConnectFailed;
    case FetchFault::CertificateRefused:
    case FetchFault::TlsFailed:
      return SourceFault::TlsFailed;
    case FetchFault::HeaderTooLarge:
    case FetchFault::BodyTooLarge:
      return SourceFault::TooLarge;
    case FetchFault::RedirectRefused:
    case FetchFault::TooManyRedirects:
      return SourceFault::RedirectRefused;
    case FetchFault::TimedOut:
    case FetchFault::Cancelled:
      return SourceFault::Timeout;
    case FetchFault::ConnectionLost:
    case FetchFault::ResponseInvalid:
    case FetchFault::EncodingRefused:
      return SourceFault::ResponseInvalid;
    case FetchFault::Internal:
      break;
  }
  return SourceFault::Internal;
}

std::string name_unusable(const jose::KeySet& set) {
  constexpr std::size_t kMost = 5;
  std::string text;
  const auto add = [&](std::string_view kid, std::string_view why) {
    text += fmt::format("{}{}: {}", text.empty() ? " (" : "; ", in_quotes(kid), why);
  };
  for (std::size_t i = 0; i < set.skipped.size() && i < kMost; ++i) add(set.skipped[i].kid, set.skipped[i].reason);
  for (std::size_t i = 0; i < set.ambiguous_kids.size() && i < kMost; ++i)
    add(set.ambiguous_kids[i], "two different keys have this kid");
  return text.empty() ? " (it is empty)" : text + ")";
}

tl::expected<std::shared_ptr<const jose::KeySet>, SourceFailure> read_keys(const std::string& body,
                                                                           const std::string& from,
                                                                           const std::string& content_type) {
  auto set = jose::parse_key_set(body);
  if (!set) {
    const SourceFault fault = fault_of_refused_set(body);
    const std::string type = fault == SourceFault::NotJson && !content_type.empty()
                                 ? fmt::format(" (content type {})", in_quotes(content_type))
                                 : "";
    return failed(fault, fmt::format("the key set of {} is refused: {}{}", from, set.error().message, type));
  }
  if (set->keys.empty())
    return failed(SourceFault::NoUsableKeys,
                  fmt::format("the key set of {} holds no key that can verify a token{}", from, name_unusable(*set)));
  return std::make_shared<const jose::KeySet>(std::move(*set));
}

/// Several steps of one visit share all of this.
class Visitor {
 public:
  Visitor(const SourceSpec& spec, Visit& visit, std::chrono::steady_clock::time_point now, const Fetchers& fetchers,
          const std::stop_token& stop)
      : spec_(spec), visit_(visit), now_(now), fetchers_(fetchers), stop_(stop) {}

  tl::expected<Fetched, SourceFailure> run() {
    if (spec_.kind == SourceKind::ClusterKeys) return fetch_cluster_keys();
    if (spec_.kind == SourceKind::JwksUri) return fetch_keys(spec_.url);
    if (auto read = read_discovery(); !read) {
      read.error().in_discovery = true;
      return Failed(std::move(read.error()));
    }
    const DiscoveryDocument document = visit_.memory.discovered->document;
    auto fetched = fetch_keys(document.jwks_uri);
    if (fetched) fetched->discovered_issuer = document.issuer;
    return fetched;
  }

 private:
  tl::expected<http::FetchResponse, SourceFailure> get(const std::string& url, const std::string& etag) {
    http::FetchRequest request;
    request.url = url;
    request.ca_bundle = spec_.ca_bundle;
    request.if_none_match = etag;
    auto response = fetchers_.fetch(request, stop_);
    if (!response) {
      visit_.cancelled = response.error().fault == FetchFault::Cancelled;
      return failed(to_source_fault(response.error().fault), std::move(response.error().message));
    }
    // A 304 without a condition says nothing.
    if (response->status == 200 || (response->status == 304 && !etag.empty())) return std::move(*response);
    return failed(SourceFault::HttpStatus, fmt::format("{} answered {}, not 200", url, response->status));
  }

  tl::expected<void, SourceFailure> read_discovery() {
    if (auto read = refresh_discovery(); !read) return read;
    const std::string& issuer = visit_.memory.discovered->document.issuer;
    if (spec_.issuers.empty() || std::find(spec_.issuers.begin(), spec_.issuers.end(), issuer) != spec_.issuers.end())
      return {};
    return failed(SourceFault::IssuerMismatch, mismatch(issuer));
  }

  tl::expected<void, SourceFailure> refresh_discovery() {
    auto& known = visit_.memory.discovered;
    if (known && now_ - known->read < spec_.refresh_interval) return {};
    auto response = get(spec_.url, known ? known->etag : "");
    if (!response) return Failed(std::move(response.error()));
    if (response->status == 304) {
      known->read = now_;
      return {};
    }
    auto document = parse_discovery(response->body);
    if (!document) {
      document.error().message = fmt::format("{}: {}", spec_.url, document.error().message);
      return Failed(std::move(document.error()));
    }
    known = SourceMemory::Discovered{std::move(*document), std::move(response->etag), now_};
    return {};
  }

  std::string mismatch(const std::string& found) const {
    std::string wanted;
    for (const std::string& issuer : spec_.issuers) wanted += (wanted.empty() ? "" : " or ") + in_quotes(issuer, 256);
    return fmt::format(
        "the discovery document {} is of issuer {}; spec.issuer is {}, and both must be equal byte for byte", spec_.url,
        in_quotes(found, 256), wanted);
  }

  tl::expected<Fetched, SourceFailure> fetch_keys(const std::string& uri) {
    SourceMemory& memory = visit_.memory;
    const bool conditional = memory.keys != nullptr && memory.jwks_uri == uri;
    auto response = get(uri, conditional ? memory.etag : "");
    if (!response) return Failed(std::move(response.error()));
    visit_.max_age = response->max_age;
    if (response->status == 304) {
      return Fetched{
          .keys = memory.keys, .discovered_issuer = "", .jwks_uri = uri, .etag = memory.etag, .not_modified = true};
    }
    auto keys = read_keys(response->body, uri, response->content_type);
    if (!keys) return Failed(std::move(keys.error()));
    return remember(std::move(*keys), uri, std::move(response->etag));
  }

  tl::expected<Fetched, SourceFailure> fetch_cluster_keys() {
    if (!fetchers_.cluster_keys)
      return failed(SourceFault::ClusterFailed, "there is no cluster to take keys from; profile kubernetes needs one");
    const auto body = fetchers_.cluster_keys(stop_);
    visit_.cancelled = stop_.stop_requested();
    if (!body) return failed(SourceFault::ClusterFailed, "the cluster's own keys: " + body.error().message);
    auto keys = read_keys(*body, "the API server", "");
    if (!keys) return Failed(std::move(keys.error()));
    return remember(std::move(*keys), "", "");
  }

  Fetched remember(std::shared_ptr<const jose::KeySet> keys, const std::string& uri, std::string etag) {
    SourceMemory& memory = visit_.memory;
    memory.keys = std::move(keys);
    memory.jwks_uri = uri;
    memory.etag = std::move(etag);
    return {.keys = memory.keys, .discovered_issuer = "", .jwks_uri = uri, .etag = memory.etag, .not_modified = false};
  }

  const SourceSpec& spec_;
  Visit& visit_;
  std::chrono::steady_clock::time_point now_;
  const Fetchers& fetchers_;
  const std::stop_token& stop_;
};

}  // namespace

SourceFault fault_of_refused_set(std::string_view json) {
  constexpr std::array kSecretMembers = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"};  // RFC 7518 section 6
  const auto document = JsonDoc::parse(json, kKeySetJson);
  if (!document) return SourceFault::NotJson;
  simdjson::dom::array keys;
  if (document->root().at_key("keys").get(keys) != simdjson::SUCCESS) return SourceFault::KeySetInvalid;
  for (const simdjson::dom::element key : keys) {
    simdjson::dom::object members;
    if (key.get(members) != simdjson::SUCCESS) continue;
    std::string_view kty;
    const bool symmetric = members.at_key("kty").get(kty) == simdjson::SUCCESS && kty == "oct";
    const bool secret = std::any_of(kSecretMembers.begin(), kSecretMembers.end(), [&](const char* name) {
      return members.at_key(name).error() == simdjson::SUCCESS;
    });
    if (symmetric || secret) return SourceFault::SecretMaterial;
  }
  return SourceFault::KeySetInvalid;
}

Visit visit_source(const SourceSpec& spec, SourceMemory memory, std::chrono::steady_clock::time_point now,
                   const Fetchers& fetchers, const std::stop_token& stop) {
  Visit visit;
  visit.memory = std::move(memory);
  visit.outcome = Visitor(spec, visit, now, fetchers, stop).run();
  // The cause may be that the provider moved its keys, or became another issuer: look at the document again.
  if (!visit.outcome) visit.memory.discovered.reset();
  return visit;
}

}  // namespace meshauth::idp
