// The containers and volumes that a pod gets.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/inject/inject.h"

namespace meshauth::inject {

/// The agent with nginx as its child. probes: flags of rewrite_probes. grace: the pod's terminationGracePeriodSeconds.
nlohmann::json sidecar_container(const Settings& settings, const std::string& workload, const Wishes& wishes,
                                 const std::vector<std::string>& probes, std::int64_t grace);

/// Turns what comes for the application's ports to the sidecar's; runs as root, and only until that is done.
nlohmann::json redirect_container(const Settings& settings, const Wishes& wishes);

/// The bundle's ConfigMap, the trust, the token and the memory that the sidecar writes to.
nlohmann::json sidecar_volumes(const std::string& workload);

}  // namespace meshauth::inject
