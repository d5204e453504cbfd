// The engine against the second implementation.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <set>

#include "core/policy/engine.h"
#include "core/policy/explain.h"
#include "core/policy/random_case_test.h"

namespace meshauth::policy {
namespace {

using testing::compiled;
using testing::OwnedPrincipal;
using testing::Random;
using testing::request_of;

constexpr std::size_t kCallersPerPolicy = 25, kRequestsPerCaller = 10;
constexpr std::size_t kLeastPolicies = 200, kLeastHits = 50;

std::size_t wanted_decisions() {
  if (const char* text = std::getenv("MESH_AUTH_DECISIONS")) return std::strtoull(text, nullptr, 10);
#ifdef NDEBUG
  return 10'000'000;
#else
  return 100'000;  // enough for every operator to be hit
#endif
}

bool same(const Verdict& verdict, const reference::Answer& answer) {
  return verdict.allow == answer.allow && reason_name(verdict.reason) == answer.reason &&
         verdict.policy == answer.policy && verdict.rule == answer.rule && verdict.provider == answer.provider &&
         verdict.missing_scopes == answer.missing_scopes;
}

bool same(const Decision& decision, const reference::Answers& answers) {
  if (decision.audit.has_value() != answers.audit.has_value()) return false;
  return same(decision.enforced, answers.enforced) && (!decision.audit || same(*decision.audit, *answers.audit));
}

std::string described(const Verdict& verdict) {
  return fmt::format("{} {} {} {} {}", verdict.allow, reason_name(verdict.reason), verdict.policy, verdict.rule,
                     verdict.provider);
}
std::string described(const reference::Answer& answer) {
  return fmt::format("{} {} {} {} {}", answer.allow, answer.reason, answer.policy, answer.rule, answer.provider);
}

struct Tally {
  std::size_t decisions = 0, allowed = 0, audit = 0, policies = 0;
  std::map<std::string, std::size_t> reasons;
};

/// The explanation tells of the decision what the decision is.
void check_explanation(const Engine& engine, const Principal& principal, const Request& request,
                       const Decision& decision) {
  const Explanation explanation = explain(engine, principal, request);
  CHECK(explanation.decision.enforced == decision.enforced);
  const RuleExplanation* deny = nullptr;
  const RuleExplanation* allow = nullptr;
  for (const RuleExplanation& rule : explanation.rules) {
    if (rule.mode == model::Mode::Audit || !rule.matches()) continue;
    const RuleExplanation*& first = rule.action == model::Action::Deny ? deny : allow;
    if (first == nullptr) first = &rule;
  }
  const RuleExplanation* by = deny != nullptr ? deny : allow;
  if (engine.selected()) CHECK(decision.enforced.allow == (by != nullptr && by == allow));
  CHECK(decision.enforced.rule == (by == nullptr ? "" : by->rule));
  CHECK(decision.enforced.policy == (by == nullptr ? "" : by->policy));
  if (decision.enforced.reason != Reason::scope_insufficient) return;
  REQUIRE(explanation.nearest);
  CHECK(explanation.rules[*explanation.nearest].failures.size() <= 2);
}

void compare_round(Random& random, Tally& tally) {
  auto policies = testing::random_policies(random);
  const bool default_allow = random.one_in(2);
  const auto action = default_allow ? model::Action::Allow : model::Action::Deny;
  const CompiledPolicy policy = compiled(policies, action);
  const std::string json = to_json(policy);
  const auto reread = from_json(json);
  REQUIRE_MESSAGE(reread, json);
  const Engine engine(*reread);
  // Any other order says the same.
  std::reverse(policies.begin(), policies.end());
  for (int order = 0; order < 3; ++order) {
    CHECK(to_json(compiled(policies, action)) == json);
    for (std::size_t left = policies.size(); left > 1; --left)
      std::swap(policies[left - 1], policies[random.below(left)]);
  }
  std::vector<const reference::Policy*> pointers;
  for (const auto& item : policies) pointers.push_back(&item);
  tally.policies += policies.size();
  for (std::size_t c = 0; c < kCallersPerPolicy; ++c) {
    const reference::Caller caller = testing::random_caller(random);
    const OwnedPrincipal principal(caller);
    const auto match = engine.match(principal.principal);
    std::vector<reference::Request> requests;
    for (std::size_t r = 0; r < kRequestsPerCaller; ++r) requests.push_back(testing::random_request(random));
    const auto all_answers = reference::decide(pointers, default_allow, caller, requests);
    for (std::size_t r = 0; r < kRequestsPerCaller; ++r) {
      const reference::Request& from = requests[r];
      const Path path{from.segments};
      const Decision decision = engine.decide(*match, request_of(from, path));
      const reference::Answers& answers = all_answers[r];
      ++tally.decisions;
      tally.allowed += answers.enforced.allow ? 1 : 0;
      tally.audit += answers.audit ? 1 : 0;
      ++tally.reasons[answers.enforced.reason];
      if (r == 0 && c % 5 == 0) check_explanation(engine, principal.principal, request_of(from, path), decision);
      if (same(decision, answers)) continue;
      FAIL(fmt::format("engine: {}\nreference: {}\naudit: {} / {}\npolicy: {}\nclaims: {}\nrequest: {} {} {}",
                       described(decision.enforced), described(answers.enforced),
                       decision.audit ? described(*decision.audit) : "-",
                       answers.audit ? described(*answers.audit) : "-", json, caller.claims.dump(), from.method,
                       from.host, nlohmann::json(from.segments).dump()));
    }
  }
}

}  // namespace

TEST_CASE("the engine decides as the reference does, over random policies, callers and requests") {
  const char* seed = std::getenv("MESH_AUTH_SEED");
  Random random(seed == nullptr ? 20240607 : std::strtoull(seed, nullptr, 10));
  Tally tally;
  while (tally.decisions < wanted_decisions()) compare_round(random, tally);
  CAPTURE(tally.decisions);
  CHECK(tally.policies >= kLeastPolicies);
  CHECK(tally.allowed * 100 >= tally.decisions * 30);
  CHECK(tally.audit >= kLeastHits);
  for (const char* reason :
       {"", "token_missing", "scope_insufficient", "no_rule_matched", "denied_by_rule", "no_policy"}) {
    CAPTURE(std::string(reason));
    CHECK(tally.reasons[reason] >= kLeastHits);
  }
  for (const char* what :
       {"In",          "NotIn",         "Exists",       "NotExists",  "Contains",   "Prefix",     "Suffix",
        "subjects",    "clients",       "scopes.all",   "scopes.any", "groups.all", "groups.any", "roles.all",
        "roles.any",   "methods",       "hosts",        "ports",      "paths",      "notMethods", "notHosts",
        "notPorts",    "notPaths",      "pathVariable", "sourceIPs",  "header",     "path **",    "path *",
        "path {name}", "path of names", "unresolved"}) {
    for (const char* end : {" holds", " fails"}) {
      CAPTURE(std::string(what) + end);
      CHECK(reference::hits().count[std::string(what) + end] >= kLeastHits);
    }
  }
  CHECK(reference::hits().count["anyone holds"] >= kLeastHits);
  MESSAGE(fmt::format("{} decisions, {} policies, {:.1f} % allowed, {} audit differences", tally.decisions,
                      tally.policies, 100.0 * static_cast<double>(tally.allowed) / static_cast<double>(tally.decisions),
                      tally.audit));
}

TEST_CASE("the reference includes nothing of the engine, by way of no header either") {
  std::vector<std::string> todo;
  for (const char* name : {"conditions.cc", "failures.cc", "reference.cc"}) {
    todo.push_back(std::string("core/policy/reference/") + name);
  }
  std::set<std::string> seen;
  while (!todo.empty()) {
    const std::string name = std::move(todo.back());
    todo.pop_back();
    if (!seen.insert(name).second) continue;
    CAPTURE(name);
    CHECK((name.starts_with("core/policy/reference/") || name.starts_with("core/model/") ||
           name.starts_with("core/base/")));
    std::ifstream file(std::string(MESH_AUTH_SOURCE_DIR) + "/" + name);
    REQUIRE(file);
    constexpr std::string_view kInclude = "#include \"";
    for (std::string line; std::getline(file, line);) {
      if (line.starts_with(kInclude)) todo.push_back(line.substr(kInclude.size(), line.rfind('"') - kInclude.size()));
    }
  }
  for (const char* found : {"core/policy/reference/failures.h", "core/model/access_policy.h", "core/base/cidr.h"}) {
    CHECK(seen.contains(found));
  }
}

}  // namespace meshauth::policy
