// Claims of a token: where one is, what it says, and conditions on it.
#pragma once

#include <simdjson.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace meshauth {

/// Member names from the outermost object inwards. Names are exact: {"kubernetes.io", "namespace"} and
/// {"https://example.com/roles"} need no escaping, and nothing splits a name at dots.
using ClaimPath = std::vector<std::string>;

enum class ClaimOperator : std::uint8_t { In, NotIn, Exists, NotExists, Contains, Prefix, Suffix };

std::string_view claim_operator_name(ClaimOperator op) noexcept;
std::optional<ClaimOperator> claim_operator_from_name(std::string_view name) noexcept;

struct ClaimCondition {
  ClaimPath path;
  ClaimOperator op = ClaimOperator::Exists;
  std::vector<std::string> values;  ///< empty for Exists and NotExists

  friend bool operator==(const ClaimCondition&, const ClaimCondition&) = default;
};

/// The claim at the path; nullopt where a member is missing or something on the way is no object. A null is there.
std::optional<simdjson::dom::element> find_claim(simdjson::dom::element claims, const ClaimPath& path) noexcept;

/// A scalar as text: a string as it is, true and false, integers in decimal, other numbers in their shortest form that
/// reads back. nullopt for null, objects and arrays.
std::optional<std::string> claim_text(simdjson::dom::element value);

/// The scalars of the claim: one for a scalar, each scalar element for an array (others are passed over), none else.
std::vector<std::string> claim_texts(simdjson::dom::element value);

/// Holds as the design of AccessPolicy says: a missing claim satisfies only NotExists; In: the scalar, or an element of
/// the list, is among the values; NotIn: it is there and In is false; Contains: the list (or the one scalar) holds all
/// values; Prefix, Suffix: of the string, or of an element of the list.
bool holds(const ClaimCondition& condition, simdjson::dom::element claims);

}  // namespace meshauth
