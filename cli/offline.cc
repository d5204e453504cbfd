#include "cli/offline.h"

#include "core/base/text.h"
#include "core/model/forms.h"

namespace meshauth::cli {
namespace {

std::optional<plan::SourceKeys> keys_of_source(const Resources& resources, const std::string& source,
                                               const Keys& keys) {
  for (const auto& [id, held] : resources.providers) {
    if (held.value->settings.key_source != source) continue;
    if (const auto* inline_set = std::get_if<model::InlineJwks>(&held.value->keys)) {
      auto set = jose::parse_key_set(inline_set->jwks);
      return set ? std::optional(plan::SourceKeys{std::move(*set), ""}) : std::nullopt;
    }
    if (const auto at = keys.of.find(id); at != keys.of.end()) return plan::SourceKeys{at->second, ""};
  }
  return keys.otherwise ? std::optional(plan::SourceKeys{*keys.otherwise, ""}) : std::nullopt;
}

plan::WorkloadView view_of(const Resources& resources, const std::string& ns, const std::string& name,
                           const Keys& keys) {
  plan::WorkloadView view;
  view.ns = ns;
  view.name = name;
  view.policies = resources.policies;
  view.provider = [&resources](const std::string& id) -> std::optional<plan::HeldProvider> {
    const auto at = resources.providers.find(id);
    return at == resources.providers.end() ? std::nullopt : std::optional(at->second);
  };
  view.namespace_labels = [&resources](const std::string& of) {
    const auto at = resources.namespaces.find(of);
    std::map<std::string, std::string> labels =
        at == resources.namespaces.end() ? std::map<std::string, std::string>() : at->second;
    labels.emplace("kubernetes.io/metadata.name", of);  // the API server adds it to every namespace
    return labels;
  };
  view.keys = [&resources, &keys](const std::string& source) { return keys_of_source(resources, source, keys); };
  return view;
}

std::vector<engine::Header> header_views(const std::vector<std::pair<std::string, std::string>>& headers) {
  std::vector<engine::Header> out;
  out.reserve(headers.size());
  for (const auto& [name, value] : headers) out.push_back({name, value});
  return out;
}

Answer from_outcome(const engine::Outcome& outcome) {
  return {outcome.allow, outcome.reason, outcome.policy, outcome.rule, outcome.detail, outcome.audit, std::nullopt};
}

/// The request itself is refused: nobody asks who calls.
bool refuses_request(Reason reason) {
  return reason == Reason::header_too_large || reason == Reason::path_ambiguous || reason == Reason::host_mismatch;
}

/// What nginx would say of a token with these claims. seen: where not even that is anybody, nobody is asked.
void take_decision(Answer& out, const Known& enforced, const Known& seen, const policy::Decision& decision) {
  out = {};
  out.reason = enforced.reason;
  out.detail = enforced.detail;
  if (seen.reason != Reason::none) return;
  const policy::Verdict& verdict = decision.enforced;
  if (enforced.reason == Reason::none) {
    out.allow = verdict.allow;
    out.reason = verdict.reason;
    out.policy = verdict.policy;
    out.rule = verdict.rule;
  }
  const policy::Verdict& together = decision.audit ? *decision.audit : verdict;
  if (together.allow == out.allow) return;
  out.audit = {together.allow, together.reason, std::string(together.policy), std::string(together.rule)};
}

}  // namespace

Result<plan::WorkloadPlan> offline_plan(const Resources& resources, const plan::MeshSettings& mesh,
                                        const std::string& workload, const Keys& keys, model::Flavour flavour) {
  const auto slash = workload.find('/');
  if (slash == std::string::npos || !model::fits(model::kDnsLabel, std::string_view(workload).substr(0, slash)) ||
      !model::fits(model::kDnsLabel, std::string_view(workload).substr(slash + 1))) {
    return fail("workload {} is not NAMESPACE/NAME", in_quotes(workload));
  }
  auto view = view_of(resources, workload.substr(0, slash), workload.substr(slash + 1), keys);
  view.flavour = flavour;
  return plan::plan_workload(view, mesh);
}

Result<std::unique_ptr<engine::Snapshot>> offline_snapshot(const Resources& resources, const ResourceOptions& options,
                                                           const std::string& workload, const Keys& keys) {
  const auto plan = offline_plan(resources, options.mesh(), workload, keys);
  if (!plan) return tl::unexpected(plan.error());
  auto jwks = bundle::read_jwks(plan->files.at("jwks.json"));
  if (!jwks) return tl::unexpected(jwks.error());
  auto compiled = policy::from_json(plan->files.at("policy.json"));
  if (!compiled) return tl::unexpected(compiled.error());
  auto snapshot = std::make_unique<engine::Snapshot>(std::move(*jwks), std::move(*compiled));
  snapshot->workload = workload;
  snapshot->assume_fresh();
  return snapshot;
}

nlohmann::ordered_json Answer::json() const {
  return {{"decision", allow ? "allow" : "deny"},
          {"status", status()},
          {"reason", reason_name(reason)},
          {"policy", policy},
          {"rule", rule}};
}

Result<Answer> answer(engine::Snapshot& snapshot, const Resources& resources, const OfflineRequest& request,
                      const OfflineCaller& caller, const policy::PathAllow& allow, double now) {
  HeaderLines lines = with_token(request.headers, caller, snapshot, resources);
  if (!request.host.empty()) lines.emplace_back("host", request.host);
  const auto views = header_views(lines);
  const engine::HttpRequest http{request.method, request.target, views, request.source, request.port};
  engine::Options settings;
  settings.path_allow = allow;
  const engine::Outcome outcome = engine::decide(snapshot, http, now, settings, nullptr);
  Answer out = from_outcome(outcome);
  const auto known = [&](engine::View view) { return known_caller(snapshot, view, views, caller, resources, now); };
  auto enforced = known(engine::View::Enforced);
  if (!enforced) return tl::unexpected(enforced.error());
  auto all = known(engine::View::WithAudit);
  if (!all) return tl::unexpected(all.error());
  if (refuses_request(outcome.reason)) return out;
  const auto target = engine::split_target(request.target);
  const auto path = target ? policy::decode_path(target->path, allow) : tl::unexpected(target.error());
  if (!path) return fail("the engine decided a request that has no path");
  // Identities that audit policies alone know mean nothing to the enforced ones.
  const Known& seen = all->reason == Reason::none ? *all : *enforced;
  auto explanation =
      policy::explain(snapshot.engine(), seen.principal(), engine::policy_request(http, *path, outcome.host, snapshot));
  if (!caller.provider.empty()) take_decision(out, *enforced, seen, explanation.decision);
  if (enforced->reason == Reason::none) out.explanation = std::move(explanation);
  return out;
}

}  // namespace meshauth::cli
