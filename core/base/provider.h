// What a checkpoint must know of one identity provider to read and to judge its tokens: the effective settings, after
// the profile's defaults. The operator writes them into jwks.json, the sidecar and the command line read them there.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/base/algorithm.h"
#include "core/base/claim.h"
#include "core/base/duration.h"

namespace meshauth {

/// Where a token may be: in a header after a scheme ("Bearer TOKEN", the scheme's case ignored), in a header alone
/// (scheme empty), or in a cookie. Exactly one of header and cookie is set.
struct TokenSource {
  std::string header;  ///< lower case
  std::string scheme;
  std::string cookie;  ///< exact

  friend bool operator==(const TokenSource&, const TokenSource&) = default;
};

/// Where the token says who calls. subject: the claim; client: the first path that is there; scopes, groups, roles: all
/// paths together, where a string of scopes is split at spaces and a list gives its elements.
struct ClaimMappings {
  ClaimPath subject;
  std::vector<ClaimPath> client;
  std::vector<ClaimPath> scopes;
  std::vector<ClaimPath> groups;
  std::vector<ClaimPath> roles;

  friend bool operator==(const ClaimMappings&, const ClaimMappings&) = default;
};

struct ForwardedClaim {
  ClaimPath path;
  std::string header;  ///< as written in the resource, e.g. X-User-Email

  friend bool operator==(const ForwardedClaim&, const ForwardedClaim&) = default;
};

struct ProviderSettings {
  std::string id;      ///< namespace/name
  std::string issuer;  ///< compared byte for byte; where it holds {tenantid}, after putting claim `tid` in
  std::vector<std::string> issuer_aliases;
  std::vector<std::string> audiences;  ///< any of them
  ClaimPath audience_claim;            ///< a string or a list of strings
  AlgorithmSet algorithms;
  std::vector<std::string> token_types;  ///< lower case, without `application/`; "" is a missing typ
  std::vector<ClaimCondition> required_claims;
  Seconds clock_skew{30};
  std::optional<Seconds> max_token_lifetime;  ///< exp - iat; iat is then required
  std::vector<TokenSource> token_sources;
  ClaimMappings mappings;
  std::vector<ForwardedClaim> forward_claims;
  bool forward_token = true;         ///< false: the token is removed before the upstream
  std::string key_source;            ///< id of the key source; a provider sees the keys of no other
  std::optional<Seconds> max_stale;  ///< nullopt: never stale (inline keys)

  friend bool operator==(const ProviderSettings&, const ProviderSettings&) = default;
};

}  // namespace meshauth
