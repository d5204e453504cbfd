// The metadata of a protected resource: whose tokens it takes, for clients that know only its address (RFC 9728).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/base/result.h"

namespace meshauth::engine {

/// What a metadata URL says by its form (RFC 9728 section 3.1).
struct ProtectedResource {
  std::string identifier;  ///< https://app.test/orders
  std::string path;        ///< /.well-known/oauth-protected-resource/orders
};

/// nullopt: the document is somebody else's to serve, since the URL's path is not /.well-known/oauth-protected-resource
/// with nothing or a path of plain segments after it, or since it has a query.
std::optional<ProtectedResource> protected_resource(std::string_view url);

/// The document (RFC 9728 section 2): resource, authorization_servers, bearer_methods_supported. jwks_json: the
/// bundle's file, whose providers are the authorization servers; those of many tenants name no issuer and are left out.
Result<std::string> resource_metadata(const ProtectedResource& resource, std::string_view jwks_json);

}  // namespace meshauth::engine
