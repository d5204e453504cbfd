// What the vendors' products do, so that a resource need not say it: the defaults that a profile sets.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/provider.h"
#include "core/model/identity_provider.h"

namespace meshauth::model {

/// Values for the fields that a resource leaves out.
struct ProfileDefaults {
  std::vector<std::string> issuer_aliases;
  ClaimPath audience_claim;
  std::vector<std::string> token_types;  ///< as ProviderSettings has them
  std::vector<ClaimCondition> required_claims;
  std::vector<TokenSource> token_sources;
  ClaimMappings mappings;
};

ProfileDefaults defaults_of(Profile profile, std::string_view issuer);

/// The resource's spelling ("okta"); "" for Generic.
std::string_view profile_name(Profile profile) noexcept;

/// OpenID Connect Discovery 1.0 section 4: the issuer without a slash at its end, then the well-known path. Entra: an
/// issuer with {tenantid} is described by the document of `common`; the issuer of version 1.0 (sts.windows.net) is a
/// name alone, its documents are at login.microsoftonline.com.
std::string default_discovery_url(std::string_view issuer, Profile profile);

}  // namespace meshauth::model
