// Why a rule does not match, found by trying every way through it.
#pragma once

#include <string>
#include <vector>

#include "core/policy/reference/reference.h"

namespace meshauth::reference {

/// The conditions of the rule that do not hold, each by its place in it: from[0].scopes.all, to[1].methods,
/// when[0].sourceIPs. A way leads through one entry of from, and one entry of to with one of its paths; of all ways the
/// one where the fewest fail, the first of several. Of a token that is missing everything is asked that the entry asks.
/// policies: all of the workload.
std::vector<std::string> failed_conditions(const std::vector<const Policy*>& policies, const Policy& policy,
                                           const model::Rule& rule, const Caller& caller, const Request& request);

}  // namespace meshauth::reference
