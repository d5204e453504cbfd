// The decision: (compiled policies, principal, request) -> allow or deny, with rule and reason.
#pragma once

#include <simdjson.h>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/cidr.h"
#include "core/base/reason.h"
#include "core/policy/compiled_policy.h"
#include "core/policy/path.h"

namespace meshauth::policy {

/// What one provider says about the caller.
struct Identity {
  std::string_view provider;  ///< namespace/name
  std::string_view subject, client;
  const std::vector<std::string>* scopes = nullptr;
  const std::vector<std::string>* groups = nullptr;
  const std::vector<std::string>* roles = nullptr;
};

/// Verified credentials: every provider whose checks all passed, and the claims. No identities: no principal.
struct Principal {
  std::vector<Identity> identities;
  std::optional<simdjson::dom::element> claims;
};

struct Request {
  std::string_view method;
  const Path* path = nullptr;
  std::string_view host;   ///< normalized
  std::uint16_t port = 0;  ///< the application's
  IpAddress source;        ///< the TCP peer's
  /// All values of a header (name in lower case).
  std::function<std::vector<std::string_view>(std::string_view name)> headers;
};

struct Verdict {
  bool allow = false;
  Reason reason = Reason::no_rule_matched;  ///< none where allowed
  std::string_view policy;                  ///< id of the policy whose rule decided; empty if none did
  std::string_view rule;                    ///< its name; valid while the engine is
  std::string_view provider;                ///< first provider (by id) that matched the deciding rule; empty if none
  std::vector<std::string> missing_scopes;  ///< scope_insufficient: what the challenge names
  friend bool operator==(const Verdict&, const Verdict&) = default;
};

/// What audit policies would have said: enforced alone compared with enforced plus audit.
struct Decision {
  Verdict enforced;
  std::optional<Verdict> audit;  ///< set where the two differ in allow/deny
};

/// A principal's matches: which entries of `from` hold, computed once per token and kept with it.
struct Match;

/// Do the two say the same, so that one may stand for the other?
bool same_match(const Match& a, const Match& b);

class Engine {
 public:
  explicit Engine(CompiledPolicy policy);
  ~Engine();

  const CompiledPolicy& policy() const;
  bool selected() const;  ///< does any enforced policy select this workload?

  /// Could a token help a caller without one (some Allow rule names a provider)? Decides between 401 and 403.
  bool token_could_help() const;

  /// Names of the headers that rules have conditions on, lower case.
  const std::vector<std::string>& condition_headers() const;

  /// Providers named by enforced policies: the failing token of any other never refuses a request.
  bool enforced_provider(std::string_view id) const;
  /// Providers named by any policy, audit ones included, where they resolve.
  bool names_provider(std::string_view id) const;

  std::shared_ptr<const Match> match(const Principal& principal) const;
  Decision decide(const Match& match, const Request& request) const;

  /// Convenience: match, then decide.
  Decision decide(const Principal& principal, const Request& request) const;

 private:
  struct Impl;
  std::unique_ptr<const Impl> impl_;
};

}  // namespace meshauth::policy
