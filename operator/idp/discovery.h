// The document of OpenID Connect Discovery 1.0, section 3, as far as keys need it.
#pragma once

#include <string>
#include <string_view>
#include <tl/expected.hpp>

#include "operator/idp/source.h"

namespace meshauth::idp {

struct DiscoveryDocument {
  std::string issuer;    ///< as written; Entra's holds a literal {tenantid}
  std::string jwks_uri;  ///< https
};

/// The fault is NotJson or DiscoveryFailed.
tl::expected<DiscoveryDocument, SourceFailure> parse_discovery(std::string_view json);

}  // namespace meshauth::idp
