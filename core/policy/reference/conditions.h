// Each condition of a rule by itself, as the second implementation reads it.
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "core/model/access_policy.h"
#include "core/policy/reference/reference.h"

namespace meshauth::reference {

bool has(const std::vector<std::string>& list, const std::string& text);

/// A scalar as text; nullopt for null, lists and objects.
std::optional<std::string> text_of(const nlohmann::json& value);
/// Null pointer: it is not there.
const nlohmann::json* claim_at(const nlohmann::json& claims, const std::vector<std::string>& path);
bool claim_says(const ClaimCondition& condition, const nlohmann::json& claims);

bool list_holds(const model::ListMatch& match, const std::vector<std::string>& given);
bool subject_holds(const std::vector<std::string>& patterns, const std::string& subject);

struct Binding {
  std::map<std::string, std::string> variables;
};

/// How the pattern binds its variables, if it matches.
std::optional<Binding> path_binding(const std::string& pattern, const std::vector<std::string>& segments);
bool path_holds(const std::vector<std::string>& patterns, const std::vector<std::string>& segments);
bool host_holds(const std::vector<std::string>& patterns, const std::string& host);
bool port_holds(const std::vector<std::uint16_t>& ports, std::uint16_t port);

/// claims: null pointer: a token might say anything. deny: a header may be there more than once, and hold a list.
bool when_says(const model::When& when, const Request& request, const Binding& binding, const nlohmann::json* claims,
               bool deny);

/// A caller as one set of policies sees it: identities of providers that no policy of the set may use do not count.
Caller seen_by(const std::vector<const Policy*>& policies, const Caller& caller);

}  // namespace meshauth::reference
