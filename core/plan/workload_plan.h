// plan(workload, view) -> the files of its bundle. Pure: the same view gives the same bytes.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/bundle/bundle.h"
#include "core/bundle/documents.h"
#include "core/model/access_policy.h"
#include "core/model/flavour.h"
#include "core/model/identity_provider.h"
#include "core/policy/compiled_policy.h"
#include "core/render/plus.h"

namespace meshauth::plan {

/// A resource as it is in the cluster: a value where it is valid, else what is wrong with it.
template <class T>
struct Held {
  model::Meta meta;
  std::shared_ptr<const T> value;  ///< null: refused
  model::FieldErrors errors;
};
using HeldPolicy = Held<model::AccessPolicy>;
using HeldProvider = Held<model::IdentityProvider>;

/// What the whole mesh was told.
struct MeshSettings {
  std::string root_namespace = "mesh-auth-system";
  model::Action default_action = model::Action::Deny;
  std::string auth_conf_template;        ///< templates/auth.conf.mustache
  render::PlusText plus_templates = {};  ///< templates/nginx-plus.*; empty: only what it cannot say is looked for
  std::set<std::string> watched = {};    ///< namespaces that are looked at; empty: all

  bool watches(const std::string& ns) const { return watched.empty() || watched.contains(ns); }
};

/// What the bundle in force says: the last good form of a resource that is refused now.
struct Previous {
  policy::CompiledPolicy policy;
  std::vector<ProviderSettings> providers;
};

/// What a key source gave last.
struct SourceKeys {
  jose::KeySet set;
  std::string discovered_issuer;  ///< of its discovery document; empty where there is none
};

/// Is the discovery document, read for this provider, one of another issuer? Its keys then do not count for it.
bool foreign_issuer(const model::IdentityProvider& provider, const std::string& discovered_issuer);

/// All that one workload's bundle depends on. Lookups are index reads.
struct WorkloadView {
  std::string ns, name;
  std::vector<HeldPolicy> policies;  ///< every policy of the workload's namespace and of the root namespace
  std::function<std::optional<HeldProvider>(const std::string& id)> provider;
  std::function<std::map<std::string, std::string>(const std::string& ns)> namespace_labels;
  std::function<std::optional<SourceKeys>(const std::string& source)> keys;  ///< nullopt: never fetched
  std::optional<Previous> previous;
  model::Flavour flavour = model::Flavour::Module;
};

struct WorkloadPlan {
  bundle::Files files;                 ///< NginxPlus: no bundle, but http.conf, location.conf and keys.json
  std::vector<std::string> policies;   ///< ids of those in it
  std::vector<std::string> providers;  ///< ids of those in it
  std::set<std::string> sources;       ///< key sources in it
  std::string flavour_limit;  ///< not empty: the flavour cannot do what a policy asks for, and there are no files
};

/// Does the (valid) policy select the workload? In the root namespace it selects all.
bool selects(const model::AccessPolicy& policy, std::string_view ns, std::string_view name,
             const std::string& root_namespace);

/// A policy that is valid by itself but stands in the root namespace and names workloads.
std::optional<model::FieldError> root_namespace_error(const model::AccessPolicy& policy,
                                                      const std::string& root_namespace);

/// How a reference to a provider ends.
/// NotWatched: it is in a namespace that is not looked at, so that nothing is known about it.
enum class RefState : std::uint8_t { Resolved, NotFound, NotShared, NotWatched };
RefState resolve(const std::optional<HeldProvider>& provider, const std::optional<ProviderSettings>& previous,
                 const std::string& policy_namespace, const std::map<std::string, std::string>& namespace_labels);

/// A policy that is refused now keeps the form that the bundle in force has of it; so does a provider. The error is a
/// bundle that would be too large or a template that cannot be rendered: the old one is then kept.
Result<WorkloadPlan> plan_workload(const WorkloadView& view, const MeshSettings& mesh);

}  // namespace meshauth::plan
