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
  return {outcome.allow, outcome.reason, outcome.policy, outcome.rule, outcome.detail, outcome.audit};
}

std::vector<std::string> issuers_of_token(engine::Snapshot& snapshot, std::span<const engine::Header> headers) {
  std::vector<std::string> out;
  const auto presented = snapshot.sources(engine::View::WithAudit).find(headers);
  if (!presented || !*presented) return out;
  for (const std::size_t i : snapshot.verifier().issuers_of((*presented)->token))
    out.push_back(snapshot.providers()[i].id);
  return out;
}

/// The request itself is refused: nobody asks who calls.
bool refuses_request(Reason reason) {
  return reason == Reason::header_too_large || reason == Reason::path_ambiguous || reason == Reason::host_mismatch;
}

std::string place_text(const TokenSource& at) {
  if (!at.cookie.empty()) return "cookie " + at.cookie;
  return "header " + at.header + (at.scheme.empty() ? "" : " with " + at.scheme);
}

/// The piece of the path that more than one meaning is in.
std::string path_fault(std::string_view raw, const policy::PathAllow& allow) {
  const auto target = engine::split_target(raw);
  if (!target || !target->path.starts_with('/')) {
    return fmt::format("the target {} is no path and no http://host/path, or holds a #", in_quotes(raw));
  }
  for (const std::string_view piece : split(target->path.substr(1), '/')) {
    if (policy::decode_path("/" + std::string(piece), allow)) continue;
    return fmt::format("the path's part {} could mean something else to the application", in_quotes(piece));
  }
  return "the path holds //, which could mean something else to the application";
}

/// What about the request was it; empty where there is no more to say.
std::string request_fault(const engine::Snapshot& snapshot, const engine::HttpRequest& http, Reason reason,
                          const policy::PathAllow& allow) {
  std::vector<std::string> named;
  if (reason == Reason::path_ambiguous) return path_fault(http.target, allow);
  if (reason == Reason::host_mismatch) {
    const auto target = engine::split_target(http.target);
    if (target && target->authority) named.push_back(in_quotes(*target->authority));
    for (const engine::Header& header : http.headers) {
      if (header.name == "host") named.push_back(in_quotes(header.value));
    }
    return fmt::format("the request has to name one host; it names {}", fmt::join(named, " and "));
  }
  if (reason != Reason::token_multiple) return "";
  for (const auto& source : snapshot.sources(engine::View::Enforced).sources()) named.push_back(place_text(source.at));
  return fmt::format("one token may be in: {}", fmt::join(named, ", "));
}

/// What nginx would say of a token with these claims. seen: where not even that is anybody, nobody is asked.
void take_decision(Answer& out, const Known& enforced, const Known& seen, const policy::Decision& decision) {
  out.allow = false;
  out.reason = enforced.reason;
  out.policy = out.rule = "";
  out.audit.reset();
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
  out.issuers = issuers_of_token(snapshot, views);
  const auto known = [&](engine::View view) { return known_caller(snapshot, view, views, caller, resources, now); };
  auto enforced = known(engine::View::Enforced);
  if (!enforced) return tl::unexpected(enforced.error());
  auto all = known(engine::View::WithAudit);
  if (!all) return tl::unexpected(all.error());
  if (refuses_request(outcome.reason)) {
    out.detail = request_fault(snapshot, http, outcome.reason, allow);
    return out;
  }
  const auto target = engine::split_target(request.target);
  const auto path = target ? policy::decode_path(target->path, allow) : tl::unexpected(target.error());
  if (!path) return fail("the engine decided a request that has no path");
  // Identities that audit policies alone know mean nothing to the enforced ones.
  const Known& seen = all->reason == Reason::none ? *all : *enforced;
  auto explanation =
      policy::explain(snapshot.engine(), seen.principal(), engine::policy_request(http, *path, outcome.host, snapshot));
  if (!caller.provider.empty()) take_decision(out, *enforced, seen, explanation.decision);
  if (out.detail.empty()) out.detail = request_fault(snapshot, http, out.reason, allow);
  if (enforced->reason == Reason::none) out.explanation = std::move(explanation);
  return out;
}

std::string keyless_provider(const Answer& answer, const Resources& resources) {
  if (answer.reason != Reason::kid_unknown && answer.reason != Reason::kid_missing_no_key) return "";
  for (const std::string& id : answer.issuers) {
    if (!std::holds_alternative<model::InlineJwks>(resources.providers.at(id).value->keys)) return id;
  }
  return "";
}

}  // namespace meshauth::cli
