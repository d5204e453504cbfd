// Why a request is decided as it is: the rule that decided, or for each rule what did not hold.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/policy/change.h"
#include "core/policy/engine.h"

namespace meshauth::policy {

struct RuleExplanation {
  std::string policy, rule;
  model::Action action = model::Action::Allow;
  model::Mode mode = model::Mode::Enforce;
  /// What fails on the way that fails least: the nearest entry of from and of to, then when. Where the token is
  /// missing, all that the entry asks of one, too. Empty: the rule matches.
  std::vector<Failure> failures;
  std::string note;  ///< why it matches, where that is not its conditions' doing; may be empty
  bool matches() const { return failures.empty(); }
};

struct Explanation {
  Decision decision;
  std::vector<RuleExplanation> rules;  ///< by policy id and order in it
  /// Index of the enforced Allow rule that needs the smallest change for the request to pass, the first of several:
  /// done and decided again. Where a Deny stops every such change, the first that it stops. None where the request
  /// passes, where a Deny matches (then no Allow helps), and where no change was found that any Allow matches.
  std::optional<std::size_t> nearest;
  std::vector<Failure> needed;  ///< what has to change for it: the failures of a way that can be gone
  Change change;                ///< the change, done
  std::string denied_by;        ///< what stops it then, as "rule r of policy ns/p"; empty: it passes
  /// Where a Deny matches: what it goes by, as "to[0].paths"; empty: every request of every caller.
  std::vector<std::string> deny_conditions;
};

Explanation explain(const Engine& engine, const Principal& principal, const Request& request);

/// "allow by rule r of policy ns/p".
std::string to_text(const Verdict& verdict);

/// The explanation as a tree of lines for a terminal.
std::string to_text(const Explanation& explanation);

}  // namespace meshauth::policy
