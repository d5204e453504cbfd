// The kubelet's probes and hooks of the application: it cannot reach 127.0.0.1 of the pod, and at the sidecar it would
// be refused for want of a token. So it asks the agent, /probe/CONTAINER/KIND, which asks the application.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "core/base/result.h"
#include "core/inject/wishes.h"

namespace meshauth::inject {

/// Changes those of all containers that ask for a captured port over HTTP or TCP; gives the agent's flags --probe.
/// Errors name the container and the probe: TLS or gRPC on a captured port, which the agent does not speak.
Result<std::vector<std::string>> rewrite_probes(nlohmann::json& pod, const Wishes& wishes);

/// Undoes that, from the flags of the sidecar that the pod has. Errors: flags that are not ours.
Status restore_probes(nlohmann::json& pod, const nlohmann::json& sidecar);

}  // namespace meshauth::inject
