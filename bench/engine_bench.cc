// How long one decision takes for a caller whose token was seen before, by the number of rules.
#include <benchmark/benchmark.h>

#include <memory>
#include <string>
#include <vector>

#include "bench/rule_sets.h"
#include "core/policy/engine.h"

namespace meshauth::bench {
namespace {

/// One caller's matches and its request, over a rule set.
class Question {
 public:
  Question(policy::CompiledPolicy rules, std::vector<std::string> scopes, const std::string& path)
      : engine_(std::move(rules)), scopes_(std::move(scopes)), path_(*policy::decode_path(path)) {
    policy::Principal principal;
    principal.identities = {{"shop/idp", "ann", "app", &scopes_, &none_, &none_}};
    match_ = engine_.match(principal);
    request_.method = "GET";
    request_.path = &path_;
    request_.host = "orders.shop.svc";
    request_.port = 8080;
    request_.headers = [](std::string_view) { return std::vector<std::string_view>(); };
  }

  policy::Decision ask() const { return engine_.decide(*match_, request_); }

 private:
  policy::Engine engine_;
  std::vector<std::string> scopes_, none_;
  policy::Path path_;
  policy::Request request_;
  std::shared_ptr<const policy::Match> match_;
};

void run(benchmark::State& state, const Question& question, bool allowed) {
  if (question.ask().enforced.allow != allowed) return state.SkipWithError("the decision is not the expected one");
  for (auto _ : state) {  // NOLINT(clang-analyzer-deadcode.DeadStores): how google-benchmark is used
    auto decision = question.ask();
    benchmark::DoNotOptimize(decision);
  }
}

std::size_t rules_of(const benchmark::State& state) {
  return static_cast<std::size_t>(state.range(0));
}

void hit(benchmark::State& state) {
  const std::size_t rules = rules_of(state), number = rules / 2;
  run(state, {rule_set(rules), {scope_of(number)}, path_of(number)}, true);
}

void miss(benchmark::State& state) {
  run(state, {rule_set(rules_of(state)), {scope_of(0)}, "/api/v1/team-3/service-none/items/8"}, false);
}

/// Every rule is for this path, and fails in its last condition.
void worst(benchmark::State& state) {
  auto rules = rule_set(rules_of(state));
  for (auto& policy : rules.policies) {
    for (auto& rule : policy.rules) {
      rule.to.front().paths = {"/api/v1/items/{id}"};
      rule.from.front().scopes = {};
      rule.when = {model::HeaderCondition{"x-tier", {"gold"}}};
    }
  }
  run(state, {std::move(rules), {}, "/api/v1/items/8"}, false);
}

BENCHMARK(hit)->Arg(10)->Arg(1000)->Arg(10000);
BENCHMARK(miss)->Arg(10)->Arg(1000)->Arg(10000);
BENCHMARK(worst)->Arg(10)->Arg(1000)->Arg(10000);

}  // namespace
}  // namespace meshauth::bench

BENCHMARK_MAIN();
