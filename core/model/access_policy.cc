#include "core/model/access_policy.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "core/base/text.h"
#include "core/model/common.h"

namespace meshauth::model {
namespace {

using nlohmann::json;

constexpr std::size_t kMostRules = 64;
constexpr std::size_t kMostEntries = 16;

ListMatch read_list_match(const json* value, const std::string& field, Faults& faults, const Form& form) {
  if (value == nullptr) return {};
  const ObjectReader object(*value, field, faults, {"all", "any"});
  ListMatch match;
  match.all = read_texts(object.member("all"), object.field("all"), faults, form);
  match.any = read_texts(object.member("any"), object.field("any"), faults, form);
  if (object.is_object() && object.has("all") == object.has("any")) {
    faults.add(field, "needs exactly one of all and any");
  }
  return match;
}

std::optional<ProviderRef> read_provider_ref(const json* value, const std::string& field, Faults& faults,
                                             const std::string& own_namespace) {
  if (value == nullptr) return std::nullopt;
  const ObjectReader object(*value, field, faults, {"name", "namespace"});
  ProviderRef ref{own_namespace, {}};
  if (const json* name = object.needed("name", "write the name of an IdentityProvider")) {
    ref.name = read_text(*name, object.field("name"), faults, kDnsSubdomain);
  }
  if (const json* ns = object.member("namespace"))
    ref.ns = read_text(*ns, object.field("namespace"), faults, kDnsLabel);
  return ref;
}

From read_from(const json& item, const std::string& field, Faults& faults, const std::string& own_namespace) {
  const ObjectReader object(
      item, field, faults,
      {"identityProvider", "anyone", "subjects", "clients", "scopes", "groups", "roles", "claims"});
  object.not_empty("say who is meant, or write {anyone: true}");
  From from;
  from.provider =
      read_provider_ref(object.member("identityProvider"), object.field("identityProvider"), faults, own_namespace);
  if (const json* anyone = object.member("anyone")) {
    from.anyone = *anyone == true;
    if (!from.anyone) {
      faults.add(object.field("anyone"), fmt::format("{}; write true, or leave it out", found(*anyone)));
    }
    if (from.provider) {
      faults.add(object.field("anyone"), "anyone is every caller: remove it, or remove identityProvider");
    }
  }
  from.subjects = read_texts(object.member("subjects"), object.field("subjects"), faults, kSubject);
  from.clients = read_texts(object.member("clients"), object.field("clients"), faults, kNoStar);
  from.scopes = read_list_match(object.member("scopes"), object.field("scopes"), faults, kScope);
  from.groups = read_list_match(object.member("groups"), object.field("groups"), faults, kNoStar);
  from.roles = read_list_match(object.member("roles"), object.field("roles"), faults, kNoStar);
  from.claims = read_claim_conditions(object.member("claims"), object.field("claims"), faults);
  const auto needs_provider = {"subjects", "clients", "scopes", "groups", "roles", "claims"};
  if (!from.provider &&
      std::any_of(needs_provider.begin(), needs_provider.end(), [&](auto name) { return object.has(name); })) {
    faults.add(
        object.field("identityProvider"),
        "missing; subjects, clients, scopes, groups, roles and claims mean nothing without the provider that vouches "
        "for them: add identityProvider: {name: ...}");
  }
  return from;
}

/// Every {name} of a path pattern, in order.
std::vector<std::string> variables_of(std::string_view pattern) {
  std::vector<std::string> out;
  for (const std::string_view segment : split(pattern, '/')) {
    if (segment.starts_with('{')) out.emplace_back(segment.substr(1, segment.size() - 2));
  }
  return out;
}

std::vector<std::string> read_paths(const json* value, const std::string& field, Faults& faults) {
  auto paths = read_texts(value, field, faults, kPathPattern);
  for (std::size_t i = 0; i < paths.size(); ++i) {
    auto names = variables_of(paths[i]);
    std::sort(names.begin(), names.end());
    const auto twice = std::adjacent_find(names.begin(), names.end());
    if (twice != names.end()) {
      faults.add(fmt::format("{}[{}]", field, i),
                 fmt::format("holds {{{}}} twice; give each variable a name of its own", *twice));
    }
  }
  return paths;
}

std::vector<std::uint16_t> read_ports(const json* value, const std::string& field, Faults& faults) {
  std::vector<std::uint16_t> out;
  if (value == nullptr) return out;
  read_list(*value, field, faults, 1, kMostValues, [&](const json& item, const std::string& at) {
    // 80.0 is an integer to the API server too.
    const double number = item.is_number() ? item.get<double>() : 0;
    if (number < 1 || number > 65535 || number != static_cast<std::uint16_t>(number)) {
      faults.add(at, fmt::format("{}; write a port from 1 to 65535", found(item)));
      return;
    }
    out.push_back(static_cast<std::uint16_t>(number));
  });
  return out;
}

To read_to(const json& item, const std::string& field, Faults& faults) {
  const ObjectReader object(item, field, faults,
                            {"methods", "notMethods", "paths", "notPaths", "hosts", "notHosts", "ports", "notPorts"});
  object.not_empty("say which requests are meant, or leave `to` out for all");
  const auto texts = [&](std::string_view name, const Form& form) {
    return read_texts(object.member(name), object.field(name), faults, form);
  };
  To to;
  to.methods = texts("methods", kMethod);
  to.not_methods = texts("notMethods", kMethod);
  to.paths = read_paths(object.member("paths"), object.field("paths"), faults);
  to.not_paths = read_paths(object.member("notPaths"), object.field("notPaths"), faults);
  to.hosts = texts("hosts", kHostPattern);
  to.not_hosts = texts("notHosts", kHostPattern);
  to.ports = read_ports(object.member("ports"), object.field("ports"), faults);
  to.not_ports = read_ports(object.member("notPorts"), object.field("notPorts"), faults);
  return to;
}

std::vector<Cidr> read_networks(const json* value, const std::string& field, Faults& faults) {
  std::vector<Cidr> out;
  for (const std::string& text : read_texts(value, field, faults, kCidr)) {
    if (const auto block = Cidr::parse(text)) out.push_back(*block);
  }
  return out;
}

std::optional<When> read_when(const json& item, const std::string& field, Faults& faults) {
  const ObjectReader object(item, field, faults, {"pathVariable", "equalsClaim", "sourceIPs", "header", "values"});
  object.not_empty("write one of {pathVariable, equalsClaim}, {sourceIPs} and {header, values}");
  PathVariableCondition variable;
  if (const json* name = object.member("pathVariable")) {
    variable.variable = read_text(*name, object.field("pathVariable"), faults, kVariable);
  }
  variable.equals_claim = read_claim_path(object.member("equalsClaim"), object.field("equalsClaim"), faults);
  SourceIpCondition source{read_networks(object.member("sourceIPs"), object.field("sourceIPs"), faults)};
  HeaderCondition header;
  if (const json* name = object.member("header")) {
    header.name = to_lower(read_text(*name, object.field("header"), faults, kHeaderName));
  }
  header.values = read_texts(object.member("values"), object.field("values"), faults, kText);
  if (object.has("pathVariable") != object.has("equalsClaim")) {
    faults.add(field,
               "pathVariable and equalsClaim go together: write both, such as {pathVariable: id, equalsClaim: [sub]}");
  }
  if (object.has("header") != object.has("values")) {
    faults.add(field, "header and values go together: write both, such as {header: X-Tenant, values: [blue]}");
  }
  const int kinds = int(object.has("pathVariable")) + int(object.has("sourceIPs")) + int(object.has("header"));
  if (kinds > 1) {
    faults.add(field, "holds more than one condition: write each as an entry of its own; all entries hold at once");
  }
  if (object.has("pathVariable")) return variable;
  if (object.has("sourceIPs")) return source;
  if (object.has("header")) return header;
  return std::nullopt;
}

/// A condition on a path variable can only hold where the path has that variable.
void check_variables(const Rule& rule, const std::string& field, Faults& faults) {
  for (const When& when : rule.when) {
    const auto* condition = std::get_if<PathVariableCondition>(&when);
    if (condition == nullptr) continue;
    constexpr std::string_view kEvery = "every entry of to needs paths that hold it, such as";
    if (rule.to.empty()) {
      faults.add(field + ".to", fmt::format("missing; a pathVariable stands in paths: {} /users/{{{}}}/**", kEvery,
                                            condition->variable));
    }
    for (std::size_t i = 0; i < rule.to.size(); ++i) {
      if (rule.to[i].paths.empty()) {
        faults.add(
            fmt::format("{}.to[{}].paths", field, i),
            fmt::format("missing; a pathVariable stands in paths: {} /users/{{{}}}/**", kEvery, condition->variable));
      }
      for (std::size_t j = 0; j < rule.to[i].paths.size(); ++j) {
        const auto names = variables_of(rule.to[i].paths[j]);
        if (std::find(names.begin(), names.end(), condition->variable) != names.end()) continue;
        faults.add(
            fmt::format("{}.to[{}].paths[{}]", field, i, j),
            fmt::format(
                "does not hold {{{0}}}, which `when` compares; put {{{0}}} into the path, or make it a rule of its "
                "own without that condition",
                condition->variable));
      }
    }
  }
}

Rule read_rule(const json& item, const std::string& field, Faults& faults, const std::string& own_namespace) {
  const ObjectReader object(item, field, faults, {"name", "action", "from", "to", "when"});
  Rule rule;
  if (const json* name = object.needed("name", "give the rule a name; it appears in logs")) {
    rule.name = read_text(*name, object.field("name"), faults, kDnsLabel);
  }
  const json* action = object.needed("action", "write Allow or Deny");
  if (action != nullptr && read_word(*action, object.field("action"), faults, {"Allow", "Deny"}) == 1) {
    rule.action = Action::Deny;
  }
  if (const json* from = object.member("from")) {
    read_list(*from, object.field("from"), faults, 1, kMostEntries, [&](const json& entry, const std::string& at) {
      rule.from.push_back(read_from(entry, at, faults, own_namespace));
    });
  } else if (action != nullptr && *action == "Allow") {
    faults.add(object.field("from"),
               "missing; an Allow needs from: say who is allowed, or write from: [{anyone: true}]");
  }
  if (const json* to = object.member("to")) {
    read_list(*to, object.field("to"), faults, 1, kMostEntries,
              [&](const json& entry, const std::string& at) { rule.to.push_back(read_to(entry, at, faults)); });
  }
  if (const json* when = object.member("when")) {
    read_list(*when, object.field("when"), faults, 1, kMostEntries, [&](const json& entry, const std::string& at) {
      if (auto condition = read_when(entry, at, faults)) rule.when.push_back(std::move(*condition));
    });
  }
  check_variables(rule, field, faults);
  return rule;
}

}  // namespace

tl::expected<AccessPolicy, FieldErrors> parse_access_policy(const json& object) {
  Faults faults;
  AccessPolicy policy;
  const ObjectReader spec = open_resource(object, "AccessPolicy", policy.meta, faults, {"workloads", "mode", "rules"});
  if (const json* workloads = spec.member("workloads")) {
    policy.workloads = read_set(workloads, spec.field("workloads"), faults, kDnsLabel);
  }
  if (const json* mode = spec.member("mode")) {
    if (read_word(*mode, spec.field("mode"), faults, {"Enforce", "Audit"}) == 1) policy.mode = Mode::Audit;
  }
  if (const json* rules = spec.needed("rules", "write a list of rules; [] selects the workloads and allows nothing")) {
    std::set<std::string> names;
    read_list(*rules, spec.field("rules"), faults, 0, kMostRules, [&](const json& item, const std::string& field) {
      policy.rules.push_back(read_rule(item, field, faults, policy.meta.ns));
      const std::string& name = policy.rules.back().name;
      if (!name.empty() && !names.insert(name).second) {
        faults.add(field, fmt::format("name {} stands twice; give each rule a name of its own", in_quotes(name)));
      }
    });
  }
  if (!faults.none()) return tl::unexpected(faults.take());
  return policy;
}

}  // namespace meshauth::model
