// IdentityProvider meshauth.dev/v1alpha1 as a value: whatever exists here was valid.
#pragma once

#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <tl/expected.hpp>
#include <variant>
#include <vector>

#include "core/base/provider.h"
#include "core/model/meta.h"

namespace meshauth::model {

enum class Profile : std::uint8_t { Generic, Okta, Auth0, Cognito, Entra, Keycloak, Google, Kubernetes, Dex };

/// A label selector (metav1.LabelSelector), matchExpressions operators In, NotIn, Exists, DoesNotExist.
struct LabelSelector {
  struct Expression {
    std::string key, op;
    std::vector<std::string> values;
    friend bool operator==(const Expression&, const Expression&) = default;
  };
  std::map<std::string, std::string> match_labels;
  std::vector<Expression> match_expressions;
  bool matches(const std::map<std::string, std::string>& labels) const;
  friend bool operator==(const LabelSelector&, const LabelSelector&) = default;
};

/// Whose policies may refer to the provider.
struct AllowedNamespaces {
  enum class From : std::uint8_t { Same, All, Selector } from = From::Same;
  LabelSelector selector;
};

// Where the keys come from.
struct Discovery {
  std::string url;  ///< the document; its issuer must equal ours
};
struct JwksUri {
  std::string uri;
};
struct InlineJwks {
  std::string jwks;  ///< JSON text of the set
};
struct ClusterKeys {};  ///< profile kubernetes: from the connected API server, by the API client
using KeyOrigin = std::variant<Discovery, JwksUri, InlineJwks, ClusterKeys>;

struct Rotation {
  Seconds refresh_interval{300};
  Seconds min_refetch_interval{30};
  Seconds overlap{0};  ///< how long a key that left the set goes on verifying
  Seconds max_stale{86400};
};

struct IdentityProvider {
  Meta meta;
  Profile profile = Profile::Generic;
  ProviderSettings settings;  ///< effective; key_source is set
  AllowedNamespaces allowed_namespaces;
  KeyOrigin keys;
  std::string ca_bundle;  ///< PEM, empty: the system's
  Rotation rotation;
};

/// Reads one API object (apiVersion, kind, metadata, spec). All that is wrong is told at once.
tl::expected<IdentityProvider, FieldErrors> parse_identity_provider(const nlohmann::json& object);

/// May a policy in namespace `ns`, whose labels are given, refer to it?
bool shared_with(const IdentityProvider& provider, const std::string& ns,
                 const std::map<std::string, std::string>& namespace_labels);

/// Id of the key source: 40 hex digits of the SHA-256 over kind, URL and CA bundle (two providers that name the same
/// URL as discovery document and as key set do not share one), or over the provider's id for an inline set;
/// "kubernetes" for the cluster's.
std::string key_source_id(const KeyOrigin& keys, std::string_view ca_bundle, std::string_view provider_id);

}  // namespace meshauth::model
