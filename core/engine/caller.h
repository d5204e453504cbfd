// A verified token and what it says, in the compact form that the token cache keeps and a request holds.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/json_doc.h"
#include "core/engine/snapshot.h"
#include "core/jose/verifier.h"
#include "core/policy/engine.h"

namespace meshauth::engine {

/// What one provider makes of the token. What policies look at (scopes, groups, roles) is in the Match that is kept; it
/// is read from the claims again when another one is needed.
struct CallerIdentity {
  std::size_t index = 0;  ///< into the providers of the snapshot that the caller belongs to
  bool forward_token = true;
  std::string provider;  ///< namespace/name
  std::string subject, client;
  std::string scopes;                                        ///< one space between two, for the log
  std::vector<std::pair<std::string, std::string>> headers;  ///< forwarded claims: name in lower case, encoded value
};

/// One verified token. It owns all it says: it outlives the snapshot that verified it.
struct Caller {
  std::string token;  ///< never logged; the cache compares it whole
  std::shared_ptr<const Issuer> issuer;
  std::string token_id;
  std::vector<CallerIdentity> identities;  ///< by provider id, at least one
  double expires = 0;                      ///< unix seconds, from which it must be judged again

  /// The payload once more, for what is asked rarely (a variable, a match after a swap).
  std::optional<JsonDoc> claims() const;

  // Kept by the cache and the engine, per worker.
  std::uint64_t snapshot = 0;  ///< id of the snapshot that it belongs to

  struct Memo {
    std::size_t source = 0;
    std::shared_ptr<const policy::Match> match;  ///< of that snapshot; null: none
  };
  std::array<Memo, 2> memo;  ///< by View
};

/// From a token that the snapshot's verifier vouches for.
std::shared_ptr<Caller> make_caller(const Snapshot& snapshot, std::string_view token,
                                    const jose::VerifiedToken& verified);

/// What the providers make of the caller's claims, by its identities: as it was when the token was verified, since the
/// caller belongs to the snapshot.
std::vector<jose::Identity> map_again(const Snapshot& snapshot, const Caller& caller, simdjson::dom::element claims);

/// Takes a cached caller over to this snapshot. False: it must be verified again (expired, or the providers of its
/// issuer have changed).
bool renew(Caller& caller, const Snapshot& snapshot, double now);

/// The bytes of memory that it takes, about.
std::size_t size_of(const Caller& caller) noexcept;

/// A claim as the value of a header: a scalar's text, or a list's elements joined by ','. Everything but visible ASCII
/// and inner spaces is percent-encoded as UTF-8 (RFC 3986 section 2.1), '%' and ',' too, so that a value has one
/// meaning. nullopt where there is no such claim or it is an object.
std::optional<std::string> header_value(simdjson::dom::element claims, const ClaimPath& path);

}  // namespace meshauth::engine
