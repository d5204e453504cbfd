// Does a Service send callers to a port of an injected pod that the sidecar does not hold?
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "core/inject/inject.h"

namespace meshauth::inject {

/// One sentence for each port of the Service (v1, of the pod's namespace) that goes past the sidecar, or to nobody:
/// what it is and what would be right. None where the Service does not select the pod. Of any shape: what is no Service
/// selects none.
std::vector<std::string> ways_past(const nlohmann::json& service, const Injection& injection);

}  // namespace meshauth::inject
