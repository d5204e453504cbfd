#include "core/inject/pod_ports.h"

#include <nlohmann/json.hpp>

#include "core/inject/names.h"
#include "core/inject/shape.h"

namespace meshauth::inject {
namespace {

using nlohmann::json;

constexpr std::size_t kMostBytes = 32 * 1024;
constexpr std::size_t kMostNameBytes = 64;  // a port's name has at most 15, a protocol 4
constexpr std::int64_t kLastPort = 65535;

void take_names(const json& container, PodPorts& out) {
  const json* ports = member(container, "ports");
  if (ports == nullptr) return;
  for (const json& port : *ports) {
    std::string name = text_at(port, "name");
    const std::string protocol = text_at(port, "protocol");
    const json* number = member(port, "containerPort");
    if (name.empty() || number == nullptr || !number->is_number_integer()) continue;
    const auto value = number->get<std::int64_t>();
    if (!protocol.empty() && protocol != "TCP") name += "/" + protocol;
    if (value < 1 || value > kLastPort || name.size() > kMostNameBytes || out.names.size() == kMostNames) continue;
    out.names.try_emplace(std::move(name), static_cast<std::uint16_t>(value));
  }
}

std::string text_of(const std::vector<PortMap>& ports) {
  std::string out;
  for (const PortMap& map : ports) {
    out += fmt::format("{}{}:{}{}", out.empty() ? "" : ",", map.listen, map.application, map.grpc ? ":grpc" : "");
  }
  return out;
}

}  // namespace

PodPorts ports_of(const json& pod, const Wishes& wishes) {
  PodPorts out{wishes.capture, wishes.ports, {}};
  for (const std::string_view list : kContainerLists) {
    const json* containers = member(pod.at("spec"), list);
    if (containers == nullptr) continue;
    for (const json& container : *containers) {
      // Of the init containers those alone that run beside the others.
      if (list == kContainerLists[0] || text_at(container, "restartPolicy") == "Always") take_names(container, out);
    }
  }
  return out;
}

std::string to_annotation(const PodPorts& ports) {
  json out{{"capture", to_string(ports.capture)}, {"ports", text_of(ports.ports)}};
  if (!ports.names.empty()) out["names"] = ports.names;
  return out.dump(-1, ' ', false, json::error_handler_t::replace);
}

Result<PodPorts> parse_injected(std::string_view annotation) {
  const auto wrong = [](std::string_view why) {
    return fail("annotation {} {}: the webhook writes it, or meshauthctl inject", kInjectedAnnotation, why);
  };
  if (annotation.size() > kMostBytes) return wrong("is too long");
  const json given = json::parse(annotation, nullptr, false);
  if (!given.is_object()) return wrong("does not say which ports the sidecar holds");
  PodPorts out;
  const std::string capture = text_at(given, "capture");
  if (capture != "Explicit" && capture != "Transparent") return wrong("names no capture that is known");
  out.capture = capture == "Explicit" ? Capture::Explicit : Capture::Transparent;
  auto ports = parse_ports(text_at(given, "ports"), out.capture);
  if (!ports) return wrong("holds ports that are none");
  out.ports = std::move(*ports);
  const json* names = member(given, "names");
  if (names == nullptr) return out;
  if (!names->is_object() || names->size() > kMostNames) return wrong("holds names that are none");
  for (const auto& [name, number] : names->items()) {
    if (!number.is_number_integer() || number < 1 || number > kLastPort || name.size() > kMostNameBytes)
      return wrong("holds names that are none");
    out.names[name] = number.get<std::uint16_t>();
  }
  return out;
}

}  // namespace meshauth::inject
