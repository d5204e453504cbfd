#include "core/inject/shape.h"

#include "core/base/text.h"

namespace meshauth::inject {
namespace {

using nlohmann::json;

Status wrong(const std::string& field, const json& found, std::string_view wanted) {
  return fail("{}: found {}; {} would be right", field, found.type_name(), wanted);
}

/// Absent, or a map of strings.
Status check_texts(const json& object, const std::string& field, std::string_view name) {
  const json* texts = member(object, name);
  if (texts == nullptr) return {};
  const std::string at = fmt::format("{}.{}", field, name);
  if (!texts->is_object()) return wrong(at, *texts, "a map of strings");
  for (const auto& [key, value] : texts->items()) {
    if (!value.is_string()) return wrong(fmt::format("{}[{}]", at, in_quotes(key)), value, "a string");
  }
  return {};
}

/// Absent, or a list of objects; `each` looks at one more closely.
template <class Each>
Status check_objects(const json& object, const std::string& field, std::string_view name, Each each) {
  const json* list = member(object, name);
  if (list == nullptr) return {};
  const std::string at = field.empty() ? std::string(name) : fmt::format("{}.{}", field, name);
  if (!list->is_array()) return wrong(at, *list, "a list");
  if (list->size() > kMostItems) return fail("{}: {} entries; at most {} are looked at", at, list->size(), kMostItems);
  for (std::size_t i = 0; i < list->size(); ++i) {
    const std::string entry = fmt::format("{}[{}]", at, i);
    if (!list->at(i).is_object()) return wrong(entry, list->at(i), "an object");
    if (auto status = each(list->at(i), entry); !status) return status;
  }
  return {};
}

Status no_more(const json&, const std::string&) {
  return {};
}

Status check_object(const json& object, const std::string& field, std::string_view name) {
  const json* found = member(object, name);
  if (found == nullptr || found->is_object()) return {};
  return wrong(fmt::format("{}.{}", field, name), *found, "an object");
}

Status check_text(const json& object, const std::string& field, std::string_view name) {
  const json* found = member(object, name);
  if (found == nullptr || found->is_string()) return {};
  return wrong(fmt::format("{}.{}", field, name), *found, "a string");
}

Status check_handler(const json& holder, const std::string& field, std::string_view name) {
  if (auto status = check_object(holder, field, name); !status) return status;
  const json* handler = member(holder, name);
  if (handler == nullptr) return {};
  const std::string at = fmt::format("{}.{}", field, name);
  for (const char* action : {"httpGet", "tcpSocket", "grpc"}) {
    if (auto status = check_object(*handler, at, action); !status) return status;
  }
  const json* get = member(*handler, "httpGet");
  return get == nullptr ? Status() : check_objects(*get, at + ".httpGet", "httpHeaders", no_more);
}

Status check_container(const json& container, const std::string& field) {
  if (auto status = check_text(container, field, "name"); !status) return status;
  if (text_at(container, "name").empty()) return fail("{}.name: missing; a container needs a name", field);
  if (auto status = check_objects(container, field, "ports", no_more); !status) return status;
  for (const char* probe : {"livenessProbe", "readinessProbe", "startupProbe"}) {
    if (auto status = check_handler(container, field, probe); !status) return status;
  }
  if (auto status = check_object(container, field, "lifecycle"); !status) return status;
  const json* lifecycle = member(container, "lifecycle");
  for (const char* hook : {"postStart", "preStop"}) {
    if (lifecycle == nullptr) break;
    if (auto status = check_handler(*lifecycle, field + ".lifecycle", hook); !status) return status;
  }
  return {};
}

Status check_metadata(const json& pod) {
  if (auto status = check_object(pod, "", "metadata"); !status) return fail("metadata: expected an object");
  const json* metadata = member(pod, "metadata");
  if (metadata == nullptr) return {};
  for (const char* name : {"labels", "annotations"}) {
    if (auto status = check_texts(*metadata, "metadata", name); !status) return status;
  }
  return check_objects(*metadata, "metadata", "ownerReferences", no_more);
}

}  // namespace

const json* member(const json& object, std::string_view name) {
  if (!object.is_object()) return nullptr;
  const auto at = object.find(name);
  return at == object.end() || at->is_null() ? nullptr : &*at;
}

std::string text_at(const json& object, std::string_view name) {
  const json* found = member(object, name);
  return found != nullptr && found->is_string() ? found->get<std::string>() : "";
}

std::string label_at(const json& pod, std::string_view name) {
  const json* metadata = member(pod, "metadata");
  const json* labels = metadata == nullptr ? nullptr : member(*metadata, "labels");
  return labels == nullptr ? "" : text_at(*labels, name);
}

std::string annotation_at(const json& pod, std::string_view name) {
  const json* metadata = member(pod, "metadata");
  const json* annotations = metadata == nullptr ? nullptr : member(*metadata, "annotations");
  return annotations == nullptr ? "" : text_at(*annotations, name);
}

Status check_shape(const json& pod) {
  if (!pod.is_object()) return wrong("the pod", pod, "an object");
  if (auto status = check_metadata(pod); !status) return status;
  const json* spec = member(pod, "spec");
  if (spec == nullptr || !spec->is_object()) return fail("spec: expected an object with containers");
  for (const std::string_view list : kContainerLists) {
    if (auto status = check_objects(*spec, "spec", list, check_container); !status) return status;
  }
  const json* containers = member(*spec, "containers");
  if (containers == nullptr || containers->empty()) return fail("spec.containers: none; a pod needs at least one");
  if (auto status = check_objects(*spec, "spec", "volumes", no_more); !status) return status;
  if (auto status = check_object(*spec, "spec", "securityContext"); !status) return status;
  const json* security = member(*spec, "securityContext");
  return security == nullptr ? Status() : check_objects(*security, "spec.securityContext", "sysctls", no_more);
}

}  // namespace meshauth::inject
