#include "core/plan/workload_plan.h"

#include <algorithm>

#include "core/plan/flavour_limits.h"
#include "core/render/auth_conf.h"

namespace meshauth::plan {
namespace {

/// The policy's form that the bundle in force has, with its references as the resource wrote them.
std::optional<model::AccessPolicy> last_good(const HeldPolicy& held, const std::optional<Previous>& previous) {
  if (!previous) return std::nullopt;
  for (const auto& entry : previous->policy.policies) {
    if (entry.id != held.meta.id()) continue;
    model::AccessPolicy policy{held.meta, std::nullopt, entry.mode, entry.rules};
    for (model::Rule& rule : policy.rules) {
      for (model::From& from : rule.from) {
        if (from.provider && from.provider->ns.starts_with(policy::kUnresolvedMark))
          from.provider->ns.erase(0, policy::kUnresolvedMark.size());
      }
    }
    return policy;
  }
  return std::nullopt;
}

std::optional<ProviderSettings> previous_settings(const std::optional<Previous>& previous, const std::string& id) {
  if (!previous) return std::nullopt;
  const auto& providers = previous->providers;
  const auto it = std::find_if(providers.begin(), providers.end(), [&](const auto& p) { return p.id == id; });
  return it == providers.end() ? std::nullopt : std::optional(*it);
}

/// Collects the providers that the selected policies name, and renames references that do not resolve.
class Resolver {
 public:
  explicit Resolver(const WorkloadView& view) : view_(view) {}

  void resolve_in(model::AccessPolicy& policy) {
    for (model::Rule& rule : policy.rules) {
      for (model::From& from : rule.from) {
        if (from.provider) resolve_one(policy.meta.ns, *from.provider);
      }
    }
  }

  const std::map<std::string, ProviderSettings>& providers() const { return providers_; }
  const std::set<std::string>& unresolved() const { return unresolved_; }

 private:
  void resolve_one(const std::string& policy_namespace, model::ProviderRef& ref) {
    const std::string id = ref.id();
    const auto held = view_.provider(id);
    const auto before = previous_settings(view_.previous, id);
    if (resolve(held, before, policy_namespace, view_.namespace_labels(policy_namespace)) == RefState::Resolved) {
      ProviderSettings settings = held->value ? held->value->settings : *before;
      const auto keys = view_.keys(settings.key_source);
      // Without a source it has no keys, so no token of it passes.
      if (held->value && keys && foreign_issuer(*held->value, keys->discovered_issuer)) settings.key_source.clear();
      providers_.emplace(id, std::move(settings));
    } else {
      ref.ns.insert(0, policy::kUnresolvedMark);
      unresolved_.insert(ref.id());
    }
  }

  const WorkloadView& view_;
  std::map<std::string, ProviderSettings> providers_;
  std::set<std::string> unresolved_;
};

/// The keys that can vouch for a token of this provider. auth_jwt knows nothing of a key's own issuer, and takes each
/// key of its file for every algorithm of the key's type.
jose::KeySet plus_keys(const ProviderSettings& provider, jose::KeySet set) {
  std::erase_if(set.keys, [&](const jose::Jwk& key) {
    if (!key.issuer.empty() && key.issuer != provider.issuer) return true;
    const auto names = provider.algorithms.names();
    return std::none_of(names.begin(), names.end(),
                        [&](const std::string& name) { return key.fits(*algorithm_from_name(name)); });
  });
  return set;
}

/// What an NGINX Plus includes, and its one provider's keys.
Result<bundle::Files> plus_files(const render::PlusText& templates, const std::vector<model::AccessPolicy>& policies,
                                 const bundle::JwksFile& jwks) {
  auto text = render::render_plus(templates, policies, jwks.providers);
  if (!text) return tl::unexpected(text.error());
  const ProviderSettings& provider = jwks.providers.front();
  const auto held = jwks.sources.find(provider.key_source);
  const auto keys = held == jwks.sources.end() ? jose::KeySet() : plus_keys(provider, held->second);
  return bundle::Files{{"http.conf", std::move(text->http)},
                       {"location.conf", std::move(text->location)},
                       {"keys.json", jose::to_json(keys)}};
}

}  // namespace

bool foreign_issuer(const model::IdentityProvider& provider, const std::string& discovered_issuer) {
  return std::holds_alternative<model::Discovery>(provider.keys) && !discovered_issuer.empty() &&
         discovered_issuer != provider.settings.issuer;
}

bool selects(const model::AccessPolicy& policy, std::string_view ns, std::string_view name,
             const std::string& root_namespace) {
  if (policy.meta.ns == root_namespace) return true;
  if (policy.meta.ns != ns) return false;
  return !policy.workloads ||
         std::find(policy.workloads->begin(), policy.workloads->end(), name) != policy.workloads->end();
}

std::optional<model::FieldError> root_namespace_error(const model::AccessPolicy& policy,
                                                      const std::string& root_namespace) {
  if (policy.meta.ns != root_namespace || !policy.workloads) return std::nullopt;
  return model::FieldError{"spec.workloads",
                           "found in the root namespace " + root_namespace +
                               ", where a policy applies to every workload of the mesh; remove the field, or move the "
                               "policy to the namespace of these workloads"};
}

RefState resolve(const std::optional<HeldProvider>& provider, const std::optional<ProviderSettings>& previous,
                 const std::string& policy_namespace, const std::map<std::string, std::string>& namespace_labels) {
  if (!provider) return RefState::NotFound;
  // A provider that is refused now goes on with its last good form, for those who could refer to it then.
  if (!provider->value) return previous ? RefState::Resolved : RefState::NotFound;
  return model::shared_with(*provider->value, policy_namespace, namespace_labels) ? RefState::Resolved
                                                                                  : RefState::NotShared;
}

Result<WorkloadPlan> plan_workload(const WorkloadView& view, const MeshSettings& mesh) {
  std::vector<model::AccessPolicy> selected;
  for (const HeldPolicy& held : view.policies) {
    if (held.value && !root_namespace_error(*held.value, mesh.root_namespace)) {
      if (selects(*held.value, view.ns, view.name, mesh.root_namespace)) selected.push_back(*held.value);
    } else if (auto kept = last_good(held, view.previous)) {
      selected.push_back(std::move(*kept));
    }
  }
  Resolver resolver(view);
  for (model::AccessPolicy& policy : selected) resolver.resolve_in(policy);

  WorkloadPlan plan;
  bundle::JwksFile jwks;
  for (const auto& [id, settings] : resolver.providers()) {
    plan.providers.push_back(id);
    jwks.providers.push_back(settings);
    if (settings.key_source.empty()) continue;
    plan.sources.insert(settings.key_source);
    if (auto keys = view.keys(settings.key_source)) jwks.sources.emplace(settings.key_source, std::move(keys->set));
  }
  std::vector<const model::AccessPolicy*> pointers;
  pointers.reserve(selected.size());
  for (const auto& policy : selected) {
    pointers.push_back(&policy);
    plan.policies.push_back(policy.meta.id());
  }
  std::sort(plan.policies.begin(), plan.policies.end());
  plan.flavour_limit = flavour_limit(view.flavour, selected);
  if (!plan.flavour_limit.empty()) return plan;
  if (view.flavour == model::Flavour::NginxPlus) {
    auto files = plus_files(mesh.plus_templates, selected, jwks);
    if (files) {
      plan.files = std::move(*files);
    } else {
      plan.flavour_limit = files.error().message;
    }
    return plan;
  }
  const auto compiled = policy::compile(pointers, resolver.unresolved(), mesh.default_action);
  auto auth_conf = render::render_auth_conf(mesh.auth_conf_template, jwks.providers, view.flavour);
  if (!auth_conf) return tl::unexpected(auth_conf.error());
  plan.files = {{"auth.conf", std::move(*auth_conf)},
                {"jwks.json", bundle::write_jwks(jwks)},
                {"policy.json", policy::to_json(compiled)}};
  return plan;
}

}  // namespace meshauth::plan
