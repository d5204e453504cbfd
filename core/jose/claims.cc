#include "core/jose/claims.h"

#include <algorithm>
#include <limits>

#include "core/base/text.h"

namespace meshauth::jose {
namespace {

using simdjson::dom::element;

constexpr double kDateLimit = 9007199254740992.0;  // 2^53: beyond it a double cannot tell seconds apart

template <class... Args>
[[gnu::cold]] Failure failure(Stage stage, Reason reason, fmt::format_string<Args...> format, Args&&... args) {
  return {stage, reason, fmt::format(format, std::forward<Args>(args)...)};
}

std::optional<double> read_date(const std::optional<element>& value, std::string_view name, std::string_view& invalid) {
  if (!value) return std::nullopt;
  double date = -1;
  if (value->get(date) != simdjson::SUCCESS || !(date >= 0 && date < kDateLimit)) {
    if (invalid.empty()) invalid = name;
  }
  return date;
}

double skew_of(const ProviderSettings& provider) {
  return static_cast<double>(provider.clock_skew.count());
}

std::optional<Failure> check_lifetime(const ProviderSettings& provider, const TokenClaims::Dates& dates) {
  if (!provider.max_token_lifetime) return std::nullopt;
  if (!dates.iat) {
    return failure(Stage::time, Reason::claim_required, "iat is missing; the limit of lifetime of provider {} needs it",
                   provider.id);
  }
  const double lifetime = *dates.exp - *dates.iat;
  const auto most = provider.max_token_lifetime->count();
  if (lifetime <= static_cast<double>(most)) return std::nullopt;
  return failure(Stage::time, Reason::lifetime_too_long, "exp - iat is {} s; provider {} accepts at most {} s",
                 lifetime, provider.id, most);
}

/// A string or a list of strings (RFC 7519 section 4.1.3); a list with anything else in it is none.
bool names_audience(element claim, const std::vector<std::string>& audiences) {
  const auto listed = [&](element value, bool& is_text) {
    std::string_view text;
    is_text = value.get(text) == simdjson::SUCCESS;
    return is_text && std::find(audiences.begin(), audiences.end(), text) != audiences.end();
  };
  bool is_text = false;
  simdjson::dom::array values;
  if (claim.get(values) != simdjson::SUCCESS) return listed(claim, is_text);
  bool found = false;
  for (const element value : values) {
    found = listed(value, is_text) || found;
    if (!is_text) return false;
  }
  return found;
}

/// "at+jwt, jwt or a token without typ"
std::string in_words(std::vector<std::string> types) {
  const bool none = std::erase(types, "") > 0;
  std::string out = fmt::format("{}", fmt::join(types, ", "));
  if (none) out += out.empty() ? "a token without typ" : " or a token without typ";
  return out;
}

}  // namespace

tl::expected<TokenClaims, Failure> read_claims(element root) {
  TokenClaims out;
  out.root = root;
  // All in one walk; a name stands once in an object that was read.
  std::optional<element> issuer, tid, exp, nbf, iat;
  const std::pair<std::string_view, std::optional<element>*> wanted[] = {
      {"iss", &issuer}, {"tid", &tid}, {"exp", &exp}, {"nbf", &nbf}, {"iat", &iat}};
  for (const auto [name, value] : simdjson::dom::object(root)) {
    if (name.size() != 3) continue;
    for (const auto& [known, into] : wanted) {
      if (name == known) *into = value;
    }
  }
  if (!issuer || issuer->get(out.issuer) != simdjson::SUCCESS) {
    return tl::unexpected(
        failure(Stage::issuer, Reason::issuer_unknown, "iss is {}", issuer ? "no string" : "missing"));
  }
  std::string_view tenant;
  if (tid && tid->get(tenant) == simdjson::SUCCESS) out.tenant = tenant;
  out.dates.exp = read_date(exp, "exp", out.dates.invalid);
  out.dates.nbf = read_date(nbf, "nbf", out.dates.invalid);
  out.dates.iat = read_date(iat, "iat", out.dates.invalid);
  return out;
}

bool issuer_matches(std::string_view pattern, const TokenClaims& claims) noexcept {
  const auto at = pattern.find(kTenantTemplate);
  if (at == std::string_view::npos) return pattern == claims.issuer;
  if (!claims.tenant || claims.tenant->empty()) return false;
  const std::string_view before = pattern.substr(0, at), after = pattern.substr(at + kTenantTemplate.size());
  const std::string_view issuer = claims.issuer;
  return issuer.size() == before.size() + claims.tenant->size() + after.size() && issuer.starts_with(before) &&
         issuer.ends_with(after) && issuer.substr(before.size(), claims.tenant->size()) == *claims.tenant;
}

bool may_sign(const Jwk& key, const ProviderSettings& provider, const TokenClaims& claims) noexcept {
  return key.issuer.empty() || issuer_matches(key.issuer, claims) || key.issuer == provider.issuer;
}

std::optional<Failure> check_algorithm(const ProviderSettings& provider, const Jws& jws) {
  if (provider.algorithms.contains(jws.algorithm)) return std::nullopt;
  return failure(Stage::algorithm, Reason::alg_not_allowed, "alg {} is not among {} of provider {}",
                 algorithm_name(jws.algorithm), fmt::join(provider.algorithms.names(), ", "), provider.id);
}

std::optional<Failure> check_type(const ProviderSettings& provider, const Jws& jws) {
  const auto& allowed = provider.token_types;
  const bool listed = std::find(allowed.begin(), allowed.end(), jws.typ.value_or("")) != allowed.end();
  const bool no_name = jws.typ && jws.typ->empty();  // "" in the list means a missing typ, not an empty one
  if (listed && !no_name) return std::nullopt;
  return failure(Stage::type, Reason::typ_not_allowed, "typ is {}; provider {} accepts {}",
                 jws.typ ? in_quotes(*jws.typ) : std::string("missing"), provider.id, in_words(allowed));
}

std::optional<Failure> check_times(const ProviderSettings& provider, const TokenClaims::Dates& dates, double now) {
  const double skew = skew_of(provider);
  if (!dates.invalid.empty()) {
    return failure(Stage::time, Reason::numericdate_invalid, "{} is not a number in [0, 2^53)", dates.invalid);
  }
  if (!dates.exp) return failure(Stage::time, Reason::exp_missing, "exp is missing");
  if (*dates.exp + skew <= now) {
    return failure(Stage::time, Reason::expired, "exp {} with a skew of {} s is not after {}", *dates.exp, skew, now);
  }
  if (dates.nbf && *dates.nbf - skew > now) {
    return failure(Stage::time, Reason::not_yet_valid, "nbf {} with a skew of {} s is after {}", *dates.nbf, skew, now);
  }
  if (dates.iat && *dates.iat - skew > now) {
    return failure(Stage::time, Reason::issued_in_future, "iat {} with a skew of {} s is after {}", *dates.iat, skew,
                   now);
  }
  return check_lifetime(provider, dates);
}

std::optional<Failure> check_audience(const ProviderSettings& provider, element root) {
  const auto claim = find_claim(root, provider.audience_claim);
  if (claim && names_audience(*claim, provider.audiences)) return std::nullopt;
  return failure(Stage::audience, Reason::audience_mismatch, "{} {}; provider {} accepts {}",
                 fmt::join(provider.audience_claim, "."), claim ? "names another audience" : "is missing", provider.id,
                 fmt::join(provider.audiences, ", "));
}

std::optional<Failure> check_required(const ProviderSettings& provider, element root) {
  for (const ClaimCondition& condition : provider.required_claims) {
    if (holds(condition, root)) continue;
    return failure(Stage::claims, Reason::claim_required, "claim {} does not satisfy {} [{}] of provider {}",
                   fmt::join(condition.path, "."), claim_operator_name(condition.op), fmt::join(condition.values, ", "),
                   provider.id);
  }
  return std::nullopt;
}

std::optional<Failure> check_claims(const ProviderSettings& provider, const Jws& jws, const TokenClaims& claims,
                                    double now) {
  if (auto failed = check_algorithm(provider, jws)) return failed;
  if (auto failed = check_type(provider, jws)) return failed;
  if (auto failed = check_times(provider, claims.dates, now)) return failed;
  if (auto failed = check_audience(provider, claims.root)) return failed;
  return check_required(provider, claims.root);
}

double next_change(const ProviderSettings& provider, const TokenClaims& claims, double now) {
  const double skew = skew_of(provider);
  double next = std::numeric_limits<double>::infinity();
  const auto consider = [&](double moment) {
    if (moment > now) next = std::min(next, moment);
  };
  if (claims.dates.exp) consider(*claims.dates.exp + skew);
  if (claims.dates.nbf) consider(*claims.dates.nbf - skew);
  if (claims.dates.iat) consider(*claims.dates.iat - skew);
  return next;
}

}  // namespace meshauth::jose
