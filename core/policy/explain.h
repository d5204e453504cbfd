// Why a request is decided as it is: the rule that decided, or for each rule what did not hold.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/policy/engine.h"

namespace meshauth::policy {

/// One condition that does not hold.
struct Failure {
  std::string field;     ///< from[0].scopes.all
  std::string expected;  ///< for a person: quoted texts
  std::string actual;
  friend bool operator==(const Failure&, const Failure&) = default;
};

struct RuleExplanation {
  std::string policy, rule;
  model::Action action = model::Action::Allow;
  model::Mode mode = model::Mode::Enforce;
  /// What fails on the way that fails least: the nearest entry of from and of to, then when. Where the token is
  /// missing, all that the entry asks of one, too. Empty: the rule matches.
  std::vector<Failure> failures;
  bool matches() const { return failures.empty(); }
};

struct Explanation {
  Decision decision;
  std::vector<RuleExplanation> rules;  ///< by policy id and order in it
  /// Index of the enforced Allow rule with the fewest failures, the first of several: the smallest change that would
  /// let the request pass. None where it passes, or where a Deny matches (then no Allow helps).
  std::optional<std::size_t> nearest;
};

Explanation explain(const Engine& engine, const Principal& principal, const Request& request);

/// "allow by rule r of policy ns/p".
std::string to_text(const Verdict& verdict);

/// The explanation as a tree of lines for a terminal.
std::string to_text(const Explanation& explanation);

}  // namespace meshauth::policy
