// What a provider's settings ask of a token before its signature is looked at. Only for the .cc files of this room.
#pragma once

#include <simdjson.h>

#include <optional>
#include <string>
#include <string_view>

#include "core/base/provider.h"
#include "core/base/reason.h"
#include "core/jose/jws.h"

namespace meshauth::jose {

/// The checks in their order. Where several providers refuse, the one that came furthest gives the reason.
enum class Stage : std::uint8_t { issuer, algorithm, type, time, audience, claims, key, signature };

struct Failure {
  Stage stage = Stage::issuer;
  Reason reason = Reason::issuer_unknown;
  std::string detail;
};

/// What is read from the claims once, for all providers. Points into the claims' document.
struct TokenClaims {
  struct Dates {
    std::optional<double> exp, nbf, iat;
    std::string_view invalid;  ///< the first that is there but no NumericDate in [0, 2^53); else empty
  };

  simdjson::dom::element root;
  std::string_view issuer;
  std::optional<std::string_view> tenant;  ///< tid
  Dates dates;
};

/// The error is issuer_unknown: iss is missing or no string.
tl::expected<TokenClaims, Failure> read_claims(simdjson::dom::element root);

constexpr std::string_view kTenantTemplate = "{tenantid}";

/// Byte for byte; where the pattern holds {tenantid}, after putting the token's tid in. No tid, no match.
bool issuer_matches(std::string_view pattern, const TokenClaims& claims) noexcept;

/// A key bound to an issuer may sign for it and for what the provider calls another name of its issuer.
bool may_sign(const Jwk& key, const ProviderSettings& provider, const TokenClaims& claims) noexcept;

// One check each; nullopt if it passes.
std::optional<Failure> check_algorithm(const ProviderSettings& provider, const Jws& jws);
std::optional<Failure> check_type(const ProviderSettings& provider, const Jws& jws);
std::optional<Failure> check_times(const ProviderSettings& provider, const TokenClaims::Dates& dates, double now);
std::optional<Failure> check_audience(const ProviderSettings& provider, simdjson::dom::element root);
std::optional<Failure> check_required(const ProviderSettings& provider, simdjson::dom::element root);

/// All of them: alg, typ, exp, nbf, iat, lifetime, audience, required claims, in this order; nullopt if all pass. now:
/// unix seconds.
std::optional<Failure> check_claims(const ProviderSettings& provider, const Jws& jws, const TokenClaims& claims,
                                    double now);

/// The next moment after now at which a time check of this provider can change its answer; infinity if none can.
double next_change(const ProviderSettings& provider, const TokenClaims& claims, double now);

}  // namespace meshauth::jose
