#include "core/inject/wishes.h"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <optional>

#include "core/base/text.h"
#include "core/inject/names.h"
#include "core/inject/shape.h"

namespace meshauth::inject {
namespace {

using nlohmann::json;

constexpr std::size_t kMostPortsText = 1024;

std::optional<std::uint16_t> port_of(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size() || text.starts_with('0')) return {};
  return port;
}

std::string_view trimmed(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  return text;
}

/// `index`: of the entry, for the sidecar's own port where the application keeps its.
std::optional<PortMap> parse_entry(std::string_view text, Capture capture, std::size_t index) {
  auto parts = split(trimmed(text), ':');
  PortMap map;
  if (parts.back() == "grpc" || parts.back() == "http1") {
    map.grpc = parts.back() == "grpc";
    parts.pop_back();
  }
  if (parts.empty() || parts.size() > 2) return {};
  const auto first = port_of(parts.front()), last = port_of(parts.back());
  if (!first || !last) return {};
  map.application = *last;
  map.listen = *first;
  if (parts.size() == 1 && capture == Capture::Transparent)
    map.listen = static_cast<std::uint16_t>(kFirstTransparentPort + index);
  return map;
}

/// Why the ports cannot be together in one pod; "" if they can.
std::string clash(const std::vector<PortMap>& ports, Capture capture) {
  for (std::size_t i = 0; i < ports.size(); ++i) {
    const PortMap& map = ports[i];
    if (map.listen == kHealthPort || map.application == kHealthPort)
      return fmt::format("port {} is the sidecar's own, for probes", kHealthPort);
    if (capture == Capture::Transparent && map.listen == map.application)
      return fmt::format("port {} would be turned to itself; write {} alone", map.listen, map.application);
    for (std::size_t j = 0; j < i; ++j) {
      if (ports[j].listen == map.listen) return fmt::format("port {} is listened on twice", map.listen);
      if (ports[j].application == map.application)
        return fmt::format("port {} of the application stands twice", map.application);
    }
    for (const PortMap& other : ports) {
      if (other.application == map.listen && other.listen != map.listen)
        return fmt::format("port {} is both the sidecar's and the application's", map.listen);
    }
  }
  return "";
}

/// The TCP ports that containers name; those of a list that is not the pod's to serve (init containers that end) not.
Result<std::vector<PortMap>> declared_ports(const json& pod, Capture capture) {
  std::vector<PortMap> out;
  for (const json& container : pod.at("spec").at("containers")) {
    const json* ports = member(container, "ports");
    if (ports == nullptr) continue;
    for (const json& entry : *ports) {
      const std::string protocol = text_at(entry, "protocol");
      if (!protocol.empty() && protocol != "TCP") continue;
      const json* number = member(entry, "containerPort");
      if (number == nullptr || !number->is_number_integer()) continue;
      const auto map = parse_entry(number->dump(), capture, out.size());
      if (!map) return fail("containerPort {} is no port", number->dump());
      if (std::none_of(out.begin(), out.end(), [&](const auto& o) { return o.application == map->application; }))
        out.push_back(*map);
    }
  }
  if (out.empty()) {
    return fail(
        "annotation {} is missing, and no container names a TCP port; \"8080\" (the sidecar on the pod's address, the "
        "application on 127.0.0.1) or \"8080:8081\" (on another port) would be right",
        kPortsAnnotation);
  }
  if (out.size() > kMostPorts)
    return fail("the containers name {} TCP ports, more than {}; say in annotation {} which count", out.size(),
                kMostPorts, kPortsAnnotation);
  if (const std::string why = clash(out, capture); !why.empty())
    return fail("the ports that the containers name: {}; say in annotation {} which count", why, kPortsAnnotation);
  return out;
}

/// Which of the words the annotation is; an absent one is the first.
Result<std::size_t> word_of(const json& pod, std::string_view annotation, std::initializer_list<std::string_view> words,
                            std::string_view wanted) {
  const json* metadata = member(pod, "metadata");
  const json* annotations = metadata == nullptr ? nullptr : member(*metadata, "annotations");
  if (annotations == nullptr || !annotations->contains(annotation)) return std::size_t{0};
  const std::string text = text_at(*annotations, annotation);
  const auto found = std::find(words.begin(), words.end(), text);
  if (found == words.end()) return fail("annotation {} is {}; {} would be right", annotation, in_quotes(text), wanted);
  return static_cast<std::size_t>(found - words.begin());
}

Status check_names(const json& pod) {
  const json* metadata = member(pod, "metadata");
  const json* annotations = metadata == nullptr ? nullptr : member(*metadata, "annotations");
  if (annotations == nullptr) return {};
  for (const auto& [name, value] : annotations->items()) {
    if (name == kInjectLabel || name == kWorkloadLabel)
      return fail("annotation {} has no effect: it is a label; write it under metadata.labels", name);
    const bool known = name == kPortsAnnotation || name == kCaptureAnnotation || name == kFlavourAnnotation ||
                       name == kProbesAnnotation || name == kInjectedAnnotation;
    if (name.starts_with(kPrefix) && !known) {
      return fail("annotation {} is not known; known are {}, {}, {} and {}", in_quotes(name), kPortsAnnotation,
                  kCaptureAnnotation, kFlavourAnnotation, kProbesAnnotation);
    }
  }
  return {};
}

Result<model::Flavour> read_flavour(const json& pod) {
  const auto word = word_of(pod, kFlavourAnnotation, {"", "Module", "AuthRequest"}, "Module or AuthRequest");
  if (!word) return tl::unexpected(word.error());
  const std::string annotation = annotation_at(pod, kFlavourAnnotation), label = label_at(pod, kFlavourLabel);
  if (!annotation.empty() && !label.empty() && annotation != label) {
    return fail("annotation {} is {}, and the label of that name is {}; let them be the same, or remove the label",
                kFlavourAnnotation, in_quotes(annotation), in_quotes(label));
  }
  const auto flavour = model::parse_flavour(annotation.empty() ? label : annotation);
  if (!flavour || *flavour == model::Flavour::NginxPlus)
    return fail("label {} is {}; Module or AuthRequest would be right", kFlavourLabel, in_quotes(label));
  return *flavour;
}

}  // namespace

std::string_view to_string(Capture capture) {
  return capture == Capture::Explicit ? "Explicit" : "Transparent";
}

Result<std::vector<PortMap>> parse_ports(std::string_view text, Capture capture) {
  const auto wrong = [&](const std::string& why) {
    return fail(
        "annotation {} is {}: {}; PORT or LISTEN:APPLICATION, each with :http1 or :grpc after it if need be, and "
        "commas between, would be right, such as \"8080\" or \"8080:8081, 9000:9001:grpc\"",
        kPortsAnnotation, in_quotes(text), why);
  };
  if (text.size() > kMostPortsText) return wrong(fmt::format("over {} bytes", kMostPortsText));
  std::vector<PortMap> out;
  for (const auto entry : split(text, ',')) {
    const auto map = parse_entry(entry, capture, out.size());
    if (!map) return wrong(fmt::format("{} is no port", in_quotes(trimmed(entry))));
    if (out.size() == kMostPorts) return wrong(fmt::format("more than {} ports", kMostPorts));
    out.push_back(*map);
  }
  if (const std::string why = clash(out, capture); !why.empty()) return wrong(why);
  return out;
}

Result<Wishes> read_wishes(const json& pod) {
  if (auto names = check_names(pod); !names) return tl::unexpected(names.error());
  Wishes out;
  const auto capture = word_of(pod, kCaptureAnnotation, {"Explicit", "Transparent"}, "Explicit or Transparent");
  if (!capture) return tl::unexpected(capture.error());
  out.capture = *capture == 0 ? Capture::Explicit : Capture::Transparent;
  const auto probes = word_of(pod, kProbesAnnotation, {"Rewrite", "Keep"}, "Rewrite or Keep");
  if (!probes) return tl::unexpected(probes.error());
  out.probes = *probes == 0 ? Probes::Rewrite : Probes::Keep;
  const auto flavour = read_flavour(pod);
  if (!flavour) return tl::unexpected(flavour.error());
  out.flavour = *flavour;
  const json* metadata = member(pod, "metadata");
  const json* annotations = metadata == nullptr ? nullptr : member(*metadata, "annotations");
  const bool said = annotations != nullptr && annotations->contains(kPortsAnnotation);
  auto ports = said ? parse_ports(annotation_at(pod, kPortsAnnotation), out.capture) : declared_ports(pod, out.capture);
  if (!ports) return tl::unexpected(ports.error());
  out.ports = std::move(*ports);
  return out;
}

}  // namespace meshauth::inject
