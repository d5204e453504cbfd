#include "core/jose/verifier.h"

#include <algorithm>
#include <array>
#include <limits>
#include <numeric>
#include <set>
#include <span>
#include <unordered_map>

#include "core/base/text.h"
#include "core/jose/claims.h"
#include "core/jose/identity.h"
#include "core/jose/jwk.h"
#include "core/jose/key_ring.h"

namespace meshauth::jose {
namespace {

constexpr JsonLimits kPayloadLimits{.bytes = kMaxTokenBytes, .depth = 32};

/// What one key source said of this token, so that the next provider of the same source does not ask again.
struct Asked {
  KeyRing* ring = nullptr;
  Selection selection;
  std::vector<std::pair<std::size_t, bool>> verified;  ///< by material
};

/// Texts that are looked up without a copy.
struct TextHash : std::hash<std::string_view> {
  using is_transparent = void;
};

/// What the providers said, together.
struct Vouched {
  std::vector<Identity> identities;
  double expires = std::numeric_limits<double>::infinity();
  std::vector<std::string> unknown_kid_sources;
};

[[gnu::cold]] Refusal refusal_of(Failure failure) {
  Refusal out;
  out.reason = failure.reason;
  out.detail = std::move(failure.detail);
  return out;
}

std::string kid_text(const Jws& jws) {
  return jws.kid ? std::string(utf8_prefix(*jws.kid, kMaxKidBytes)) : "";
}

std::string selection_detail(Reason reason, const Jws& jws, const KeyRing& ring) {
  switch (reason) {
    case Reason::kid_unknown:
      return fmt::format("no key with kid {}; its kids: {}", in_quotes(jws.kid.value_or(""), 64), ring.some_kids());
    case Reason::kid_ambiguous:
      return "two different keys with this kid, so that none of them is used";
    case Reason::alg_key_mismatch:
      return "a key with this kid that does not fit alg";
    default:
      return "no key that fits alg, and the token names none";
  }
}

}  // namespace

struct Verifier::Impl {
  std::vector<ProviderSettings> providers;
  std::vector<std::size_t> by_id;  ///< providers' indices, by id
  /// Positions in by_id, ascending.
  std::unordered_map<std::string, std::vector<std::size_t>, TextHash, std::equal_to<>> by_issuer;
  std::vector<std::size_t> by_template;  ///< the same, of issuers with {tenantid}
  std::map<std::string, KeyRing> rings;
  std::vector<KeyRing*> ring_of;  ///< by provider
  JsonReader headers, payloads;
  Digests digests;

  // Of the token that is looked at; their memory is used again.
  Jws jws;
  std::vector<std::size_t> candidates;
  std::vector<Asked> asked;
  std::size_t asked_count = 0;

  Impl(std::vector<ProviderSettings> settings, std::map<std::string, KeySet> key_sets);

  void find_candidates(const TokenClaims& claims);
  Asked& ask(KeyRing* ring);
  std::optional<Failure> check_key(std::size_t provider, const TokenClaims& claims, Asked& source);
  tl::expected<Vouched, Refusal> judge(const TokenClaims& claims, double now, const std::vector<bool>& only);
};

Verifier::Impl::Impl(std::vector<ProviderSettings> settings, std::map<std::string, KeySet> key_sets)
    : providers(std::move(settings)), by_id(providers.size()) {
  while (!key_sets.empty()) {
    auto entry = key_sets.extract(key_sets.begin());
    rings.try_emplace(entry.key(), entry.key(), std::move(entry.mapped()));
  }
  for (const ProviderSettings& provider : providers) {
    ring_of.push_back(&rings.try_emplace(provider.key_source, provider.key_source, KeySet{}).first->second);
  }
  std::iota(by_id.begin(), by_id.end(), std::size_t{0});
  std::stable_sort(by_id.begin(), by_id.end(), [&](auto a, auto b) { return providers[a].id < providers[b].id; });
  for (std::size_t position = 0; position < by_id.size(); ++position) {
    const ProviderSettings& provider = providers[by_id[position]];
    const auto add = [&](const std::string& issuer) {
      auto& positions = by_issuer[issuer];
      if (positions.empty() || positions.back() != position) positions.push_back(position);
    };
    if (provider.issuer.find(kTenantTemplate) == std::string::npos) {
      add(provider.issuer);
    } else {
      by_template.push_back(position);
    }
    for (const std::string& alias : provider.issuer_aliases) add(alias);
  }
}

/// Indices of the providers that have the token's issuer, by id.
void Verifier::Impl::find_candidates(const TokenClaims& claims) {
  auto& positions = candidates;
  positions.clear();
  if (const auto exact = by_issuer.find(claims.issuer); exact != by_issuer.end())
    positions.assign(exact->second.begin(), exact->second.end());
  const std::size_t exact_count = positions.size();
  for (const std::size_t position : by_template) {
    if (issuer_matches(providers[by_id[position]].issuer, claims)) positions.push_back(position);
  }
  if (positions.size() > exact_count) {
    std::sort(positions.begin(), positions.end());
    positions.erase(std::unique(positions.begin(), positions.end()), positions.end());
  }
  std::transform(positions.begin(), positions.end(), positions.begin(), [&](std::size_t at) { return by_id[at]; });
}

Asked& Verifier::Impl::ask(KeyRing* ring) {
  const auto end = asked.begin() + static_cast<std::ptrdiff_t>(asked_count);
  const auto known = std::find_if(asked.begin(), end, [&](const Asked& one) { return one.ring == ring; });
  if (known != end) return *known;
  if (asked_count == asked.size()) asked.emplace_back();
  Asked& next = asked[asked_count++];
  next.ring = ring;
  next.verified.clear();
  ring->select(jws, next.selection);
  return next;
}

std::optional<Failure> Verifier::Impl::check_key(std::size_t provider, const TokenClaims& claims, Asked& source) {
  const ProviderSettings& settings = providers[provider];
  const auto failure = [&](Stage stage, Reason reason, std::string_view what) {
    return Failure{
        stage, reason,
        fmt::format("key source {} of provider {} has {}", in_quotes(settings.key_source), settings.id, what)};
  };
  if (source.selection.reason != Reason::none) {
    return failure(Stage::key, source.selection.reason, selection_detail(source.selection.reason, jws, *source.ring));
  }
  std::size_t tried = 0;
  std::array<std::size_t, kMaxKeysTried> seen;
  for (const std::size_t key : source.selection.keys) {
    if (!may_sign(source.ring->jwk(key), settings, claims)) continue;
    const std::size_t material = source.ring->material(key);
    const auto seen_end = seen.begin() + static_cast<std::ptrdiff_t>(tried);
    if (std::find(seen.begin(), seen_end, material) != seen_end) continue;
    if (tried == kMaxKeysTried) break;
    seen[tried++] = material;
    auto known = std::find_if(source.verified.begin(), source.verified.end(),
                              [&](const auto& one) { return one.first == material; });
    if (known == source.verified.end()) {
      known = source.verified.insert(known, {material, source.ring->verify(digests, key, jws)});
    }
    if (known->second) return std::nullopt;
  }
  if (tried == 0) return failure(Stage::key, Reason::issuer_unknown, "only a key bound to another issuer");
  return failure(Stage::signature, Reason::signature_invalid, "no key that made this signature");
}

tl::expected<Vouched, Refusal> Verifier::Impl::judge(const TokenClaims& claims, double now,
                                                     const std::vector<bool>& only) {
  Vouched out;
  Failure furthest{Stage::issuer, Reason::issuer_unknown, ""};
  std::string_view furthest_source;
  asked_count = 0;
  find_candidates(claims);
  for (const std::size_t provider : candidates) {
    if (!only.empty() && !(provider < only.size() && only[provider])) continue;
    const ProviderSettings& settings = providers[provider];
    out.expires = std::min(out.expires, next_change(settings, claims, now));
    auto failed = check_claims(settings, jws, claims, now);
    if (!failed) failed = check_key(provider, claims, ask(ring_of[provider]));
    if (!failed) {
      out.identities.push_back(map_claims(settings.mappings, claims.root, provider));
    } else if (failed->stage > furthest.stage) {
      furthest = std::move(*failed);
      furthest_source = settings.key_source;
    }
  }
  for (const Asked& one : std::span(asked).first(asked_count)) {
    if (one.selection.reason == Reason::kid_unknown) out.unknown_kid_sources.push_back(one.ring->source());
  }
  if (!out.identities.empty()) return out;
  if (furthest.stage == Stage::issuer) {
    furthest.detail = fmt::format("no provider here has the issuer {}", in_quotes(claims.issuer));
  }
  Refusal refusal = refusal_of(std::move(furthest));
  refusal.unknown_kid_sources = std::move(out.unknown_kid_sources);
  if (!refusal.unknown_kid_sources.empty()) refusal.kid = kid_text(jws);
  if (refusal.reason == Reason::kid_unknown) refusal.key_source = furthest_source;
  return tl::unexpected(std::move(refusal));
}

Verifier::Verifier(std::vector<ProviderSettings> providers, std::map<std::string, KeySet> key_sets)
    : impl_(std::make_unique<Impl>(std::move(providers), std::move(key_sets))) {}
Verifier::~Verifier() = default;
Verifier::Verifier(Verifier&&) noexcept = default;
Verifier& Verifier::operator=(Verifier&&) noexcept = default;

const std::vector<ProviderSettings>& Verifier::providers() const {
  return impl_->providers;
}

bool Verifier::has_key(const std::string& source, const std::string& kid) const {
  const auto ring = impl_->rings.find(source);
  return ring != impl_->rings.end() && ring->second.has(kid);
}

std::vector<std::size_t> Verifier::issuers_of(std::string_view token) {
  if (!read_jws(token, impl_->headers, impl_->jws)) return {};
  const auto root = impl_->payloads.parse(impl_->jws.payload, kPayloadLimits);
  if (!root || !root->is_object()) return {};
  const auto claims = read_claims(*root);
  if (!claims) return {};
  impl_->find_candidates(*claims);
  return impl_->candidates;
}

tl::expected<VerifiedToken, Refusal> Verifier::verify(std::string_view token, double now,
                                                      const std::vector<bool>& only) {
  Jws& jws = impl_->jws;
  if (auto read = read_jws(token, impl_->headers, jws); !read) return tl::unexpected(std::move(read.error()));
  const auto root = impl_->payloads.parse(jws.payload, kPayloadLimits);
  if (!root || !root->is_object()) {
    return tl::unexpected(
        refusal_of({Stage::issuer, root ? Reason::json_invalid : root.error().reason,
                    fmt::format("the payload is refused: {}", root ? "it is no object" : json_fault(root.error()))}));
  }
  const auto claims = read_claims(*root);
  if (!claims) return tl::unexpected(refusal_of(claims.error()));
  auto vouched = impl_->judge(*claims, now, only);
  if (!vouched) {
    vouched.error().issuer = claims->issuer;
    return tl::unexpected(std::move(vouched.error()));
  }
  std::string_view token_id;
  if (root->at_key("jti").get(token_id) != simdjson::SUCCESS) token_id = {};
  return VerifiedToken{.claims = *root,
                       .claims_json = jws.payload,
                       .issuer = std::string(claims->issuer),
                       .token_id = std::string(token_id),
                       .identities = std::move(vouched->identities),
                       .expires = vouched->expires,
                       .unknown_kid_sources = std::move(vouched->unknown_kid_sources)};
}

tl::expected<std::string, Refusal> verify_signature(std::string_view token, const KeySet& keys, AlgorithmSet allowed,
                                                    const std::function<bool(const Jwk&)>& may_sign) {
  JsonReader reader;
  Jws jws;
  if (auto read = read_jws(token, reader, jws); !read) return tl::unexpected(std::move(read.error()));
  if (!allowed.contains(jws.algorithm)) {
    return tl::unexpected(refusal_of(
        {Stage::algorithm, Reason::alg_not_allowed,
         fmt::format("alg {} is not among {}", algorithm_name(jws.algorithm), fmt::join(allowed.names(), ", "))}));
  }
  KeyRing ring("", keys);
  Selection selection;
  ring.select(jws, selection);
  if (selection.reason != Reason::none) {
    Refusal refusal = refusal_of({Stage::key, selection.reason,
                                  fmt::format("the key set has {}", selection_detail(selection.reason, jws, ring))});
    if (selection.reason == Reason::kid_unknown) refusal.kid = kid_text(jws);
    return tl::unexpected(std::move(refusal));
  }
  const Digests digests;
  std::set<std::size_t> tried;  // one key under two names is tried once
  for (const std::size_t key : selection.keys) {
    if (may_sign && !may_sign(ring.jwk(key))) continue;
    if (!tried.insert(ring.material(key)).second) continue;
    if (tried.size() > kMaxKeysTried) break;
    if (ring.verify(digests, key, jws)) return std::move(jws.payload);
  }
  if (tried.empty()) {
    return tl::unexpected(refusal_of(
        {Stage::key, Reason::issuer_unknown, "the key set has only a key bound to another issuer for this token"}));
  }
  return tl::unexpected(
      refusal_of({Stage::signature, Reason::signature_invalid, "no key of the set made this signature"}));
}

}  // namespace meshauth::jose
