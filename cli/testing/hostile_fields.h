// The string fields of both resources, each in an object that is right but for what is put there. Never part of a
// program.
#pragma once

#include <algorithm>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "cli/offline.h"
#include "core/model/testing/manifests.h"

namespace meshauth::cli::testing {

using nlohmann::json;

constexpr const char* kProviderId = "shop/idp";
constexpr const char* kTemplates = MESH_AUTH_SOURCE_DIR "/templates";

/// One step from a schema to what it holds: a member, an element ([]), or a member of any name ({}).
using Steps = std::vector<std::string>;

struct Leaf {
  std::string name;   ///< AccessPolicy spec.rules[].name
  std::string field;  ///< spec.rules[0].name, as faults name it
  json object;        ///< an object that holds it
  json::json_pointer at;
  bool key = false;  ///< the member's name is the value, not what it holds

  std::string value() const { return key ? at.back() : object.at(at).get<std::string>(); }
  json with(const std::string& value) const {
    json out = object;
    if (!key) {
      out.at(at) = value;
      return out;
    }
    json& holder = out.at(at.parent_pointer());
    const json held = holder.at(at.back());
    holder.erase(at.back());
    holder[value] = held;
    return out;
  }
};

inline void walk_schema(const json& schema, const Steps& steps, std::vector<Steps>& out) {
  const auto below = [&](const json& inner, const std::string& step) {
    Steps longer = steps;
    longer.push_back(step);
    walk_schema(inner, longer, out);
  };
  if (schema.contains("properties")) {
    for (const auto& [name, inner] : schema["properties"].items()) below(inner, name);
  } else if (schema.contains("items")) {
    below(schema["items"], "[]");
  } else if (schema.contains("additionalProperties")) {
    below(schema["additionalProperties"], "{}");
  } else if (schema.at("type") == "string") {
    out.push_back(steps);
  }
}

/// Where in the value the steps lead to.
inline std::optional<json::json_pointer> locate(const json& value, const Steps& steps, std::size_t from = 0) {
  if (from == steps.size()) return json::json_pointer();
  const std::string& step = steps[from];
  const auto into = [&](const auto& name, const json& inner) -> std::optional<json::json_pointer> {
    const auto rest = locate(inner, steps, from + 1);
    return rest ? std::optional(json::json_pointer() / name / *rest) : std::nullopt;
  };
  if (step == "[]") {
    if (!value.is_array()) return std::nullopt;
    for (std::size_t i = 0; i < value.size(); ++i) {
      if (auto found = into(i, value[i])) return found;
    }
  } else if (value.is_object()) {
    for (const auto& [name, inner] : value.items()) {
      if (step != "{}" && step != name) continue;
      if (auto found = into(name, inner)) return found;
    }
  }
  return std::nullopt;
}

/// Named alike, selected alike, and with something of its own in auth.conf.
inline void complete(json& object) {
  json& spec = object["spec"];
  object["metadata"] = {{"namespace", "shop"}, {"name", "idp"}};
  if (object["kind"] == "AccessPolicy") {
    if (!spec.contains("workloads")) spec["workloads"] = json::array({"orders"});
    json from{{"identityProvider", {{"name", "idp"}}}};
    spec["rules"].push_back({{"name", "beside"}, {"action", "Allow"}, {"from", json::array({from})}});
    return;
  }
  if (!spec.contains("tokenSources")) spec["tokenSources"] = json::array({{{"header", "X-Token"}}});
  if (!spec["forward"].contains("token")) spec["forward"]["token"] = "Remove";
  if (!spec["forward"].contains("claims"))
    spec["forward"]["claims"] = json::array({{{"path", {"email"}}, {"header", "X-User-Email"}}});
}

/// Every object that both the API server and the model accept, the shortest first.
inline std::vector<json> accepted_objects() {
  std::vector<std::string> texts;
  for (const auto& entry : std::filesystem::directory_iterator(MESH_AUTH_SOURCE_DIR "/crds/testdata/accept")) {
    if (entry.path().extension() == ".yaml") texts.push_back(model::testing::read_text(entry.path()));
  }
  std::sort(texts.begin(), texts.end(),
            [](const auto& a, const auto& b) { return std::pair(a.size(), a) < std::pair(b.size(), b); });
  std::vector<json> out;
  for (const std::string& text : texts) {
    for (json& object : model::testing::read_yaml(text)) out.push_back(std::move(object));
  }
  return out;
}

inline std::string field_of(const json::json_pointer& at) {
  std::string out;
  json::json_pointer rest = at;
  std::vector<std::string> steps;
  for (; !rest.empty(); rest = rest.parent_pointer()) steps.insert(steps.begin(), rest.back());
  for (const std::string& step : steps) {
    const bool number = step.find_first_not_of("0123456789") == std::string::npos;
    out += number ? "[" + step + "]" : (out.empty() ? "" : ".") + step;
  }
  return out;
}

inline Leaf leaf_of(const std::string& kind, const Steps& steps, const std::vector<json>& objects) {
  std::string name = kind + " spec";
  for (const std::string& step : steps) name += step == "[]" || step == "{}" ? step : "." + step;
  for (const json& object : objects) {
    const auto at = object["kind"] == kind ? locate(object["spec"], steps) : std::nullopt;
    if (!at) continue;
    Leaf leaf{name, "", object, json::json_pointer() / "spec" / *at};
    complete(leaf.object);
    // A fault of a map's member is named by the map.
    leaf.field = field_of(steps.back() == "{}" ? leaf.at.parent_pointer() : leaf.at);
    return leaf;
  }
  throw std::runtime_error("no object in crds/testdata/accept has " + name);
}

/// Every string in the schemas of both specs, and what an object is called; throws for one that no object of
/// crds/testdata/accept has.
inline std::vector<Leaf> schema_leaves() {
  const std::vector<json> objects = accepted_objects();
  std::vector<Leaf> out;
  for (const char* plural : {"accesspolicies", "identityproviders"}) {
    const auto path = std::string(MESH_AUTH_SOURCE_DIR "/crds/meshauth.dev_") + plural + ".yaml";
    const json crd = model::testing::read_yaml(model::testing::read_text(path)).at(0);
    std::vector<Steps> found;
    walk_schema(crd.at("/spec/versions/0/schema/openAPIV3Schema/properties/spec"_json_pointer), {}, found);
    for (const Steps& steps : found) {
      out.push_back(leaf_of(crd["spec"]["names"]["kind"], steps, objects));
      if (steps.back() != "{}") continue;
      out.push_back(out.back());
      out.back().name += " (the member's name)";
      out.back().key = true;
    }
    for (const char* name : {"name", "namespace"}) {
      Leaf leaf = out.back();
      leaf.field = std::string("metadata.") + name;
      leaf.name = crd["spec"]["names"]["kind"].get<std::string>() + " " + leaf.field;
      leaf.at = json::json_pointer() / "metadata" / name;
      leaf.key = false;
      out.push_back(leaf);
    }
  }
  return out;
}

/// The providers that a policy names, or one policy for a provider.
inline std::vector<json> companions_of(const json& object) {
  std::vector<json> out;
  const json head{{"apiVersion", "meshauth.dev/v1alpha1"}};
  if (object["kind"] == "IdentityProvider") {
    json one = head;
    one["kind"] = "AccessPolicy";
    one["spec"]["rules"] = {
        {{"name", "read"}, {"action", "Allow"}, {"from", {{{"identityProvider", {{"name", "idp"}}}}}}}};
    complete(one);
    return {one};
  }
  std::set<std::pair<std::string, std::string>> named{{"shop", "idp"}};
  for (const json& rule : object["spec"]["rules"]) {
    for (const json& from : rule.value("from", json::array())) {
      const json ref = from.value("identityProvider", json());
      if (ref.is_object()) named.emplace(ref.value("namespace", "shop"), ref.value("name", ""));
    }
  }
  for (const auto& [ns, name] : named) {
    json one = head;
    one["kind"] = "IdentityProvider";
    one["spec"] = {{"issuer", "https://idp.example"}, {"audiences", {"api"}}, {"allowedNamespaces", {{"from", "All"}}}};
    complete(one);
    one["metadata"] = {{"namespace", ns}, {"name", name}};
    out.push_back(one);
  }
  return out;
}

inline plan::MeshSettings mesh() {
  static const plan::MeshSettings settings = [] {
    plan::MeshSettings out;
    out.auth_conf_template = model::testing::read_text(std::string(kTemplates) + "/auth.conf.mustache");
    return out;
  }();
  return settings;
}

/// Labels of a namespace that the provider is shared with, whatever its selector says.
inline std::map<std::string, std::string> selected_labels(const json& object) {
  std::map<std::string, std::string> out;
  const json selector = object["spec"].value("/allowedNamespaces/selector"_json_pointer, json::object());
  const json labels = selector.value("matchLabels", json::object());
  for (const auto& [key, value] : labels.items()) out[key] = value;
  for (const json& expression : selector.value("matchExpressions", json::array())) {
    if (expression["operator"] == "In") out[expression["key"]] = expression["values"][0];
    if (expression["operator"] == "Exists") out[expression["key"]] = "";
  }
  return out;
}

/// The object and what it needs beside it; nullopt: the object is refused, with these faults.
inline std::optional<Resources> resources_with(const json& object, model::FieldErrors& faults) {
  Resources out;
  const auto hold = [&](const json& one) {
    const auto keep = [&](auto parsed, auto take) {
      if (!parsed) return faults = parsed.error(), false;
      auto meta = parsed->meta;
      take(meta, std::make_shared<const typename decltype(parsed)::value_type>(std::move(*parsed)));
      return true;
    };
    if (one["kind"] == "AccessPolicy")
      return keep(model::parse_access_policy(one), [&](const model::Meta& meta, auto value) {
        out.policies.push_back({meta, std::move(value), {}});
      });
    return keep(model::parse_identity_provider(one), [&](const model::Meta& meta, auto value) {
      out.providers[meta.id()] = {meta, std::move(value), {}};
    });
  };
  if (!hold(object)) return std::nullopt;
  out.namespaces["shop"] = selected_labels(object);
  for (const json& one : companions_of(object)) {
    if (!hold(one)) return std::nullopt;
  }
  return out;
}

/// The first workload that the policy names.
inline std::string workload_of(const Resources& resources) {
  const auto& policy = *resources.policies.front().value;
  return policy.meta.ns + "/" + policy.workloads->front();
}

/// The object as JSON, where `value` may be no UTF-8.
inline std::string manifest_with(const json& object, const std::string& value) {
  const std::string mark = "PLACE-OF-THE-VALUE";
  const auto marked = [&](const auto& self, const json& from) -> json {
    if (from.is_string()) return from == value ? json(mark) : from;
    if (!from.is_structured()) return from;
    json out = from.is_array() ? json::array() : json::object();
    for (const auto& [name, item] : from.items()) {
      if (from.is_array()) {
        out.push_back(self(self, item));
      } else {
        out[name == value ? mark : name] = self(self, item);
      }
    }
    return out;
  };
  std::string text = marked(marked, object).dump(), escaped;
  for (const char c : value) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') escaped += '\\';
    escaped += byte < 0x20 ? fmt::format("\\u{:04x}", byte) : std::string(1, c);
  }
  for (auto at = text.find(mark); at != std::string::npos; at = text.find(mark, at + escaped.size())) {
    text.replace(at, mark.size(), escaped);
  }
  return text;
}

/// What the object needs beside it, as manifests.
inline std::string companions(const json& object) {
  std::string out;
  for (const json& one : companions_of(object)) {
    out += one.dump(-1, ' ', false, json::error_handler_t::replace) + "\n---\n";
  }
  return out;
}

}  // namespace meshauth::cli::testing
