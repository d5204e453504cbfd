// The life of a signing key: Active while its source lists it, Retiring for `overlap` after it left, then removed.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/duration.h"
#include "core/base/result.h"
#include "core/jose/key_set.h"

namespace meshauth::plan {

using Time = std::chrono::sys_seconds;

struct TrackedKey {
  jose::Jwk key;
  Time first_seen, last_seen;
  std::optional<Time> retire;  ///< set: Retiring, and gone from then on
};

/// All that is known of one key source. What the JWKS ConfigMap records.
struct KeyHistory {
  std::vector<TrackedKey> keys;
  std::vector<jose::SkippedKey> skipped;
  std::vector<std::string> ambiguous_kids;  ///< refused, whatever key they name
  std::string jwks_uri;
  std::string discovered_issuer;  ///< of the discovery document; empty where there is none
  std::string etag;
  std::optional<Time> last_good;  ///< last successful fetch

  /// What verifies at `now`.
  jose::KeySet key_set(Time now) const;

  /// The next moment at which a Retiring key goes.
  std::optional<Time> next_retirement() const;
};

/// A key set was fetched. Keys in it are Active; keys that left it retire after overlap (at once if 0); a key that came
/// back is Active again. Never called for a failed fetch, which changes nothing.
KeyHistory rotate(const KeyHistory& before, const jose::KeySet& fetched, Time now, Seconds overlap);

/// Drops what has retired by now. Keeps everything else.
KeyHistory expire(KeyHistory history, Time now);

/// The record's JSON: public keys and times only.
std::string to_json(const KeyHistory& history);
Result<KeyHistory> history_from_json(std::string_view json);

}  // namespace meshauth::plan
