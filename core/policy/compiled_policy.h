// The policies that select one workload, in the form that travels in policy.json.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"
#include "core/model/access_policy.h"

namespace meshauth::policy {

/// Stands before the namespace of a reference that does not resolve, since the same name may resolve for a policy of
/// another namespace in the same bundle. No provider can be called so.
constexpr std::string_view kUnresolvedMark = "unresolved:";

/// One policy, its rules as the resource has them. Provider references that do not resolve are in `unresolved`.
struct CompiledPolicy {
  struct Entry {
    std::string id;  ///< namespace/name
    model::Mode mode = model::Mode::Enforce;
    std::vector<model::Rule> rules;
    std::set<std::string> unresolved;  ///< provider ids that do not resolve for this policy (its namespace decides)
  };
  model::Action default_action = model::Action::Deny;  ///< for a workload that no enforced policy selects
  std::vector<Entry> policies;                         ///< by id
  std::set<std::string> unresolved;                    ///< provider ids that no bundle provider answers to
};

/// Policies in any order; `unresolved` are ids of providers that resolve for none of them.
CompiledPolicy compile(const std::vector<const model::AccessPolicy*>& policies, const std::set<std::string>& unresolved,
                       model::Action default_action);

/// A policy, and the providers that do not resolve for it: a provider shared with the root namespace alone resolves for
/// a mesh-wide policy, and not for one of the workload's own namespace.
struct PolicyInput {
  const model::AccessPolicy* policy = nullptr;
  std::set<std::string> unresolved;
};
CompiledPolicy compile(const std::vector<PolicyInput>& policies, model::Action default_action);

constexpr std::size_t kMaxPolicyBytes = 900 * 1024;  ///< of policy.json: a bundle's own limit

/// policy.json: deterministic, the same for any order of input.
std::string to_json(const CompiledPolicy& policy);
Result<CompiledPolicy> from_json(std::string_view json);

}  // namespace meshauth::policy
