// What a policy asks for and a flavour of nginx cannot do exactly. Nothing is approximated: such a bundle is not made.
#pragma once

#include <string>
#include <vector>

#include "core/model/access_policy.h"
#include "core/model/flavour.h"

namespace meshauth::plan {

/// Empty: the flavour can do all of it. Else a sentence that names the policy, the rule and the field, and what would
/// be right.
std::string flavour_limit(model::Flavour flavour, const std::vector<model::AccessPolicy>& policies);

}  // namespace meshauth::plan
