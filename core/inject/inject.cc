#include "core/inject/inject.h"

#include <algorithm>

#include "core/base/text.h"
#include "core/inject/names.h"
#include "core/inject/pod_ports.h"
#include "core/inject/probes.h"
#include "core/inject/shape.h"
#include "core/inject/sidecar.h"
#include "core/model/forms.h"

namespace meshauth::inject {
namespace {

using nlohmann::json;

constexpr std::int64_t kDefaultGrace = 30;

/// Does the pod's own label, or else what is around it, ask for a sidecar?
Result<bool> is_asked(const json& pod, const Place& place) {
  const json* metadata = member(pod, "metadata");
  const json* labels = metadata == nullptr ? nullptr : member(*metadata, "labels");
  if (labels == nullptr || !labels->contains(kInjectLabel)) return place.asked;
  const std::string value = text_at(*labels, kInjectLabel);
  if (value == "enabled") return true;
  if (value == "disabled") return false;
  return fail("label {} is {}; enabled or disabled would be right", kInjectLabel, in_quotes(value));
}

/// The controller among the owners, else the first.
const json* owner_of(const json& pod) {
  const json* metadata = member(pod, "metadata");
  const json* owners = metadata == nullptr ? nullptr : member(*metadata, "ownerReferences");
  if (owners == nullptr || owners->empty()) return nullptr;
  for (const json& owner : *owners) {
    if (const json* controls = member(owner, "controller"); controls != nullptr && *controls == true) return &owner;
  }
  return &owners->front();
}

std::string name_by_owner(const json& pod, const Place& place) {
  if (!place.owner.empty()) return place.owner;
  const json* owner = owner_of(pod);
  if (owner == nullptr) return "";
  std::string name = text_at(*owner, "name");
  const std::string hash = label_at(pod, "pod-template-hash");
  if (text_at(*owner, "kind") == "ReplicaSet" && !hash.empty() && name.ends_with("-" + hash))
    name.resize(name.size() - hash.size() - 1);
  return name;
}

Result<std::string> workload_of(const json& pod, const Place& place) {
  const json* metadata = member(pod, "metadata");
  const json* labels = metadata == nullptr ? nullptr : member(*metadata, "labels");
  const bool said = labels != nullptr && labels->contains(kWorkloadLabel);
  const std::string name = said ? text_at(*labels, kWorkloadLabel) : name_by_owner(pod, place);
  if (!said && name.empty()) {
    return fail(
        "label {} is missing, and the pod has no owner to be called after; a DNS label, such as orders, would "
        "be right",
        kWorkloadLabel);
  }
  if (model::fits(model::kDnsLabel, name)) return name;
  if (said)
    return fail("label {} is {}; a DNS label (a-z, 0-9 and -, at most 63) would be right", kWorkloadLabel,
                in_quotes(name));
  return fail("the owner's name {} is no DNS label (a-z, 0-9 and -, at most 63); name the workload by label {}",
              in_quotes(name), kWorkloadLabel);
}

bool is_ours(const json& volume) {
  return text_at(volume, "name").starts_with(kVolumePrefix);
}

/// Takes our parts out of a pod that has them. Errors: parts of our names that are not ours.
Status remove_sidecar(json& pod) {
  const bool injected = !annotation_at(pod, kInjectedAnnotation).empty();
  json sidecar;
  for (const std::string_view list : kContainerLists) {
    const auto at = pod["spec"].find(list);
    if (at == pod["spec"].end() || !at->is_array()) continue;
    for (auto container = at->begin(); container != at->end();) {
      const std::string name = text_at(*container, "name");
      if (name != kSidecarName && name != kRedirectName) {
        ++container;
        continue;
      }
      if (!injected) return fail("spec.{}: the name {} is the sidecar's; rename the container", list, name);
      if (name == kSidecarName) sidecar = *container;
      container = at->erase(container);
    }
    if (at->empty()) pod["spec"].erase(at);
  }
  if (const auto volumes = pod["spec"].find("volumes"); volumes != pod["spec"].end() && volumes->is_array()) {
    const auto ours = std::find_if(volumes->begin(), volumes->end(), is_ours);
    if (ours != volumes->end() && !injected)
      return fail("spec.volumes: the name {} is the sidecar's; rename the volume", in_quotes(text_at(*ours, "name")));
    volumes->erase(std::remove_if(volumes->begin(), volumes->end(), is_ours), volumes->end());
    if (volumes->empty()) pod["spec"].erase(volumes);
  }
  if (!pod["spec"].contains("containers")) return fail("spec.containers: none beside the sidecar");
  return restore_probes(pod, sidecar);
}

/// What no sidecar can be put into.
Status check_possible(const json& pod, const Place& place, const Wishes& wishes, const Settings& settings) {
  const json& spec = pod.at("spec");
  if (const json* host = member(spec, "hostNetwork"); host != nullptr && *host == true) {
    return fail(
        "spec.hostNetwork is true: the pod has no address of its own that a sidecar could hold; remove it, or "
        "label the pod {}: disabled",
        kInjectLabel);
  }
  const std::string restart = text_at(spec, "restartPolicy");
  if (!settings.native_sidecars && !restart.empty() && restart != "Always") {
    return fail(
        "spec.restartPolicy is {}: the sidecar would keep the pod from ending, since native sidecars are "
        "switched off or this server (before 1.29) has none; label the pod {}: disabled",
        in_quotes(restart), kInjectLabel);
  }
  if (wishes.capture == Capture::Transparent) {
    const auto level = place.namespace_labels.find(std::string(kPodSecurityLabel));
    if (level != place.namespace_labels.end() && level->second != "privileged") {
      return fail(
          "annotation {} is \"Transparent\", which needs an init container with NET_ADMIN, and namespace {} "
          "enforces pod security level {}; Explicit would be right, or a namespace that enforces privileged",
          kCaptureAnnotation, in_quotes(place.ns), in_quotes(level->second));
    }
  }
  return {};
}

std::int64_t grace_of(const json& spec) {
  const json* grace = member(spec, "terminationGracePeriodSeconds");
  return grace != nullptr && grace->is_number_integer() ? grace->get<std::int64_t>() : kDefaultGrace;
}

/// Lets a user other than root listen on low ports, in this pod; one of the sysctls that level restricted allows.
void allow_low_ports(json& spec, const Wishes& wishes) {
  constexpr const char* kSysctl = "net.ipv4.ip_unprivileged_port_start";
  if (std::none_of(wishes.ports.begin(), wishes.ports.end(), [](const auto& map) { return map.listen < 1024; })) return;
  json& sysctls = spec["securityContext"]["sysctls"];
  if (!sysctls.is_array()) sysctls = json::array();
  for (const json& entry : sysctls) {
    if (text_at(entry, "name") == kSysctl) return;
  }
  sysctls.push_back({{"name", kSysctl}, {"value", "0"}});
}

json& list_in(json& spec, std::string_view name) {
  json& list = spec[std::string(name)];
  if (!list.is_array()) list = json::array();
  return list;
}

void add_parts(json& pod, const Settings& settings, const Injection& facts, const std::vector<std::string>& probes) {
  json& spec = pod["spec"];
  const Wishes& wishes = facts.wishes;
  const json sidecar = sidecar_container(settings, facts.workload, wishes, probes, grace_of(spec));
  // First: it holds the ports before anything else of the pod starts.
  json& list = list_in(spec, settings.native_sidecars ? "initContainers" : "containers");
  list.insert(list.begin(), sidecar);
  if (wishes.capture == Capture::Transparent) {
    json& init = list_in(spec, "initContainers");
    init.insert(init.begin(), redirect_container(settings, wishes));
  }
  json& volumes = list_in(spec, "volumes");
  for (const json& volume : sidecar_volumes(facts.workload)) volumes.push_back(volume);
  allow_low_ports(spec, wishes);
  json& metadata = pod["metadata"];
  metadata["labels"][std::string(kWorkloadLabel)] = facts.workload;
  if (wishes.flavour != model::Flavour::Module) metadata["labels"][std::string(kFlavourLabel)] = "AuthRequest";
  metadata["annotations"][std::string(kInjectedAnnotation)] = to_annotation(ports_of(pod, wishes));
}

}  // namespace

Status check(const Settings& settings) {
  constexpr std::size_t kMostImage = 512;
  const bool printable =
      std::all_of(settings.image.begin(), settings.image.end(), [](unsigned char c) { return c > 0x20 && c < 0x7f; });
  if (settings.image.empty() || settings.image.size() > kMostImage || !printable)
    return fail(
        "the sidecar's image is {}; a reference such as registry.example/nginx-mesh-auth/sidecar:1.0 would be "
        "right",
        in_quotes(settings.image));
  if (settings.pull_policy != "Always" && settings.pull_policy != "IfNotPresent" && settings.pull_policy != "Never")
    return fail("the sidecar's pull policy is {}; Always, IfNotPresent or Never would be right",
                in_quotes(settings.pull_policy));
  if (!settings.operator_url.starts_with("https://"))
    return fail("the operator's address is {}; https://HOST:PORT would be right", in_quotes(settings.operator_url));
  if (!settings.resources.is_object()) return fail("the sidecar's resources are no object with requests and limits");
  for (const auto& [name, amounts] : settings.resources.items()) {
    if ((name != "requests" && name != "limits") || !amounts.is_object())
      return fail("the sidecar's resources hold {}; requests and limits, each a map of amounts, would be right",
                  in_quotes(name));
  }
  return {};
}

Result<Injection> inject(const json& pod, const Place& place, const Settings& settings) {
  if (auto shape = check_shape(pod); !shape) return tl::unexpected(shape.error());
  const auto asked = is_asked(pod, place);
  if (!asked) return tl::unexpected(asked.error());
  Injection out;
  out.pod = pod;
  if (!*asked) return out;
  json bare = pod;
  if (auto removed = remove_sidecar(bare); !removed) return tl::unexpected(removed.error());
  auto workload = workload_of(bare, place);
  if (!workload) return tl::unexpected(workload.error());
  auto wishes = read_wishes(bare);
  if (!wishes) return tl::unexpected(wishes.error());
  if (auto possible = check_possible(bare, place, *wishes, settings); !possible)
    return tl::unexpected(possible.error());
  const auto probes = rewrite_probes(bare, *wishes);
  if (!probes) return tl::unexpected(probes.error());
  out.workload = std::move(*workload);
  out.wishes = std::move(*wishes);
  add_parts(bare, settings, out, *probes);
  out.pod = std::move(bare);
  out.injected = true;
  return out;
}

json patch_between(const json& before, const json& after) {
  return json::diff(before, after);
}

json network_policy(const Injection& injection, const std::string& ns) {
  json ports = json::array();
  // Transparent: a NetworkPolicy sees what the sender sent, or what the rules of the pod made of it, by the network.
  for (const PortMap& map : injection.wishes.ports) {
    ports.push_back({{"protocol", "TCP"}, {"port", map.listen}});
    if (injection.wishes.capture == Capture::Transparent)
      ports.push_back({{"protocol", "TCP"}, {"port", map.application}});
  }
  json metadata{{"name", "mesh-auth-" + injection.workload}};
  if (!ns.empty()) metadata["namespace"] = ns;
  return {{"apiVersion", "networking.k8s.io/v1"},
          {"kind", "NetworkPolicy"},
          {"metadata", std::move(metadata)},
          {"spec",
           {{"podSelector", {{"matchLabels", {{std::string(kWorkloadLabel), injection.workload}}}}},
            {"policyTypes", json::array({"Ingress"})},
            {"ingress", json::array({{{"ports", std::move(ports)}}})}}}};
}

}  // namespace meshauth::inject
