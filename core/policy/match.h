// A principal compared with every `from` of a policy, once per token.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/policy/compiled_rules.h"
#include "core/policy/engine.h"
#include "core/policy/route_filter.h"

namespace meshauth::policy {

struct Match {
  const void* engine = nullptr;  ///< a match means nothing to another engine

  /// Providers are indexes into CompiledRules::providers(), sorted; identities of providers that no rule names are not
  /// here. kNone: no identity.
  std::uint32_t first_enforced = kNone;  ///< first that an enforced policy names
  std::uint32_t first = kNone;           ///< first of all

  RouteBits from;        ///< routes whose rule's `from` holds
  RouteBits scope_only;  ///< routes of Allow rules whose `from` fails by scopes alone; empty if none
  std::vector<std::optional<std::string>> texts;  ///< by CompiledRules::claims(): the scalar, if it is one
  std::vector<std::uint32_t> provider_of_rule;    ///< first that matched; empty where there is only `first`
  std::vector<std::pair<std::uint32_t, std::uint32_t>>
      scope_entries;  ///< by such a rule: its first entry that fails so
  std::vector<std::pair<std::uint32_t, std::vector<std::string>>>
      scopes;  ///< by provider, where scope_only is not empty

  friend bool operator==(const Match&, const Match&) = default;
};

enum class FromResult : std::uint8_t { Fails, FailsByScopes, Holds };

/// Does the entry hold for this identity of its provider?
FromResult compare(const model::From& from, const Identity& identity,
                   const std::optional<simdjson::dom::element>& claims);

bool holds(const model::ListMatch& wanted, const std::vector<std::string>* given);

/// The scopes that a caller with `given` lacks: of `all` those that are missing, of `any` all if none is there.
std::vector<std::string> missing(const model::ListMatch& wanted, const std::vector<std::string>& given);

std::shared_ptr<Match> make_match(const CompiledRules& rules, const std::vector<Route>& routes,
                                  const Principal& principal);

}  // namespace meshauth::policy
