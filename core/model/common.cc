#include "core/model/common.h"

#include <fmt/format.h>

#include "core/base/text.h"

namespace meshauth::model {

using nlohmann::json;

namespace {

const json& empty_object() {
  static const json kEmpty = json::object();
  return kEmpty;
}

void read_meta(const json& value, Meta& meta, Faults& faults) {
  if (!value.is_object()) {
    faults.add("metadata", fmt::format("{}; write an object with name and namespace", found(value)));
    return;
  }
  const auto text = [&](const char* name, const Form& form, std::string fallback, bool needed) {
    const std::string field = std::string("metadata.") + name;
    const auto at = value.find(name);
    if (at == value.end() || at->is_null()) {
      if (needed) faults.add(field, fmt::format("missing; {}", form.remedy));
      return fallback;
    }
    return read_text(*at, field, faults, form);
  };
  meta.name = text("name", kDnsSubdomain, "", true);
  meta.ns = text("namespace", kDnsLabel, "default", false);
  meta.uid = text("uid", kText, "", false);
  if (const auto at = value.find("generation"); at != value.end() && at->is_number_integer()) {
    meta.generation = at->get<std::int64_t>();
  }
}

ClaimCondition read_claim_condition(const json& item, const std::string& field, Faults& faults) {
  const ObjectReader object(item, field, faults, {"path", "operator", "values"});
  ClaimCondition condition;
  condition.path =
      read_claim_path(object.needed("path", "write a list of names, such as [sub]"), object.field("path"), faults);
  const json* op = object.needed("operator", "write In, NotIn, Exists, NotExists, Contains, Prefix or Suffix");
  const int index = op == nullptr ? -1
                                  : read_word(*op, object.field("operator"), faults,
                                              {"In", "NotIn", "Exists", "NotExists", "Contains", "Prefix", "Suffix"});
  condition.values = read_texts(object.member("values"), object.field("values"), faults, kText);
  if (index < 0) return condition;
  condition.op = *claim_operator_from_name(op->get_ref<const std::string&>());
  const bool bare = condition.op == ClaimOperator::Exists || condition.op == ClaimOperator::NotExists;
  if (bare && object.has("values")) {
    faults.add(object.field("values"),
               "operators Exists and NotExists take no values: remove them, or compare with In");
  }
  if (!bare && !object.has("values")) {
    faults.add(object.field("values"),
               "missing; operators In, NotIn, Contains, Prefix and Suffix need values: list at least one");
  }
  return condition;
}

}  // namespace

ObjectReader open_resource(const json& object, std::string_view kind, Meta& meta, Faults& faults,
                           std::initializer_list<std::string_view> spec_fields) {
  const ObjectReader top(object, "", faults, {"apiVersion", "kind", "metadata", "spec", "status"});
  const auto literal = [&](std::string_view name, std::string_view want) {
    const json* value = top.needed(name, fmt::format("write {}", want));
    if (value != nullptr && *value != want)
      faults.add(std::string(name), fmt::format("{}; write {}", found(*value), want));
  };
  literal("apiVersion", "meshauth.dev/v1alpha1");
  literal("kind", kind);
  if (const json* metadata = top.needed("metadata", "write an object with name and namespace")) {
    read_meta(*metadata, meta, faults);
  }
  const json* spec = top.needed("spec", "write an object with what the resource asks for");
  if (spec == nullptr) return ObjectReader(empty_object(), "spec", faults, spec_fields);
  return ObjectReader(*spec, "spec", faults, spec_fields);
}

ClaimPath read_claim_path(const json* value, const std::string& field, Faults& faults) {
  if (value != nullptr && value->is_string()) {
    faults.add(field, fmt::format("{}; a path is a list of names, outermost first: write [{}]", found(*value),
                                  found(*value).substr(6)));
    return {};
  }
  return read_texts(value, field, faults, kText, kMostPathNames);
}

std::vector<ClaimCondition> read_claim_conditions(const json* value, const std::string& field, Faults& faults) {
  std::vector<ClaimCondition> out;
  if (value == nullptr) return out;
  read_list(*value, field, faults, 1, kMostClaims,
            [&](const json& item, const std::string& at) { out.push_back(read_claim_condition(item, at, faults)); });
  return out;
}

Seconds read_duration(const json* value, const std::string& field, Faults& faults, Seconds least, Seconds most,
                      Seconds fallback) {
  if (value == nullptr) return fallback;
  const auto refuse = [&](std::string_view why) {
    faults.add(field, fmt::format("{}; write a duration from {} to {} in whole hours, minutes and seconds, such as {}",
                                  why, format_duration(least), format_duration(most),
                                  format_duration(fallback.count() == 0 ? most : fallback)));
    return fallback;
  };
  if (!value->is_string() || !fits(kDuration, value->get_ref<const std::string&>())) return refuse(found(*value));
  const auto duration = parse_duration(value->get_ref<const std::string&>());
  if (!duration || *duration < least || *duration > most) return refuse(found(*value));
  return *duration;
}

}  // namespace meshauth::model
