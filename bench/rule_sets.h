// Rule sets of a chosen size, as a large workload's policies look: shared path prefixes, a few scopes, owners' paths.
#pragma once

#include <cstddef>
#include <string>

#include "core/policy/compiled_policy.h"

namespace meshauth::bench {

/// `rules` Allow rules in policies of 50, each with a path of its own below shared prefixes:
/// /api/v<version>/team-3/service-17/...
policy::CompiledPolicy rule_set(std::size_t rules, int version = 1);

/// The path that rule `number` of version 1 allows, for a caller with its scope.
std::string path_of(std::size_t number);
std::string scope_of(std::size_t number);

}  // namespace meshauth::bench
