#include "core/policy/compiled_rules.h"

#include <algorithm>

#include "core/base/text.h"
#include "core/policy/path.h"

namespace meshauth::policy {
namespace {

bool resolves(const CompiledPolicy& policy, const CompiledPolicy::Entry& entry, const model::ProviderRef& provider) {
  const std::string id = provider.id();
  return policy.unresolved.count(id) == 0 && entry.unresolved.count(id) == 0;
}

template <class T>
bool among(const std::vector<T>& list, const auto& value) {
  return std::find(list.begin(), list.end(), value) != list.end();
}

bool any_matches(const auto& patterns, const auto& value) {
  return std::any_of(patterns.begin(), patterns.end(), [&](const auto& pattern) { return pattern.matches(value); });
}

template <class Visit>
void each_rule(const CompiledPolicy& policy, Visit visit) {
  for (const CompiledPolicy::Entry& entry : policy.policies) {
    for (const model::Rule& rule : entry.rules) visit(entry, rule);
  }
}

}  // namespace

void Names::add(std::string_view name) {
  names_.emplace_back(name);
}

void Names::freeze() {
  std::sort(names_.begin(), names_.end());
  names_.erase(std::unique(names_.begin(), names_.end()), names_.end());
}

std::uint32_t Names::find(std::string_view name) const {
  const auto at = std::lower_bound(names_.begin(), names_.end(), name);
  return at == names_.end() || *at != name ? kNone : static_cast<std::uint32_t>(at - names_.begin());
}

bool ToMatch::excludes(const Request& request) const {
  return any_matches(not_hosts, request.host) || any_matches(not_paths, *request.path);
}

bool header_holds(const std::vector<std::string>& wanted, const std::vector<std::string_view>& lines, bool deny) {
  if (!deny) return lines.size() == 1 && among(wanted, field_value(lines.front()));
  return std::any_of(lines.begin(), lines.end(), [&](std::string_view line) {
    if (among(wanted, field_value(line))) return true;
    const auto members = split(line, ',');
    return std::any_of(members.begin(), members.end(), [&](auto member) { return among(wanted, field_value(member)); });
  });
}

const std::vector<std::string_view>& HeaderLines::of(std::uint32_t header) {
  if (seen_.empty()) seen_.resize(names_.size());
  auto& lines = seen_[header];
  if (!lines) lines = request_.headers ? request_.headers(names_[header]) : std::vector<std::string_view>();
  return *lines;
}

bool RuleMatch::conditions_hold(const Request& request, HeaderLines& lines) const {
  for (const model::SourceIpCondition* source : sources) {
    const auto& blocks = source->blocks;
    const auto holds = [&](const Cidr& block) { return block.contains(request.source); };
    if (std::none_of(blocks.begin(), blocks.end(), holds)) return false;
  }
  return std::all_of(headers.begin(), headers.end(), [&](const HeaderCheck& check) {
    return header_holds(*check.values, lines.of(check.header), deny);
  });
}

CompiledRules::CompiledRules(const CompiledPolicy& policy) {
  each_rule(policy, [&](const auto& entry, const model::Rule& rule) {
    for (const model::From& from : rule.from) {
      if (from.provider && resolves(policy, entry, *from.provider)) providers_.add(from.provider->id());
    }
    for (const model::When& when : rule.when) {
      if (const auto* header = std::get_if<model::HeaderCondition>(&when)) headers_.add(header->name);
    }
  });
  providers_.freeze();
  headers_.freeze();
  provider_enforced_.resize(providers_.size());
  each_rule(policy, [&](const auto& entry, const model::Rule& rule) { add_rule(policy, entry, rule); });
}

void CompiledRules::add_rule(const CompiledPolicy& policy, const CompiledPolicy::Entry& entry,
                             const model::Rule& rule) {
  RuleMatch out;
  out.policy = &entry;
  out.rule = &rule;
  out.deny = rule.action == model::Action::Deny;
  out.audit = entry.mode == model::Mode::Audit;
  if (rule.from.empty()) out.from.push_back({});
  for (const model::From& from : rule.from) {
    FromMatch match{FromMatch::Kind::Anyone, kNone, &from};
    if (from.provider && resolves(policy, entry, *from.provider)) {
      match.kind = FromMatch::Kind::Provider;
      match.provider = providers_.find(from.provider->id());
      out.takes_tokens = true;
      if (!out.audit) provider_enforced_[match.provider] = true;
    } else if (from.provider && !out.deny) {
      match.kind = FromMatch::Kind::Nobody;
    }
    out.from.push_back(match);
  }
  out.anyone = std::any_of(out.from.begin(), out.from.end(),
                           [](const FromMatch& from) { return from.kind == FromMatch::Kind::Anyone; });
  for (const model::When& when : rule.when) {
    if (const auto* source = std::get_if<model::SourceIpCondition>(&when)) out.sources.push_back(source);
    if (const auto* header = std::get_if<model::HeaderCondition>(&when))
      out.headers.push_back({headers_.find(header->name), &header->values});
    if (const auto* variable = std::get_if<model::PathVariableCondition>(&when)) {
      out.variables.push_back({variable->variable, claim(variable->equals_claim)});
    }
  }
  rules_.push_back(std::move(out));
  std::vector<std::uint32_t> tos;
  for (const model::To& to : rule.to) {
    ToMatch match{&to, {}, {}};
    for (const std::string& host : to.not_hosts) match.not_hosts.emplace_back(host);
    for (const std::string& path : to.not_paths) match.not_paths.emplace_back(path);
    tos.push_back(static_cast<std::uint32_t>(tos_.size()));
    tos_.push_back(std::move(match));
  }
  tos_of_rule_.push_back(std::move(tos));
}

std::uint32_t CompiledRules::claim(const ClaimPath& path) {
  const auto at = std::find(claims_.begin(), claims_.end(), path);
  if (at != claims_.end()) return static_cast<std::uint32_t>(at - claims_.begin());
  claims_.push_back(path);
  return static_cast<std::uint32_t>(claims_.size() - 1);
}

std::vector<Way> CompiledRules::ways() const {
  std::vector<Way> out;
  for (std::uint32_t rule = 0; rule < rules_.size(); ++rule) {
    if (tos_of_rule_[rule].empty()) add_ways(out, rule, kNone);
    for (const std::uint32_t to : tos_of_rule_[rule]) add_ways(out, rule, to);
  }
  return out;
}

void CompiledRules::add_ways(std::vector<Way>& out, std::uint32_t rule, std::uint32_t to) const {
  const auto& checks = rules_[rule].variables;
  std::vector<Way> by_path;
  const model::To* entry = to == kNone ? nullptr : tos_[to].to;
  if (entry == nullptr || entry->paths.empty()) {
    by_path.push_back({{rule, to, std::vector(checks.size(), Route::kUnbound)}, nullptr, std::nullopt});
  } else {
    for (const std::string& path : entry->paths) {
      Way way{{rule, to, {}}, nullptr, PathPattern(path)};
      for (const VariableCheck& check : checks) {
        const auto segment = way.path->variable(check.variable);
        way.route.variables.push_back(segment ? static_cast<std::uint16_t>(*segment) : Route::kUnbound);
      }
      by_path.push_back(std::move(way));
    }
  }
  if (entry == nullptr || entry->hosts.empty()) {
    out.insert(out.end(), by_path.begin(), by_path.end());
    return;
  }
  for (const std::string& host : entry->hosts) {
    for (Way way : by_path) {
      way.host = &host;
      out.push_back(std::move(way));
    }
  }
}

}  // namespace meshauth::policy
