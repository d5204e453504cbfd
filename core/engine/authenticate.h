// Who calls, as the policies of one view may know it. A part of decide(); beside it the command line alone calls it, to
// explain a decision.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/engine/caller.h"
#include "core/engine/request.h"
#include "core/engine/snapshot.h"
#include "core/engine/token_cache.h"

namespace meshauth::engine {

struct Authentication {
  Reason reason = Reason::none;  ///< not none: the request is refused before any policy is asked
  bool token_failed = false;     ///< a token was presented, and failed
  std::string detail, issuer, unknown_kid, unknown_kid_source;  ///< of a token that failed
  const TokenSources::Source* source = nullptr;                 ///< where a token was found; of the snapshot
  std::size_t source_index = 0;
  std::shared_ptr<Caller> caller;                ///< null: no principal
  std::optional<simdjson::dom::element> claims;  ///< of a caller verified just now, until the next authenticate()
  std::vector<jose::Identity> mapped;            ///< the same: by identity of the caller
  std::vector<std::size_t>
      accepted;             ///< identities of the caller that count here, by provider id; not empty with a caller
  bool some_stale = false;  ///< others would have counted, had their keys been fresh
};

/// Finds the token at the view's sources and verifies it, or takes it from the cache. A token found at a source counts
/// for the providers that look there, belong to the view and are fresh.
Authentication authenticate(Snapshot& snapshot, View view, std::span<const Header> headers, double now,
                            TokenCache* cache);

/// The decision for that caller; its matches are kept with it. A caller without principal is 401 where a token could
/// have helped.
policy::Decision decide_for(const Snapshot& snapshot, View view, const Authentication& who,
                            const policy::Request& request);

}  // namespace meshauth::engine
