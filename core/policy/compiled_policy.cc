#include "core/policy/compiled_policy.h"

#include <algorithm>

namespace meshauth::policy {
namespace {

void sort_by_id(CompiledPolicy& policy) {
  std::sort(policy.policies.begin(), policy.policies.end(), [](const auto& a, const auto& b) { return a.id < b.id; });
}

}  // namespace

CompiledPolicy compile(const std::vector<const model::AccessPolicy*>& policies, const std::set<std::string>& unresolved,
                       model::Action default_action) {
  CompiledPolicy out{default_action, {}, unresolved};
  for (const model::AccessPolicy* policy : policies)
    out.policies.push_back({policy->meta.id(), policy->mode, policy->rules, {}});
  sort_by_id(out);
  return out;
}

CompiledPolicy compile(const std::vector<PolicyInput>& policies, model::Action default_action) {
  CompiledPolicy out{default_action, {}, {}};
  for (const PolicyInput& input : policies) {
    out.policies.push_back({input.policy->meta.id(), input.policy->mode, input.policy->rules, input.unresolved});
  }
  sort_by_id(out);
  return out;
}

}  // namespace meshauth::policy
