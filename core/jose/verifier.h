// JWS compact serialization (RFC 7515) and JWT claims (RFC 7519), judged by RFC 8725 and RFC 9068 for the providers of
// one bundle.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/json_doc.h"
#include "core/base/provider.h"
#include "core/base/reason.h"
#include "core/jose/jws.h"
#include "core/jose/key_set.h"
#include "core/jose/refusal.h"

namespace meshauth::jose {

/// What one provider's settings make of the claims.
struct Identity {
  std::size_t provider = 0;  ///< index into Verifier::providers()
  std::string subject;
  std::string client;
  std::vector<std::string> scopes, groups, roles;
};

/// A token that at least one provider vouches for.
struct VerifiedToken {
  simdjson::dom::element claims;     ///< the payload; it is there until the verifier is asked again
  std::string_view claims_json;      ///< the payload's bytes; as long as `claims`
  std::string issuer;                ///< iss
  std::string token_id;              ///< jti, may be empty
  std::vector<Identity> identities;  ///< by provider id, at least one
  double expires = 0;                ///< earliest moment (unix seconds, skew added) from which it must be judged again

  /// Key sources of providers that the token names too, but that lack its kid: each may need a refetch.
  std::vector<std::string> unknown_kid_sources;
};

/// Verifies tokens for a fixed set of providers and key sets. Not thread-safe: it keeps prepared OpenSSL contexts; one
/// per worker process or thread.
class Verifier {
 public:
  /// key_sets by key source id. A provider whose source is not there has no keys.
  Verifier(std::vector<ProviderSettings> providers, std::map<std::string, KeySet> key_sets);
  ~Verifier();
  Verifier(Verifier&&) noexcept;
  Verifier& operator=(Verifier&&) noexcept;

  const std::vector<ProviderSettings>& providers() const;

  /// The key source has a key of that kid, usable or not.
  bool has_key(const std::string& source, const std::string& kid) const;

  /// Indices of the providers that have the token's issuer, by id; none where its form or payload is refused.
  std::vector<std::size_t> issuers_of(std::string_view token);

  /// Cheap checks first, then the signature, once per key source. The order, which also orders the reasons:
  ///  1. the token: what read_jws says; then the payload's JSON; then iss is there and some provider has it;
  ///  2. per provider, by id: alg, typ, numericdate_invalid, exp_missing, expired, not_yet_valid, issued_in_future,
  ///     lifetime, audience, required claims; kid and the key's own issuer; the signature.
  /// Where none vouches the reason is that of the provider that got furthest in 2, the first by id among equals.
  /// `only`: providers (by index) that may vouch here; empty means all. now: unix seconds, may have a fraction.
  tl::expected<VerifiedToken, Refusal> verify(std::string_view token, double now, const std::vector<bool>& only = {});

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace meshauth::jose
