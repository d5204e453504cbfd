// What the operator keeps in its own namespace, and asks of the API server besides objects.
#pragma once

#include <optional>
#include <set>
#include <string>

#include "operator/app/mesh_keys.h"
#include "operator/controllers/controllers.h"
#include "operator/fleet/authenticator.h"
#include "operator/kube/api_client.h"

namespace meshauth::app {

inline constexpr std::string_view kKeysSecret = "mesh-auth-keys";
/// Of that Secret. A person asks for new keys: signing-key, ca or all; the operator takes it away when it has begun.
inline constexpr std::string_view kRotateAnnotation = "meshauth.dev/rotate";
/// Of that Secret: since when its signing key is used (RFC 3339); where it is missing, the Secret's own age counts.
inline constexpr std::string_view kSigningMadeAnnotation = "meshauth.dev/signing-key-since";

/// Secret mesh-auth-keys: as it is, or made now. Errors: the right to it is missing; it is incomplete.
Result<MeshKeys> keys_in_secret(const kube::ApiClient& api, const std::string& ns,
                                std::chrono::seconds authority_lifetime);
/// What the Secret holds. Errors: as above.
Result<MeshKeys> keys_of_secret(const nlohmann::json& secret);

/// Gives back what an earlier run recorded: key sources (in `ns`) first, then bundles (in the watched namespaces; none
/// named: in all).
Status restore_records(const kube::ApiClient& api, const std::string& ns, const std::set<std::string>& watched,
                       controllers::Controllers& controllers);

/// TokenReview (authentication.k8s.io/v1) with audience `mesh-auth`.
Result<std::optional<fleet::ReviewedToken>> review_token(const kube::ApiClient& api, std::string_view token);

/// The resources' kinds are installed, and none is older than this program: an error says which is not, and how to mend
/// it.
Status check_crds(const kube::ApiClient& api);
/// What check_crds would say, "" for nothing; errors: what the API server said.
Result<std::string> unfit_crds(const kube::ApiClient& api);

}  // namespace meshauth::app
