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

/// Secret mesh-auth-keys: as it is, or made now. Errors: the right to it is missing; it is incomplete.
Result<MeshKeys> keys_in_secret(const kube::ApiClient& api, const std::string& ns);

/// Gives back what an earlier run recorded: key sources (in `ns`) first, then bundles (in the watched namespaces; none
/// named: in all).
Status restore_records(const kube::ApiClient& api, const std::string& ns, const std::set<std::string>& watched,
                       controllers::Controllers& controllers);

/// TokenReview (authentication.k8s.io/v1) with audience `mesh-auth`.
Result<std::optional<fleet::ReviewedToken>> review_token(const kube::ApiClient& api, std::string_view token);

/// The resources' kinds are installed, and none is older than this program: an error says which is not, and how to mend
/// it.
Status check_crds(const kube::ApiClient& api);

}  // namespace meshauth::app
