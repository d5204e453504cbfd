#include "core/engine/authenticate.h"

#include <algorithm>

namespace meshauth::engine {
namespace {

/// From the cache while it holds, else verified now, with its claims at hand. All providers of the bundle may vouch:
/// who counts is asked later, so that one entry serves every source and view.
tl::expected<std::shared_ptr<Caller>, jose::Refusal> caller_of(Snapshot& snapshot, std::string_view token, double now,
                                                               TokenCache* cache, Authentication& who) {
  const std::uint64_t hash = cache ? cache->hash(token) : 0;
  if (cache) {
    if (auto caller = cache->find(token, hash)) {
      if (renew(*caller, snapshot, now)) return caller;
      cache->erase(token, hash);
    }
  }
  auto verified = snapshot.verifier().verify(token, now);
  if (!verified) {
    if (!is_token(token)) verified.error().reason = Reason::token_malformed_source;
    return tl::unexpected(std::move(verified.error()));
  }
  auto caller = make_caller(snapshot, token, *verified);
  who.claims = verified->claims;
  who.mapped = std::move(verified->identities);
  if (cache) cache->insert(caller, hash, now);
  return caller;
}

/// May the provider have issued a token of that issuer?
bool may_issue(const ProviderSettings& provider, std::string_view issuer) {
  const auto& aliases = provider.issuer_aliases;
  return provider.issuer == issuer || provider.issuer.find("{tenantid}") != std::string::npos ||
         std::find(aliases.begin(), aliases.end(), issuer) != aliases.end();
}

/// Are the keys too old for each provider that the refusal is about?
bool all_stale(const Snapshot& snapshot, const ProviderMask& providers, const Authentication& who, double now) {
  bool any = false;
  for (std::size_t i = 0; i < providers.size(); ++i) {
    const ProviderSettings& provider = snapshot.providers()[i];
    if (!providers[i] || provider.key_source != who.unknown_kid_source || !may_issue(provider, who.issuer)) continue;
    if (!snapshot.stale(i, now)) return false;
    any = true;
  }
  return any;
}

void refuse(Authentication& who, const Snapshot& snapshot, const ProviderMask& providers, jose::Refusal refusal,
            double now) {
  who.reason = refusal.reason;
  who.token_failed = true;
  who.detail = std::move(refusal.detail);
  who.issuer = std::move(refusal.issuer);
  if (refusal.reason != Reason::kid_unknown) return;
  who.unknown_kid = std::move(refusal.kid);
  who.unknown_kid_source = std::move(refusal.key_source);
  // Keys that are too old cannot say that a key does not exist.
  if (all_stale(snapshot, providers, who, now)) who.reason = Reason::keys_stale;
}

/// Something is where one token should be.
void refuse_place(Authentication& who, Reason reason) {
  who.reason = reason;
  who.token_failed = true;
}

/// Which identities of who.caller count for these providers.
void accept(Authentication& who, const Snapshot& snapshot, const ProviderMask& providers, double now) {
  for (std::size_t i = 0; i < who.caller->identities.size(); ++i) {
    const std::size_t provider = who.caller->identities[i].index;
    if (!providers[provider]) continue;
    if (snapshot.stale(provider, now)) {
      who.some_stale = true;
    } else {
      who.accepted.push_back(i);
    }
  }
}

/// It copies what it needs of the claims. After a swap they are read and mapped again: that is once per token.
std::shared_ptr<const policy::Match> match_of(const Snapshot& snapshot, const Authentication& who) {
  policy::Principal principal;
  principal.claims = who.claims;
  std::optional<JsonDoc> again;
  std::vector<jose::Identity> mapped_again;
  if (!principal.claims) {
    again = who.caller->claims();
    if (!again) return snapshot.engine().match(principal);  // the text of a verified token has claims
    principal.claims = again->root();
    mapped_again = map_again(snapshot, *who.caller, again->root());
  }
  const auto& mapped = again ? mapped_again : who.mapped;
  for (const std::size_t i : who.accepted) {
    principal.identities.push_back({who.caller->identities[i].provider, mapped[i].subject, mapped[i].client,
                                    &mapped[i].scopes, &mapped[i].groups, &mapped[i].roles});
  }
  return snapshot.engine().match(principal);
}

}  // namespace

Authentication authenticate(Snapshot& snapshot, View view, std::span<const Header> headers, double now,
                            TokenCache* cache) {
  Authentication who;
  const TokenSources& sources = snapshot.sources(view);
  const auto presented = sources.find(headers);
  if (!presented) {
    refuse_place(who, presented.error());
    return who;
  }
  if (!*presented) return who;
  who.source_index = (*presented)->source;
  who.source = &sources.sources()[who.source_index];
  const std::string_view token = (*presented)->token;
  const ProviderMask& providers = who.source->providers;  // of the view already
  auto caller = caller_of(snapshot, token, now, cache, who);
  if (!caller && caller.error().reason == Reason::token_malformed_source) {
    who.source = nullptr;
    refuse_place(who, caller.error().reason);
    return who;
  }
  if (caller) {
    who.caller = std::move(*caller);
    accept(who, snapshot, providers, now);
    if (!who.accepted.empty()) return who;
    who.caller = nullptr;
    if (who.some_stale) {
      who.reason = Reason::keys_stale;
      return who;
    }
  }
  // Another provider than those that count here may have vouched for it, or got further: the reason is theirs.
  if (!caller && providers == snapshot.mask(View::WithAudit)) {
    refuse(who, snapshot, providers, std::move(caller.error()), now);
    return who;
  }
  who.claims.reset();
  auto again = snapshot.verifier().verify(token, now, providers);
  if (!again) {
    refuse(who, snapshot, providers, std::move(again.error()), now);
  } else {
    who.reason = Reason::internal;
    who.detail = "two looks at one token disagree";
  }
  return who;
}

policy::Decision decide_for(const Snapshot& snapshot, View view, const Authentication& who,
                            const policy::Request& request) {
  const policy::Engine& engine = snapshot.engine();
  if (!who.caller) return engine.decide(snapshot.anonymous(), request);
  // Who counts changes with time where keys are stale: such a match is not kept.
  if (who.some_stale) return engine.decide(*match_of(snapshot, who), request);
  Caller::Memo& memo = who.caller->memo[static_cast<std::size_t>(view)];
  if (memo.source != who.source_index || !memo.match) {
    memo.match = snapshot.shared(match_of(snapshot, who));
    memo.source = who.source_index;
  }
  return engine.decide(*memo.match, request);
}

}  // namespace meshauth::engine
