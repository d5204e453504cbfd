#include "core/base/claim.h"

#include <fmt/format.h>

#include <algorithm>

namespace meshauth {
namespace {

using simdjson::dom::element;
using simdjson::dom::element_type;

constexpr std::pair<std::string_view, ClaimOperator> kOperators[] = {
    {"In", ClaimOperator::In},
    {"NotIn", ClaimOperator::NotIn},
    {"Exists", ClaimOperator::Exists},
    {"NotExists", ClaimOperator::NotExists},
    {"Contains", ClaimOperator::Contains},
    {"Prefix", ClaimOperator::Prefix},
    {"Suffix", ClaimOperator::Suffix},
};

bool among(const std::string& text, const std::vector<std::string>& values) {
  return std::find(values.begin(), values.end(), text) != values.end();
}

bool in_values(element claim, const std::vector<std::string>& values) {
  const auto texts = claim_texts(claim);
  return std::any_of(texts.begin(), texts.end(), [&](const std::string& text) { return among(text, values); });
}

bool contains_all(element claim, const std::vector<std::string>& values) {
  const auto texts = claim_texts(claim);
  return std::all_of(values.begin(), values.end(), [&](const std::string& value) { return among(value, texts); });
}

/// Only of strings: a number has no prefix.
template <class Match>
bool any_string(element claim, const std::vector<std::string>& values, Match match) {
  const auto matches = [&](element item) {
    std::string_view text;
    if (item.get(text) != simdjson::SUCCESS) return false;
    return std::any_of(values.begin(), values.end(), [&](const std::string& value) { return match(text, value); });
  };
  if (claim.type() != element_type::ARRAY) return matches(claim);
  const simdjson::dom::array items(claim);
  return std::any_of(items.begin(), items.end(), matches);
}

}  // namespace

std::string_view claim_operator_name(ClaimOperator op) noexcept {
  return kOperators[static_cast<std::size_t>(op)].first;
}

std::optional<ClaimOperator> claim_operator_from_name(std::string_view name) noexcept {
  for (const auto& [known, op] : kOperators) {
    if (known == name) return op;
  }
  return std::nullopt;
}

std::optional<element> find_claim(element claims, const ClaimPath& path) noexcept {
  element at = claims;
  for (const std::string& name : path) {
    simdjson::dom::object object;
    if (at.get(object) != simdjson::SUCCESS) return std::nullopt;
    if (object.at_key(name).get(at) != simdjson::SUCCESS) return std::nullopt;
  }
  return at;
}

std::optional<std::string> claim_text(element value) {
  switch (value.type()) {
    case element_type::STRING:
      return std::string(std::string_view(value));
    case element_type::BOOL:
      return bool(value) ? "true" : "false";
    case element_type::INT64:
      return fmt::format("{}", std::int64_t(value));
    case element_type::UINT64:
      return fmt::format("{}", std::uint64_t(value));
    case element_type::DOUBLE:
      return fmt::format("{}", double(value));
    default:
      return std::nullopt;
  }
}

std::vector<std::string> claim_texts(element value) {
  std::vector<std::string> out;
  const auto add = [&](element item) {
    if (auto text = claim_text(item)) out.push_back(std::move(*text));
  };
  if (value.type() == element_type::ARRAY) {
    const simdjson::dom::array items(value);
    out.reserve(items.size());
    for (const element item : items) add(item);
  } else {
    add(value);
  }
  return out;
}

bool holds(const ClaimCondition& condition, element claims) {
  const auto claim = find_claim(claims, condition.path);
  if (!claim) return condition.op == ClaimOperator::NotExists;
  switch (condition.op) {
    case ClaimOperator::Exists:
      return true;
    case ClaimOperator::NotExists:
      return false;
    case ClaimOperator::In:
      return in_values(*claim, condition.values);
    case ClaimOperator::NotIn:
      return !in_values(*claim, condition.values);
    case ClaimOperator::Contains:
      return contains_all(*claim, condition.values);
    case ClaimOperator::Prefix:
      return any_string(*claim, condition.values, [](auto text, auto& value) { return text.starts_with(value); });
    case ClaimOperator::Suffix:
      return any_string(*claim, condition.values, [](auto text, auto& value) { return text.ends_with(value); });
  }
  return false;
}

}  // namespace meshauth
