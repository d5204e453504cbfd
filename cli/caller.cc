#include "cli/caller.h"

#include "core/base/text.h"
#include "core/engine/authenticate.h"
#include "core/jose/identity.h"

namespace meshauth::cli {
namespace {

constexpr std::string_view kStandIn = "claims";  // the token that claims are of, where one is looked for

/// Where a provider of the token's issuer looks for it first: one of the bundle, else one that no policy of the
/// workload names. nullopt: nobody here issued it.
std::optional<TokenSource> place_of_issuer(engine::Snapshot& snapshot, const Resources& resources,
                                           std::string_view token) {
  const auto place = [&](jose::Verifier& verifier) -> std::optional<TokenSource> {
    for (const std::size_t provider : verifier.issuers_of(token)) {
      const auto& sources = verifier.providers()[provider].token_sources;
      if (!sources.empty()) return sources.front();
    }
    return std::nullopt;
  };
  if (auto found = place(snapshot.verifier())) return found;
  std::vector<ProviderSettings> all;
  for (const auto& [id, held] : resources.providers) all.push_back(held.value->settings);
  jose::Verifier others(std::move(all), {});
  return place(others);
}

std::optional<TokenSource> place_of(const OfflineCaller& caller, engine::Snapshot& snapshot,
                                    const Resources& resources) {
  if (!caller.provider.empty()) {
    const auto provider = resources.providers.find(caller.provider);
    if (provider == resources.providers.end()) return std::nullopt;  // known_caller says so
    const auto& sources = provider->second.value->settings.token_sources;
    return sources.empty() ? std::nullopt : std::optional(sources.front());
  }
  if (caller.token.empty()) return std::nullopt;
  if (auto place = place_of_issuer(snapshot, resources, caller.token)) return place;
  for (const ProviderSettings& provider : snapshot.providers()) {
    if (!provider.token_sources.empty()) return provider.token_sources.front();
  }
  return std::nullopt;
}

Result<Known> known_by_token(engine::Snapshot& snapshot, engine::View view, std::span<const engine::Header> headers,
                             double now) {
  const engine::Authentication who = engine::authenticate(snapshot, view, headers, now, nullptr);
  Known out{who.reason, who.detail, {}, {}};
  if (!who.caller) return out;
  out.claims = who.caller->claims();
  if (!out.claims) return fail("the claims of a verified token cannot be read again");
  auto mapped = engine::map_again(snapshot, *who.caller, out.claims->root());
  for (const std::size_t i : who.accepted)
    out.identities.emplace_back(who.caller->identities[i].provider, std::move(mapped[i]));
  return out;
}

Result<Known> known_by_claims(const ProviderSettings& provider, const OfflineCaller& caller) {
  if (!caller.claims.is_object()) return fail("the claims are no JSON object");
  auto claims = JsonDoc::parse(caller.claims.dump(), {.bytes = kClaimsBytes});
  if (!claims) return fail("the claims are refused: {}", json_fault(claims.error()));
  Known out;
  out.identities.emplace_back(caller.provider, jose::map_claims(provider.mappings, claims->root(), 0));
  out.claims = std::move(*claims);
  return out;
}

}  // namespace

HeaderLines with_token(HeaderLines lines, const OfflineCaller& caller, engine::Snapshot& snapshot,
                       const Resources& resources) {
  const auto place = place_of(caller, snapshot, resources);
  if (!place) return lines;
  const std::string token = caller.provider.empty() ? caller.token : std::string(kStandIn);
  if (!place->cookie.empty()) {
    lines.emplace_back("cookie", place->cookie + "=" + token);
  } else {
    lines.emplace_back(place->header, place->scheme.empty() ? token : place->scheme + " " + token);
  }
  return lines;
}

policy::Principal Known::principal() const {
  policy::Principal out;
  for (const auto& [provider, mapped] : identities) {
    out.identities.push_back({provider, mapped.subject, mapped.client, &mapped.scopes, &mapped.groups, &mapped.roles});
  }
  if (claims) out.claims = claims->root();
  return out;
}

Result<Known> known_caller(engine::Snapshot& snapshot, engine::View view, std::span<const engine::Header> headers,
                           const OfflineCaller& caller, const Resources& resources, double now) {
  if (caller.provider.empty()) return known_by_token(snapshot, view, headers, now);
  const auto provider = resources.providers.find(caller.provider);
  if (provider == resources.providers.end()) {
    return fail("provider {} is not among the resources; write namespace/name of an IdentityProvider",
                in_quotes(caller.provider));
  }
  auto known = known_by_claims(provider->second.value->settings, caller);
  if (!known) return known;
  const engine::TokenSources& sources = snapshot.sources(view);
  const auto presented = sources.find(headers);
  // Another token than that of the claims is what the request itself holds.
  if (!presented || !*presented || (*presented)->token != kStandIn) return known_by_token(snapshot, view, headers, now);
  const auto index = snapshot.provider_index(caller.provider);
  if (index && sources.sources()[(*presented)->source].providers[*index]) return known;
  return Known{
      Reason::issuer_unknown,
      fmt::format("a token of {} is found, and no provider that these policies name has its issuer", caller.provider),
      {},
      {}};
}

}  // namespace meshauth::cli
