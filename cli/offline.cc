#include "cli/offline.h"

#include <algorithm>

#include "core/base/base64.h"
#include "core/base/text.h"
#include "core/jose/identity.h"
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

/// A token goes where a provider of its issuer looks for it: the first place of the first such provider; else the first
/// place of any.
const TokenSource* place_for(const engine::Snapshot& snapshot, const std::string& token) {
  std::string issuer;
  const auto first = token.find('.'), second = token.find('.', first == std::string::npos ? first : first + 1);
  if (second != std::string::npos) {
    const auto payload = base64url_decode(std::string_view(token).substr(first + 1, second - first - 1));
    const auto claims = payload ? JsonDoc::parse(*payload) : tl::unexpected(Reason::json_invalid);
    std::string_view text;
    if (claims && claims->root()["iss"].get(text) == simdjson::SUCCESS) issuer = text;
  }
  const TokenSource* place = nullptr;
  for (const ProviderSettings& provider : snapshot.providers()) {
    if (provider.token_sources.empty()) continue;
    if (place == nullptr) place = &provider.token_sources.front();
    if (provider.issuer == issuer) return &provider.token_sources.front();
  }
  return place;
}

std::vector<std::pair<std::string, std::string>> with_token(const OfflineRequest& request,
                                                            const engine::Snapshot& snapshot,
                                                            const std::string& token) {
  auto headers = request.headers;
  const TokenSource* place = token.empty() ? nullptr : place_for(snapshot, token);
  if (place == nullptr) return headers;
  if (!place->cookie.empty()) {
    headers.emplace_back("cookie", place->cookie + "=" + token);
  } else {
    headers.emplace_back(place->header, place->scheme.empty() ? token : place->scheme + " " + token);
  }
  return headers;
}

std::vector<engine::Header> header_views(const std::vector<std::pair<std::string, std::string>>& headers) {
  std::vector<engine::Header> out;
  out.reserve(headers.size());
  for (const auto& [name, value] : headers) out.push_back({name, value});
  return out;
}

Answer from_outcome(const engine::Outcome& outcome) {
  return {outcome.allow, outcome.reason, outcome.policy, outcome.rule, outcome.detail, std::nullopt};
}

/// The caller as policies see it; owns what the principal points to.
struct Known {
  std::vector<std::pair<std::string, jose::Identity>> identities;  ///< with the provider's id
  std::optional<JsonDoc> claims;

  policy::Principal principal() const {
    policy::Principal out;
    for (const auto& [provider, mapped] : identities) {
      out.identities.push_back(
          {provider, mapped.subject, mapped.client, &mapped.scopes, &mapped.groups, &mapped.roles});
    }
    if (claims) out.claims = claims->root();
    return out;
  }
};

Result<Known> known_by_claims(const Resources& resources, const OfflineCaller& caller) {
  const auto provider = resources.providers.find(caller.provider);
  if (provider == resources.providers.end()) {
    return fail("provider {} is not among the resources; write namespace/name of an IdentityProvider",
                in_quotes(caller.provider));
  }
  if (!caller.claims.is_object()) return fail("the claims are no JSON object");
  auto claims = JsonDoc::parse(caller.claims.dump(), {.bytes = kClaimsBytes});
  if (!claims) return fail("the claims are refused: {}", json_fault(claims.error()));
  Known out;
  out.identities.emplace_back(caller.provider,
                              jose::map_claims(provider->second.value->settings.mappings, claims->root(), 0));
  out.claims = std::move(*claims);
  return out;
}

void take_verdict(Answer& out, const policy::Verdict& verdict) {
  out.allow = verdict.allow;
  out.reason = verdict.reason;
  out.policy = verdict.policy;
  out.rule = verdict.rule;
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
  OfflineRequest sent = request;
  sent.headers = with_token(request, snapshot, caller.token);
  if (!request.host.empty()) sent.headers.emplace_back("host", request.host);
  const auto views = header_views(sent.headers);
  const engine::HttpRequest http{request.method, request.target, views, request.source, request.port};
  engine::Options settings;
  settings.path_allow = allow;
  const engine::Outcome outcome = engine::decide(snapshot, http, now, settings, nullptr);
  Answer out = from_outcome(outcome);
  // Refused before any policy was asked: the request or its token.
  const auto target = engine::split_target(request.target);
  const auto path = target ? policy::decode_path(target->path, allow) : tl::unexpected(target.error());
  const bool policies_asked = path && reason_status(outcome.reason) != 400 &&
                              (reason_status(outcome.reason) != 401 || outcome.reason == Reason::token_missing) &&
                              reason_status(outcome.reason) != 503;
  Known known;
  if (!caller.provider.empty()) {
    auto by_claims = known_by_claims(resources, caller);
    if (!by_claims) return tl::unexpected(by_claims.error());
    known = std::move(*by_claims);
  } else if (outcome.caller) {
    known.claims = outcome.caller->claims();
    if (!known.claims) return fail("the claims of a verified token cannot be read again");
    for (jose::Identity& mapped : engine::map_again(snapshot, *outcome.caller, known.claims->root())) {
      known.identities.emplace_back(snapshot.providers()[mapped.provider].id, std::move(mapped));
    }
  }
  if (!policies_asked) return out;
  out.explanation = policy::explain(snapshot.engine(), known.principal(),
                                    engine::policy_request(http, *path, outcome.host, snapshot));
  if (!caller.provider.empty()) take_verdict(out, out.explanation->decision.enforced);
  return out;
}

}  // namespace meshauth::cli
