// One visit to a key source: the discovery document where there is one, then the key set.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

#include "core/base/result.h"
#include "operator/http/guarded_fetch.h"
#include "operator/idp/discovery.h"
#include "operator/idp/source.h"

namespace meshauth::idp {

/// The guarded fetch, or a test's.
using Fetch = std::function<tl::expected<http::FetchResponse, http::FetchError>(const http::FetchRequest& request,
                                                                                const std::stop_token& stop)>;
/// The body of GET /openid/v1/jwks of the connected API server.
using FetchClusterKeys = std::function<Result<std::string>(const std::stop_token& stop)>;

/// What earlier visits left, so that the next can ask with conditions (RFC 9110 section 13).
struct SourceMemory {
  struct Discovered {
    DiscoveryDocument document;
    std::string etag;
    std::chrono::steady_clock::time_point read;  ///< the document is used again until refresh_interval after this
  };
  std::optional<Discovered> discovered;
  std::shared_ptr<const jose::KeySet> keys;  ///< null: never fetched
  std::string jwks_uri;                      ///< of keys and etag
  std::string etag;
};

struct Visit {
  tl::expected<Fetched, SourceFailure> outcome;
  SourceMemory memory;                          ///< for the next visit; its keys change only with a good outcome
  std::optional<std::chrono::seconds> max_age;  ///< Cache-Control of the key set
  bool cancelled = false;                       ///< by the stop token; outcome says nothing then
};

struct Fetchers {
  Fetch fetch;
  FetchClusterKeys cluster_keys;
};

/// NotJson, SecretMaterial or KeySetInvalid: which kind of wrong a set is that jose::parse_key_set refused. The refusal
/// itself, and its message, are jose's.
SourceFault fault_of_refused_set(std::string_view json);

/// Pure but for the fetchers. A failure leaves the keys as they were, and makes the next visit read the discovery
/// document again.
Visit visit_source(const SourceSpec& spec, SourceMemory memory, std::chrono::steady_clock::time_point now,
                   const Fetchers& fetchers, const std::stop_token& stop);

}  // namespace meshauth::idp
