// One request in, one decision out: what nginx, the agent and the command line all ask.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/reason.h"
#include "core/engine/caller.h"
#include "core/engine/request.h"
#include "core/engine/snapshot.h"
#include "core/engine/token_cache.h"
#include "core/policy/path.h"

namespace meshauth::engine {

/// What becomes of a CORS preflight, which never carries credentials: decided like any request, or let pass.
enum class Preflight : std::uint8_t { Decide, Pass };

/// Settings of one checkpoint: the agent's flags, never part of a bundle.
struct Options {
  policy::PathAllow path_allow;
  Preflight preflight = Preflight::Decide;
};

/// What the audit policies together with the enforced ones would have said, where that differs in allow or deny.
struct AuditVerdict {
  bool allow = false;
  Reason reason = Reason::none;
  std::string policy, rule;
};

/// The answer to one request. It owns all it says: the snapshot may be freed right after.
struct Outcome {
  bool allow = false;
  Reason reason = Reason::internal;  ///< none where allowed
  std::string policy, rule;          ///< what decided; empty if no rule did
  std::string detail;                ///< a sentence for the log, never the token; may be empty
  std::optional<AuditVerdict> audit;
  std::vector<std::string> missing_scopes;  ///< scope_insufficient: what the challenge names

  std::shared_ptr<const Caller> caller;  ///< null: no principal
  std::size_t identity = 0;              ///< of the caller: the first provider by id that matched the deciding rule

  std::string host;           ///< decided, normalized; empty if there was none
  bool preflight = false;     ///< passed as a CORS preflight, without a decision
  bool token_failed = false;  ///< a token was presented and refused (also where that only counts for the audit)
  std::string issuer;         ///< iss of a refused token, if it was read
  std::string unknown_kid;    ///< not empty: no key of unknown_kid_source has it; worth a report
  std::string unknown_kid_source;

  bool strip_token = false;  ///< the token must not reach the application
  TokenSource presented_at;  ///< with strip_token: where it was found

  std::shared_ptr<const std::string> revision;  ///< for whoever decides by several, one after the other; may be null

  int status() const noexcept { return reason_status(reason); }
  const CallerIdentity* principal() const noexcept { return caller ? &caller->identities[identity] : nullptr; }
};

/// The request as policies see it, as long as the arguments live. A header that a provider forwards is ours: the
/// client's copy never reaches the application, so no rule may go by it.
policy::Request policy_request(const HttpRequest& request, const policy::Path& path, std::string_view host,
                               const Snapshot& snapshot);

/// cache: null verifies every time. now: unix seconds, may have a fraction.
Outcome decide(Snapshot& snapshot, const HttpRequest& request, double now, const Options& options, TokenCache* cache);

/// Every request without a valid bundle: 503.
Outcome no_bundle();

/// Something that must not happen did: 503.
Outcome internal_failure(std::string detail);

}  // namespace meshauth::engine
