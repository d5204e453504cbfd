#include "core/inject/services.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

#include "core/base/text.h"
#include "core/inject/names.h"
#include "core/inject/shape.h"

namespace meshauth::inject {
namespace {

using nlohmann::json;

bool selects(const json& service, const json& pod) {
  const json* spec = member(service, "spec");
  const json* selector = spec == nullptr ? nullptr : member(*spec, "selector");
  if (selector == nullptr || !selector->is_object() || selector->empty()) return false;
  for (const auto& [name, value] : selector->items()) {
    if (!value.is_string() || label_at(pod, name) != value.get_ref<const std::string&>()) return false;
  }
  return true;
}

/// As the API does it: the first container port of that name.
std::optional<int> port_named(const json& pod, const std::string& name) {
  for (const std::string_view list : kContainerLists) {
    const json* containers = member(pod.at("spec"), list);
    if (containers == nullptr) continue;
    for (const json& container : *containers) {
      const json* ports = member(container, "ports");
      if (ports == nullptr || (list != kContainerLists[0] && text_at(container, "restartPolicy") != "Always")) continue;
      for (const json& port : *ports) {
        const json* number = member(port, "containerPort");
        if (text_at(port, "name") == name && number != nullptr && number->is_number_integer())
          return number->get<int>();
      }
    }
  }
  return {};
}

std::string way_of(const json& port, const Injection& injection) {
  const std::string protocol = text_at(port, "protocol");
  const json* target = member(port, "targetPort");
  if (target == nullptr) target = member(port, "port");
  if (target == nullptr) return "";
  const bool named = target->is_string();
  const std::string shown = named ? in_quotes(target->get<std::string>()) : target->dump();
  const auto number = named                         ? port_named(injection.pod, target->get<std::string>())
                      : target->is_number_integer() ? std::optional(target->get<int>())
                                                    : std::nullopt;
  if (!number) return "";  // leads nowhere
  const bool tcp = protocol.empty() || protocol == "TCP";
  for (const PortMap& map : injection.wishes.ports) {
    if (tcp && map.listen == *number) return "";
    if (!tcp || map.application != *number) continue;
    if (injection.wishes.capture == Capture::Transparent) return "";
    return fmt::format(
        "targetPort {} is the application's own, on 127.0.0.1: callers are refused, or pass the sidecar where it "
        "listens "
        "everywhere; {} would be right",
        shown, map.listen);
  }
  if (*number == kHealthPort)
    return fmt::format("targetPort {} is the agent's, for probes; nobody else has to ask it", shown);
  return fmt::format(
      "targetPort {} ({} {}) goes past the sidecar: no policy counts there; add it to annotation {}, or remove it",
      shown, tcp ? "TCP" : protocol, *number, kPortsAnnotation);
}

}  // namespace

std::vector<std::string> ways_past(const json& service, const Injection& injection) {
  std::vector<std::string> out;
  if (!injection.injected || !selects(service, injection.pod)) return out;
  const json* ports = member(*member(service, "spec"), "ports");
  if (ports == nullptr || !ports->is_array()) return out;
  for (const json& port : *ports) {
    if (std::string way = way_of(port, injection); !way.empty()) out.push_back(std::move(way));
  }
  return out;
}

}  // namespace meshauth::inject
