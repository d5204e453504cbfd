#include "core/policy/reference/conditions.h"

#include <algorithm>
#include <set>

namespace meshauth::reference {
namespace {

using nlohmann::json;
using Strings = std::vector<std::string>;

Strings split(const std::string& text, char at) {
  Strings out(1);
  for (const char c : text) {
    if (c == at) {
      out.emplace_back();
    } else {
      out.back() += c;
    }
  }
  return out;
}

/// The claim as a list: a scalar is a list of one.
json list_of(const json& claim) {
  return claim.is_array() ? claim : json::array({claim});
}

bool in_block(const Cidr& block, const IpAddress& address) {
  for (unsigned bit = 0; bit < block.prefix; ++bit) {
    const unsigned shift = 7 - bit % 8;
    if ((block.base.bytes[bit / 8] >> shift & 1) != (address.bytes[bit / 8] >> shift & 1)) return false;
  }
  return true;
}

std::string without_blanks(std::string text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.erase(0, 1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.pop_back();
  return text;
}

}  // namespace

bool has(const Strings& list, const std::string& text) {
  for (const auto& item : list) {
    if (item == text) return true;
  }
  return false;
}

std::optional<std::string> text_of(const json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_boolean()) return value.get<bool>() ? "true" : "false";
  if (value.is_number()) return value.dump();
  return std::nullopt;
}

const json* claim_at(const json& claims, const Strings& path) {
  const json* at = &claims;
  for (const auto& name : path) {
    if (!at->is_object() || !at->contains(name)) return nullptr;
    at = &at->at(name);
  }
  return at;
}

bool claim_says(const ClaimCondition& condition, const json& claims) {
  const json* claim = claim_at(claims, condition.path);
  if (claim == nullptr) return condition.op == ClaimOperator::NotExists;
  Strings texts;
  Strings strings;
  for (const json& item : list_of(*claim)) {
    if (const auto text = text_of(item)) texts.push_back(*text);
    if (item.is_string()) strings.push_back(item.get<std::string>());
  }
  bool in = false, all = true, prefix = false, suffix = false;
  for (const auto& value : condition.values) {
    in = in || has(texts, value);
    all = all && has(texts, value);
    for (const auto& text : strings) {
      prefix = prefix || text.rfind(value, 0) == 0;
      suffix = suffix || (text.size() >= value.size() && text.substr(text.size() - value.size()) == value);
    }
  }
  switch (condition.op) {
    case ClaimOperator::Exists:
      return true;
    case ClaimOperator::NotExists:
      return false;
    case ClaimOperator::In:
      return in;
    case ClaimOperator::NotIn:
      return !in;
    case ClaimOperator::Contains:
      return all;
    case ClaimOperator::Prefix:
      return prefix;
    case ClaimOperator::Suffix:
      return suffix;
  }
  return false;
}

bool list_holds(const model::ListMatch& match, const Strings& given) {
  for (const auto& text : match.all) {
    if (!has(given, text)) return false;
  }
  for (const auto& text : match.any) {
    if (has(given, text)) return true;
  }
  return match.any.empty();
}

bool subject_holds(const Strings& patterns, const std::string& subject) {
  for (const auto& pattern : patterns) {
    const Strings parts = split(pattern, '*');
    if (parts.size() == 1 && pattern == subject) return true;
    if (parts.size() == 1 || subject.size() < parts[0].size() + parts[1].size()) continue;
    if (subject.substr(0, parts[0].size()) == parts[0] && subject.substr(subject.size() - parts[1].size()) == parts[1])
      return true;
  }
  return patterns.empty();
}

std::optional<Binding> path_binding(const std::string& pattern, const Strings& segments) {
  Strings pieces = split(pattern.substr(1), '/');
  const bool rest = pieces.back() == "**";
  if (rest) pieces.pop_back();
  if (segments.size() < pieces.size() || (!rest && segments.size() > pieces.size())) return std::nullopt;
  Binding out;
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    const std::string& piece = pieces[i];
    if (piece == "*" || (!piece.empty() && piece[0] == '{')) {
      if (segments[i].empty()) return std::nullopt;
      if (piece != "*") out.variables[piece.substr(1, piece.size() - 2)] = segments[i];
    } else if (piece != segments[i]) {
      return std::nullopt;
    }
  }
  return out;
}

bool host_holds(const Strings& patterns, const std::string& host) {
  for (const auto& pattern : patterns) {
    if (pattern == host) return true;
    if (pattern[0] == '[' && host[0] == '[') {  // one address has many spellings
      const auto address = [](const std::string& text) { return IpAddress::parse(text.substr(1, text.size() - 2)); };
      if (address(pattern) == address(host)) return true;
    }
    if (pattern[0] != '*') continue;
    const std::string end = pattern.substr(1);
    if (host.size() > end.size() && host.substr(host.size() - end.size()) == end) return true;
  }
  return false;
}

bool path_holds(const Strings& patterns, const Strings& segments) {
  for (const auto& pattern : patterns) {
    if (path_binding(pattern, segments)) return true;
  }
  return false;
}

bool port_holds(const std::vector<std::uint16_t>& ports, std::uint16_t port) {
  return std::count(ports.begin(), ports.end(), port) > 0;
}

bool when_says(const model::When& when, const Request& request, const Binding& binding, const json* claims, bool deny) {
  if (const auto* source = std::get_if<model::SourceIpCondition>(&when)) {
    for (const Cidr& block : source->blocks) {
      if (in_block(block, request.source)) return true;
    }
    return false;
  }
  if (const auto* header = std::get_if<model::HeaderCondition>(&when)) {
    const auto [begin, end] = request.headers.equal_range(header->name);
    bool said = false;
    for (auto at = begin; at != end; ++at) {
      said = said || has(header->values, without_blanks(at->second));
      if (!deny) continue;
      for (const auto& member : split(at->second, ',')) said = said || has(header->values, without_blanks(member));
    }
    return said && (deny || std::next(begin) == end);
  }
  const auto& variable = std::get<model::PathVariableCondition>(when);
  const auto bound = binding.variables.find(variable.variable);
  if (bound == binding.variables.end()) return false;
  if (claims == nullptr) return true;
  const json* claim = claims->is_null() ? nullptr : claim_at(*claims, variable.equals_claim);
  return claim != nullptr && text_of(*claim) == bound->second;
}

Caller seen_by(const std::vector<const Policy*>& policies, const Caller& caller) {
  std::set<std::string> named;
  for (const Policy* policy : policies) {
    for (const auto& rule : policy->policy.rules) {
      for (const auto& from : rule.from) {
        if (from.provider && policy->unresolved.count(from.provider->id()) == 0) named.insert(from.provider->id());
      }
    }
  }
  Caller out;
  for (const auto& identity : caller.identities) {
    if (named.count(identity.provider) > 0) out.identities.push_back(identity);
  }
  std::sort(out.identities.begin(), out.identities.end(),
            [](const auto& a, const auto& b) { return a.provider < b.provider; });
  if (!out.identities.empty()) out.claims = caller.claims;
  return out;
}

}  // namespace meshauth::reference
