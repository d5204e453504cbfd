// AccessPolicy meshauth.dev/v1alpha1 as a value: whatever exists here was valid.
#pragma once

#include <array>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <tl/expected.hpp>
#include <variant>
#include <vector>

#include "core/base/cidr.h"
#include "core/base/claim.h"
#include "core/model/meta.h"

namespace meshauth::model {

enum class Action : std::uint8_t { Allow, Deny };
enum class Mode : std::uint8_t { Enforce, Audit };

struct ProviderRef {
  std::string ns, name;  ///< ns is the policy's own where the resource leaves it out
  std::string id() const { return ns + "/" + name; }
  friend bool operator==(const ProviderRef&, const ProviderRef&) = default;
};

/// all: every one is there; any: at least one is. Both may be set: both hold. Both empty: not asked.
struct ListMatch {
  std::vector<std::string> all, any;
  bool empty() const { return all.empty() && any.empty(); }
  friend bool operator==(const ListMatch&, const ListMatch&) = default;
};

/// One entry of `from`. anyone: with or without a principal; else provider is set and every field that is not empty
/// holds.
struct From {
  bool anyone = false;
  std::optional<ProviderRef> provider;
  std::vector<std::string> subjects;  ///< exact, or with one *
  std::vector<std::string> clients;   ///< exact
  ListMatch scopes, groups, roles;
  std::vector<ClaimCondition> claims;
};

/// One entry of `to`: each list that is not empty must match (any element), each not-list must not.
struct To {
  std::vector<std::string> methods, paths, hosts;
  std::vector<std::uint16_t> ports;
  std::vector<std::string> not_methods, not_paths, not_hosts;
  std::vector<std::uint16_t> not_ports;
};

struct PathVariableCondition {
  std::string variable;
  ClaimPath equals_claim;
};
struct SourceIpCondition {
  std::vector<Cidr> blocks;
};
struct HeaderCondition {
  std::string name;                 ///< lower case
  std::vector<std::string> values;  ///< any of them, exact; for an Allow the header must be there exactly once
};
using When = std::variant<PathVariableCondition, SourceIpCondition, HeaderCondition>;

struct Rule {
  std::string name;
  Action action = Action::Allow;
  std::vector<From> from;  ///< empty only for Deny: anyone
  std::vector<To> to;      ///< empty: everything
  std::vector<When> when;  ///< all hold
};

struct AccessPolicy {
  Meta meta;
  std::optional<std::vector<std::string>> workloads;  ///< nullopt: every workload of the namespace
  Mode mode = Mode::Enforce;
  std::vector<Rule> rules;
};

/// Reads one API object. All that is wrong is told at once.
tl::expected<AccessPolicy, FieldErrors> parse_access_policy(const nlohmann::json& object);

}  // namespace meshauth::model
