// policy.json is read in the data plane, hence with simdjson, and as strictly as a resource: it is signed, but a reader
// that passes over what it does not know would widen rules after an upgrade of the writer alone.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "core/base/json_doc.h"
#include "core/base/text.h"
#include "core/model/forms.h"
#include "core/policy/compiled_policy.h"

namespace meshauth::policy {
namespace {

using model::Form;
using simdjson::dom::element;

constexpr std::size_t kMostPolicies = 4096;
constexpr std::size_t kMostRules = 64;
constexpr std::size_t kMostEntries = 16;
constexpr std::size_t kMostClaims = 8;
constexpr std::size_t kMostValues = 64;
constexpr std::size_t kMostUnresolved = 4096;

/// Thrown inside this file alone: a reader of forty small functions that each hand on an error is harder to check.
struct Fault {
  std::string message;
};

[[noreturn]] void refuse(std::string_view field, std::string_view message) {
  throw Fault{fmt::format("policy.json, {}: {}", field, message)};
}

/// One object; every member must be asked for.
class Object {
 public:
  Object(element value, std::string field) : field_(std::move(field)) {
    if (value.get(object_) != simdjson::SUCCESS) refuse(field_, "is no object");
  }
  std::optional<element> member(std::string_view name) {
    element value;
    if (object_.at_key(name).get(value) != simdjson::SUCCESS) return std::nullopt;
    if (seen_ < asked_.size()) asked_[seen_] = name;
    ++seen_;
    return value;
  }
  element needed(std::string_view name) {
    const auto value = member(name);
    if (!value) refuse(at(name), "is missing");
    return *value;
  }
  std::string at(std::string_view name) const { return fmt::format("{}.{}", field_, name); }
  const std::string& field() const { return field_; }
  /// Each member is asked for once, so another count means one that nobody knows.
  void finish() const {
    if (seen_ != object_.size()) refuse(field_, fmt::format("has the member {}, which is not known", unknown()));
  }

 private:
  /// The first that was not asked for, in quotes.
  std::string unknown() const {
    for (const auto [name, value] : object_) {
      if (std::find(asked_.begin(), asked_.end(), name) == asked_.end()) return in_quotes(name);
    }
    return "\"\"";
  }

  simdjson::dom::object object_;
  std::string field_;
  std::array<std::string_view, 8> asked_;  ///< those that are there; no object here has more
  std::size_t seen_ = 0;
};

template <class Each>
void each_of(element value, const std::string& field, std::size_t least, std::size_t most, Each each) {
  simdjson::dom::array list;
  if (value.get(list) != simdjson::SUCCESS) refuse(field, "is no list");
  const std::size_t size = list.size();
  if (size < least || size > most)
    refuse(field, fmt::format("has {} entries, allowed are {} to {}", size, least, most));
  std::size_t index = 0;
  for (const element item : list) each(item, fmt::format("{}[{}]", field, index++));
}

std::string text(element value, const std::string& field, const Form& form) {
  std::string_view out;
  if (value.get(out) != simdjson::SUCCESS) refuse(field, "is no text");
  if (!model::fits(form, out)) refuse(field, fmt::format("{} is not allowed", in_quotes(out)));
  return std::string(out);
}

std::vector<std::string> texts(Object& object, std::string_view name, const Form& form,
                               std::size_t most = kMostValues) {
  std::vector<std::string> out;
  if (const auto value = object.member(name)) {
    each_of(*value, object.at(name), 1, most,
            [&](element item, const std::string& field) { out.push_back(text(item, field, form)); });
  }
  return out;
}

std::vector<std::uint16_t> ports(Object& object, std::string_view name) {
  std::vector<std::uint16_t> out;
  if (const auto value = object.member(name)) {
    each_of(*value, object.at(name), 1, kMostValues, [&](element item, const std::string& field) {
      std::uint64_t port = 0;
      if (item.get(port) != simdjson::SUCCESS || port == 0 || port > 65535) refuse(field, "is no port");
      out.push_back(static_cast<std::uint16_t>(port));
    });
  }
  return out;
}

/// 0 or 1: which of the two words.
int word(element value, const std::string& field, std::string_view first, std::string_view second) {
  std::string_view out;
  if (value.get(out) != simdjson::SUCCESS || (out != first && out != second)) {
    refuse(field, fmt::format("is neither {} nor {}", first, second));
  }
  return out == second ? 1 : 0;
}

/// Before the namespace of a reference that its writer has found not to resolve: no provider can be called so.
constexpr std::string_view kUnresolvedMark = "unresolved:";

/// namespace/name
std::pair<std::string, std::string> object_id(element value, const std::string& field) {
  std::string_view out;
  if (value.get(out) != simdjson::SUCCESS) refuse(field, "is no text");
  const auto slash = out.find('/');
  std::string_view ns = out.substr(0, slash);
  if (ns.starts_with(kUnresolvedMark)) ns.remove_prefix(kUnresolvedMark.size());
  if (slash == std::string_view::npos || !model::fits(model::kDnsLabel, ns) ||
      !model::fits(model::kDnsSubdomain, out.substr(slash + 1))) {
    refuse(field, "is not namespace/name");
  }
  return {std::string(out.substr(0, slash)), std::string(out.substr(slash + 1))};
}

model::ListMatch list_match(Object& object, std::string_view name, const Form& form) {
  model::ListMatch out;
  const auto value = object.member(name);
  if (!value) return out;
  Object match(*value, object.at(name));
  out.all = texts(match, "all", form);
  out.any = texts(match, "any", form);
  match.finish();
  if (out.empty()) refuse(match.field(), "is empty");
  return out;
}

ClaimCondition claim_condition(element value, const std::string& field) {
  Object object(value, field);
  ClaimCondition out;
  out.path = texts(object, "path", model::kText, kMostClaims);
  std::string_view name;
  const element op = object.needed("operator");
  const auto known = op.get(name) == simdjson::SUCCESS ? claim_operator_from_name(name) : std::nullopt;
  if (!known) refuse(object.at("operator"), "is no operator");
  out.op = *known;
  out.values = texts(object, "values", model::kText);
  object.finish();
  const bool bare = out.op == ClaimOperator::Exists || out.op == ClaimOperator::NotExists;
  if (out.path.empty() || bare != out.values.empty()) refuse(field, "lacks a path, or has values where none belong");
  return out;
}

model::From from_entry(element value, const std::string& field) {
  Object object(value, field);
  model::From out;
  if (const auto anyone = object.member("anyone")) {
    if (anyone->get(out.anyone) != simdjson::SUCCESS || !out.anyone) refuse(object.at("anyone"), "is not true");
  }
  if (const auto provider = object.member("provider")) {
    auto [ns, name] = object_id(*provider, object.at("provider"));
    out.provider = model::ProviderRef{std::move(ns), std::move(name)};
  }
  out.subjects = texts(object, "subjects", model::kSubject);
  out.clients = texts(object, "clients", model::kNoStar);
  out.scopes = list_match(object, "scopes", model::kScope);
  out.groups = list_match(object, "groups", model::kNoStar);
  out.roles = list_match(object, "roles", model::kNoStar);
  if (const auto claims = object.member("claims")) {
    each_of(*claims, object.at("claims"), 1, kMostClaims,
            [&](element item, const std::string& at) { out.claims.push_back(claim_condition(item, at)); });
  }
  object.finish();
  const bool asks = !out.subjects.empty() || !out.clients.empty() || !out.scopes.empty() || !out.groups.empty() ||
                    !out.roles.empty() || !out.claims.empty();
  if (out.anyone == out.provider.has_value() || (out.anyone && asks))
    refuse(field, "is neither anyone nor of one provider");
  return out;
}

model::To to_entry(element value, const std::string& field) {
  Object object(value, field);
  model::To out;
  out.methods = texts(object, "methods", model::kMethod);
  out.not_methods = texts(object, "notMethods", model::kMethod);
  out.paths = texts(object, "paths", model::kPathPattern);
  out.not_paths = texts(object, "notPaths", model::kPathPattern);
  out.hosts = texts(object, "hosts", model::kHostPattern);
  out.not_hosts = texts(object, "notHosts", model::kHostPattern);
  out.ports = ports(object, "ports");
  out.not_ports = ports(object, "notPorts");
  object.finish();
  return out;
}

model::When when_entry(element value, const std::string& field) {
  Object object(value, field);
  if (const auto variable = object.member("pathVariable")) {
    model::PathVariableCondition out{text(*variable, object.at("pathVariable"), model::kVariable),
                                     texts(object, "equalsClaim", model::kText, kMostClaims)};
    object.finish();
    if (out.equals_claim.empty()) refuse(field, "lacks equalsClaim");
    return out;
  }
  if (const auto header = object.member("header")) {
    model::HeaderCondition out{text(*header, object.at("header"), model::kHeaderName),
                               texts(object, "values", model::kText)};
    object.finish();
    if (out.values.empty() || out.name != to_lower(out.name))
      refuse(field, "lacks values, or its header is not in lower case");
    return out;
  }
  model::SourceIpCondition out;
  for (const std::string& block : texts(object, "sourceIPs", model::kCidr)) out.blocks.push_back(*Cidr::parse(block));
  object.finish();
  if (out.blocks.empty()) refuse(field, "is no condition");
  return out;
}

model::Rule rule(element value, const std::string& field) {
  Object object(value, field);
  model::Rule out;
  out.name = text(object.needed("name"), object.at("name"), model::kDnsLabel);
  if (word(object.needed("action"), object.at("action"), "Allow", "Deny") == 1) out.action = model::Action::Deny;
  const auto entries = [&](std::string_view name, auto read, auto& list) {
    const auto items = object.member(name);
    if (!items) return;
    each_of(*items, object.at(name), 1, kMostEntries,
            [&](element item, const std::string& at) { list.push_back(read(item, at)); });
  };
  entries("from", from_entry, out.from);
  entries("to", to_entry, out.to);
  entries("when", when_entry, out.when);
  object.finish();
  if (out.action == model::Action::Allow && out.from.empty()) refuse(field, "is an Allow without from");
  return out;
}

std::set<std::string> id_set(Object& object, std::string_view name) {
  std::set<std::string> out;
  if (const auto value = object.member(name)) {
    each_of(*value, object.at(name), 1, kMostUnresolved, [&](element item, const std::string& field) {
      const auto [ns, id] = object_id(item, field);
      out.insert(ns + "/" + id);
    });
  }
  return out;
}

CompiledPolicy::Entry policy_entry(element value, const std::string& field) {
  Object object(value, field);
  CompiledPolicy::Entry out;
  const auto [ns, name] = object_id(object.needed("id"), object.at("id"));
  out.id = ns + "/" + name;
  if (word(object.needed("mode"), object.at("mode"), "Enforce", "Audit") == 1) out.mode = model::Mode::Audit;
  each_of(object.needed("rules"), object.at("rules"), 0, kMostRules,
          [&](element item, const std::string& at) { out.rules.push_back(rule(item, at)); });
  out.unresolved = id_set(object, "unresolved");
  object.finish();
  return out;
}

CompiledPolicy read(element root) {
  Object object(root, "$");
  CompiledPolicy out;
  if (word(object.needed("defaultAction"), object.at("defaultAction"), "Allow", "Deny") == 0) {
    out.default_action = model::Action::Allow;
  }
  each_of(object.needed("policies"), object.at("policies"), 0, kMostPolicies,
          [&](element item, const std::string& field) {
            out.policies.push_back(policy_entry(item, field));
            const auto size = out.policies.size();
            if (size > 1 && out.policies[size - 2].id >= out.policies[size - 1].id)
              refuse(field, "is not in order of the ids");
          });
  out.unresolved = id_set(object, "unresolved");
  object.finish();
  return out;
}

}  // namespace

Result<CompiledPolicy> from_json(std::string_view json) {
  const auto doc = JsonDoc::parse(json, {.bytes = kMaxPolicyBytes, .depth = 16});
  if (!doc) return fail("policy.json: {}", json_fault(doc.error()));
  try {
    return read(doc->root());
  } catch (const Fault& fault) {
    return tl::unexpected(Error{fault.message});
  }
}

}  // namespace meshauth::policy
