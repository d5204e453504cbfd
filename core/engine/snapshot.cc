#include "core/engine/snapshot.h"

#include <algorithm>
#include <atomic>
#include <limits>
#include <set>

#include "core/base/digest.h"
#include "core/base/text.h"

namespace meshauth::engine {
namespace {

constexpr double kNever = std::numeric_limits<double>::infinity();
constexpr double kAlways = -kNever;

std::uint64_t next_id() {
  static std::atomic<std::uint64_t> last{0};
  return ++last;
}

/// Settings and keys of one provider, as one digest.
std::string fingerprint(const ProviderSettings& provider, const bundle::JwksFile& keys) {
  bundle::JwksFile own;
  own.providers = {provider};
  if (const auto source = keys.sources.find(provider.key_source); source != keys.sources.end())
    own.sources.insert(*source);
  return sha256(bundle::write_jwks(own));
}

Issuer issuer_of(std::string name, std::string_view prints) {
  Issuer out{std::move(name), {}};
  const std::string digest = sha256(prints);
  std::copy_n(digest.begin(), out.generation.size(), out.generation.begin());
  return out;
}

bool is_template(std::string_view issuer) {
  return issuer.find("{tenantid}") != std::string_view::npos;
}

}  // namespace

Snapshot::Snapshot(bundle::JwksFile keys, policy::CompiledPolicy policy)
    : id_(next_id()), version_(id_), verifier_({}, {}), engine_(std::move(policy)) {
  std::sort(keys.providers.begin(), keys.providers.end(), [](const auto& a, const auto& b) { return a.id < b.id; });
  index_providers(keys);
  all_.assign(keys.providers.size(), true);
  for (const ProviderSettings& provider : keys.providers) enforced_.push_back(engine_.enforced_provider(provider.id));
  views_differ_ = enforced_ != all_;
  all_sources_ = TokenSources(keys.providers, all_);
  enforced_sources_ = TokenSources(keys.providers, enforced_);
  index_headers();
  anonymous_ = engine_.match(policy::Principal{});
  verifier_ = jose::Verifier(std::move(keys.providers), std::move(keys.sources));
  set_fresh({});
}

void Snapshot::index_providers(const bundle::JwksFile& keys) {
  std::map<std::string, std::string> named;
  std::string any;
  std::set<std::string> headers;
  for (const ProviderSettings& provider : keys.providers) {
    const std::string print = fingerprint(provider, keys);
    // A key of Entra's may name the issuer it signs for, so a template provider counts for every issuer.
    const bool any_issuer = is_template(provider.issuer) ||
                            std::any_of(provider.issuer_aliases.begin(), provider.issuer_aliases.end(), is_template);
    if (any_issuer) any += print;
    std::set<std::string> issuers(provider.issuer_aliases.begin(), provider.issuer_aliases.end());
    issuers.insert(provider.issuer);
    for (const std::string& issuer : issuers) {
      named[issuer] += any_issuer ? std::string() : print;
    }
    for (const ForwardedClaim& claim : provider.forward_claims) headers.insert(to_lower(claim.header));
  }
  for (const auto& [issuer, prints] : named)
    issuers_.emplace(issuer, std::make_shared<const Issuer>(issuer_of(issuer, prints + any)));
  other_issuer_ = issuer_of("", any);
  identity_headers_.assign(headers.begin(), headers.end());
}

std::optional<std::size_t> Snapshot::provider_index(std::string_view id) const {
  const auto& all = providers();
  const auto at =
      std::lower_bound(all.begin(), all.end(), id, [](const auto& p, std::string_view i) { return p.id < i; });
  if (at == all.end() || at->id != id) return std::nullopt;
  return static_cast<std::size_t>(at - all.begin());
}

std::shared_ptr<const Issuer> Snapshot::issuer(std::string_view name) const {
  if (const auto found = issuers_.find(name); found != issuers_.end()) return found->second;
  return std::make_shared<const Issuer>(Issuer{std::string(name), other_issuer_.generation});
}

std::shared_ptr<const policy::Match> Snapshot::shared(std::shared_ptr<const policy::Match> match) const {
  for (const auto& last : last_matches_) {
    if (last && policy::same_match(*last, *match)) return last;
  }
  last_matches_[next_match_++ % last_matches_.size()] = match;
  return match;
}

void Snapshot::index_headers() {
  std::set<std::string> names = {"host"};
  for (const auto& source : all_sources_.sources())
    names.insert(source.at.cookie.empty() ? source.at.header : "cookie");
  names.insert(engine_.condition_headers().begin(), engine_.condition_headers().end());
  deciding_headers_.assign(names.begin(), names.end());
  std::stable_sort(deciding_headers_.begin(), deciding_headers_.end(),
                   [](const auto& a, const auto& b) { return a.size() < b.size(); });
  const auto number = [](std::size_t i) { return static_cast<std::uint16_t>(std::min<std::size_t>(i, 0xffff)); };
  by_length_.fill(number(deciding_headers_.size()));
  for (std::size_t i = deciding_headers_.size(); i-- > 0;) by_length_[length(deciding_headers_[i])] = number(i);
  for (const std::string& name : identity_headers_) own_lengths_ |= std::uint64_t{1} << length(name);
  lengths_ = own_lengths_;
  for (const std::string& name : deciding_headers_) lengths_ |= std::uint64_t{1} << length(name);
}

bool Snapshot::reads_as_ours(std::string_view name) const noexcept {
  const auto fold = [](char c) {
    if (c >= 'A' && c <= 'Z') return static_cast<char>(c + 32);
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ? c : '-';
  };
  return std::any_of(identity_headers_.begin(), identity_headers_.end(), [&](const std::string& header) {
    return name.size() == header.size() &&
           std::equal(name.begin(), name.end(), header.begin(), [&](char x, char y) { return fold(x) == fold(y); });
  });
}

void Snapshot::set_fresh(const bundle::Fresh& fresh) {
  version_ = next_id();
  stale_from_.clear();
  for (const ProviderSettings& provider : providers()) {
    double from = kNever;
    if (provider.max_stale) {
      const auto fetched = fresh.sources.find(provider.key_source);
      from =
          fetched == fresh.sources.end() ? kAlways : static_cast<double>(fetched->second + provider.max_stale->count());
    }
    stale_from_.push_back(from);
  }
}

double Snapshot::next_stale(double now) const {
  double out = kNever;
  for (const double from : stale_from_) {
    if (from > now) out = std::min(out, from);
  }
  return out;
}

void Snapshot::assume_fresh() {
  version_ = next_id();
  stale_from_.assign(providers().size(), kNever);
}

Result<std::unique_ptr<Snapshot>> make_snapshot(const bundle::Bundle& bundle) {
  const auto file = [&](const char* name) -> std::string_view {
    const auto found = bundle.files.find(name);
    return found == bundle.files.end() ? std::string_view("") : std::string_view(found->second);
  };
  auto keys = bundle::read_jwks(file("jwks.json"));
  if (!keys) return fail("{}", keys.error().message);
  auto policy = policy::from_json(file("policy.json"));
  if (!policy) return fail("policy.json: {}", policy.error().message);
  auto snapshot = std::make_unique<Snapshot>(std::move(*keys), std::move(*policy));
  snapshot->revision = bundle.manifest.revision;
  snapshot->epoch = bundle.manifest.epoch;
  snapshot->workload = bundle.manifest.workload;
  snapshot->auth_conf = bundle::auth_conf_digest(file("auth.conf"));
  return snapshot;
}

}  // namespace meshauth::engine
