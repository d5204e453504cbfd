#include <fmt/format.h>

#include "core/policy/explain.h"
#include "core/policy/listed.h"

namespace meshauth::policy {
namespace {

std::string smallest_change(const Explanation& explanation) {
  const Verdict& verdict = explanation.decision.enforced;
  if (verdict.allow || verdict.reason == Reason::no_policy) return "";
  if (verdict.reason == Reason::denied_by_rule) {
    const std::string rule = fmt::format("rule {} of policy {}", verdict.rule, verdict.policy);
    if (explanation.deny_conditions.empty())
      return fmt::format("smallest change: none of the caller's; {} denies every request, and no Allow outweighs it\n",
                         rule);
    return fmt::format("smallest change: {} must not match, since no Allow outweighs it; it goes by {}\n", rule,
                       fmt::join(explanation.deny_conditions, ", "));
  }
  if (!explanation.nearest) return "smallest change: none was found; no Allow rule can match\n";
  const RuleExplanation& rule = explanation.rules[*explanation.nearest];
  std::string out = fmt::format("smallest change: rule {} of policy {} would {} with\n", rule.rule, rule.policy,
                                explanation.denied_by.empty() ? "allow it" : "match");
  for (const Failure& failure : explanation.needed)
    out += fmt::format("  {}: expected {}, found {}\n", failure.field, failure.expected, failure.actual);
  if (!explanation.denied_by.empty())
    out += fmt::format("  and {} would deny it then, as every other change that was tried\n", explanation.denied_by);
  return out;
}

}  // namespace

std::string to_text(const Verdict& verdict) {
  std::string out =
      verdict.allow ? "allow" : fmt::format("deny ({} {})", reason_status(verdict.reason), reason_name(verdict.reason));
  if (!verdict.rule.empty()) out += fmt::format(" by rule {} of policy {}", verdict.rule, verdict.policy);
  if (!verdict.missing_scopes.empty()) out += "; missing scopes: " + listed(verdict.missing_scopes);
  return out;
}

std::string to_text(const Explanation& explanation) {
  std::string out = to_text(explanation.decision.enforced) + "\n";
  if (explanation.decision.audit) out += "with audit policies: " + to_text(*explanation.decision.audit) + "\n";
  std::string policy;
  for (const RuleExplanation& rule : explanation.rules) {
    if (rule.policy != policy) {
      policy = rule.policy;
      out += fmt::format("policy {}{}\n", policy, rule.mode == model::Mode::Audit ? " (audit)" : "");
    }
    out += fmt::format("  {} {}: {}\n", rule.action == model::Action::Allow ? "Allow" : "Deny", rule.rule,
                       rule.matches() ? "matches" : "does not match");
    if (!rule.note.empty() && rule.matches()) out += fmt::format("    {}\n", rule.note);
    if (rule.matches()) continue;
    const Failure& first = rule.failures.front();
    out += fmt::format("    {}: expected {}, found {}\n", first.field, first.expected, first.actual);
  }
  return out + smallest_change(explanation);
}

}  // namespace meshauth::policy
