#include "bench/rule_sets.h"

#include <fmt/format.h>

namespace meshauth::bench {
namespace {

constexpr std::size_t kRulesOfAPolicy = 50, kTeams = 10, kScopes = 20;

std::string prefix(std::size_t number, int version) {
  return fmt::format("/api/v{}/team-{}/service-{}", version, number % kTeams, number);
}

model::Rule rule(std::size_t number, int version) {
  model::Rule out;
  out.name = fmt::format("rule-{}", number);
  model::From from;
  from.provider = model::ProviderRef{"shop", "idp"};
  from.scopes.all = {scope_of(number)};
  out.from = {from};
  model::To to;
  to.methods = {"GET", "HEAD"};
  to.paths = {prefix(number, version) + (number % 3 == 0 ? "/{id}/items/**" : "/items/**")};
  out.to = {to};
  return out;
}

}  // namespace

std::string scope_of(std::size_t number) {
  return fmt::format("scope-{}", number % kScopes);
}

std::string path_of(std::size_t number) {
  return prefix(number, 1) + (number % 3 == 0 ? "/4711/items/8" : "/items/8");
}

policy::CompiledPolicy rule_set(std::size_t rules, int version) {
  policy::CompiledPolicy out;
  for (std::size_t number = 0; number < rules; ++number) {
    if (number % kRulesOfAPolicy == 0) {
      out.policies.emplace_back();
      out.policies.back().id = fmt::format("shop/policy-{:04}", number / kRulesOfAPolicy);
    }
    out.policies.back().rules.push_back(rule(number, version));
  }
  return out;
}

}  // namespace meshauth::bench
