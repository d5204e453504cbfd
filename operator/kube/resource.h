// Kinds of the API that we use, and the requests about them: text only, no I/O.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace meshauth::kube {

/// A kind as the API names it. The views are literals.
struct Resource {
  std::string_view group;  ///< "" is the core group
  std::string_view version;
  std::string_view plural;
  std::string_view kind;
  bool namespaced = true;

  std::string api_version() const;
};

inline constexpr Resource kIdentityProviders{"meshauth.dev", "v1alpha1", "identityproviders", "IdentityProvider", true};
inline constexpr Resource kAccessPolicies{"meshauth.dev", "v1alpha1", "accesspolicies", "AccessPolicy", true};
inline constexpr Resource kConfigMaps{"", "v1", "configmaps", "ConfigMap", true};
inline constexpr Resource kSecrets{"", "v1", "secrets", "Secret", true};
inline constexpr Resource kPods{"", "v1", "pods", "Pod", true};
inline constexpr Resource kServices{"", "v1", "services", "Service", true};
inline constexpr Resource kNamespaces{"", "v1", "namespaces", "Namespace", false};
inline constexpr Resource kServiceAccounts{"", "v1", "serviceaccounts", "ServiceAccount", true};
inline constexpr Resource kEvents{"", "v1", "events", "Event", true};
inline constexpr Resource kLeases{"coordination.k8s.io", "v1", "leases", "Lease", true};
inline constexpr Resource kTokenReviews{"authentication.k8s.io", "v1", "tokenreviews", "TokenReview", false};
inline constexpr Resource kCustomResourceDefinitions{"apiextensions.k8s.io", "v1", "customresourcedefinitions",
                                                     "CustomResourceDefinition", false};

/// What a list or a watch covers. Selectors as `kubectl get -l` and `--field-selector` write them.
struct Selection {
  std::string ns{};  ///< empty: all namespaces
  std::string label_selector{};
  std::string field_selector{};
};

/// /apis/GROUP/VERSION[/namespaces/NS]/PLURAL
std::string collection_path(const Resource& resource, std::string_view ns);
/// The same with /NAME, and /SUBRESOURCE if there is one ("status").
std::string object_path(const Resource& resource, std::string_view ns, std::string_view name,
                        std::string_view subresource = {});

/// A page of a list. Without a continue token the list is a consistent read: resourceVersion stays unset, so that the
/// answer is at least as new as all that was written before (API concepts, "Resource versions").
std::string list_target(const Resource& resource, const Selection& selection, int limit,
                        std::string_view continue_token);

/// A watch with bookmarks from a resource version on; the server ends it after timeout_seconds.
std::string watch_target(const Resource& resource, const Selection& selection, std::string_view resource_version,
                         int timeout_seconds);

/// Everything but the unreserved characters of RFC 3986 section 2.3 percent-encoded.
std::string percent_encode(std::string_view text);

}  // namespace meshauth::kube
