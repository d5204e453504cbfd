#include "core/inject/services.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/base/text.h"
#include "core/inject/names.h"
#include "core/inject/shape.h"

namespace meshauth::inject {
namespace {

using nlohmann::json;

std::optional<Service::Port> read_port(const json& given) {
  const json* number = member(given, "port");
  const json* target = member(given, "targetPort");
  if (target == nullptr) target = number;
  if (target == nullptr) return std::nullopt;
  Service::Port port;
  if (number != nullptr && number->is_number_integer()) port.port = number->get<std::int64_t>();
  if (const std::string protocol = text_at(given, "protocol"); !protocol.empty()) port.protocol = protocol;
  if (target->is_string()) {
    port.target = target->get<std::string>();
  } else if (target->is_number_integer()) {
    port.target = target->get<std::int64_t>();
  } else {
    return std::nullopt;
  }
  return port;
}

/// As the API does it: a name counts for its protocol alone.
std::optional<std::int64_t> number_of(const Service::Port& port, const PodPorts& pod) {
  if (const auto* number = std::get_if<std::int64_t>(&port.target)) return *number;
  const auto& name = std::get<std::string>(port.target);
  const auto found = pod.names.find(port.protocol == "TCP" ? name : name + "/" + port.protocol);
  return found == pod.names.end() ? std::nullopt : std::optional<std::int64_t>(found->second);
}

std::string way_of(const Service::Port& port, const PodPorts& pod) {
  const auto number = number_of(port, pod);
  if (!number) return "";  // leads nowhere
  const auto* name = std::get_if<std::string>(&port.target);
  const std::string shown =
      fmt::format("port {}: targetPort {}", port.port, name != nullptr ? in_quotes(*name) : std::to_string(*number));
  const bool tcp = port.protocol == "TCP";
  for (const PortMap& map : pod.ports) {
    if (tcp && map.listen == *number) return "";
    if (!tcp || map.application != *number) continue;
    if (pod.capture == Capture::Transparent) return "";
    return fmt::format(
        "{} is the application's own, on 127.0.0.1: callers are refused, or pass the sidecar where it listens "
        "everywhere; {} would be right",
        shown, map.listen);
  }
  if (*number == kHealthPort) return shown + " is the agent's, for probes; nobody else has to ask it";
  return fmt::format("{} ({} {}) goes past the sidecar: no policy counts there; add it to annotation {}, or remove it",
                     shown, tcp ? "TCP" : port.protocol, *number, kPortsAnnotation);
}

std::map<std::string, std::string> labels_of(const json& pod) {
  std::map<std::string, std::string> out;
  const json* metadata = member(pod, "metadata");
  const json* labels = metadata == nullptr ? nullptr : member(*metadata, "labels");
  if (labels == nullptr || !labels->is_object()) return out;
  for (const auto& [name, value] : labels->items()) {
    if (value.is_string()) out[name] = value.get<std::string>();
  }
  return out;
}

}  // namespace

bool Service::selects(const std::map<std::string, std::string>& labels) const {
  return std::all_of(selector.begin(), selector.end(), [&](const auto& wanted) {
    const auto found = labels.find(wanted.first);
    return found != labels.end() && found->second == wanted.second;
  });
}

std::optional<Service> read_service(const json& object) {
  const json* spec = member(object, "spec");
  const json* selector = spec == nullptr ? nullptr : member(*spec, "selector");
  if (selector == nullptr || !selector->is_object() || selector->empty()) return std::nullopt;
  if (text_at(*spec, "type") == "ExternalName") return std::nullopt;  // its selector has no effect
  Service out;
  for (const auto& [name, value] : selector->items()) {
    if (!value.is_string()) return std::nullopt;
    if (out.selector.size() < kMostItems) out.selector[name] = value.get<std::string>();
  }
  out.cut = selector->size() > kMostItems;
  const json* ports = member(*spec, "ports");
  if (ports == nullptr || !ports->is_array()) return out;
  for (const json& given : *ports) {
    out.cut = out.cut || out.ports.size() == kMostItems;
    if (out.ports.size() == kMostItems) break;
    if (auto port = read_port(given)) out.ports.push_back(std::move(*port));
  }
  return out;
}

std::vector<std::string> ways_past(const Service& service, const PodPorts& pod) {
  std::vector<std::string> out;
  for (const Service::Port& port : service.ports) {
    if (std::string way = way_of(port, pod); !way.empty()) out.push_back(std::move(way));
  }
  if (service.cut) {
    out.push_back(
        fmt::format("it has more than {} ports or labels in its selector, and the rest was not looked at; fewer "
                    "would be right",
                    kMostItems));
  }
  return out;
}

std::vector<std::string> ways_past(const json& service, const Injection& injection) {
  const auto read = injection.injected ? read_service(service) : std::nullopt;
  if (!read || !read->selects(labels_of(injection.pod))) return {};
  return ways_past(*read, ports_of(injection.pod, injection.wishes));
}

}  // namespace meshauth::inject
