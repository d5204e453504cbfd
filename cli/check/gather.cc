#include "cli/check/gather.h"

#include <ctime>
#include <set>

#include "cli/check/reader.h"
#include "cli/check/sidecars.h"
#include "core/inject/names.h"
#include "operator/kube/object.h"

namespace meshauth::cli::check {
namespace {

using nlohmann::json;

constexpr kube::Resource kDeployments{"apps", "v1", "deployments", "Deployment", true};
constexpr kube::Resource kWebhooks{"admissionregistration.k8s.io", "v1", "mutatingwebhookconfigurations",
                                   "MutatingWebhookConfiguration", false};
constexpr kube::Resource kEndpointSlices{"discovery.k8s.io", "v1", "endpointslices", "EndpointSlice", true};

constexpr std::string_view kOperator = "mesh-auth-operator";
constexpr std::string_view kInjector = "mesh-auth-injector";
constexpr std::string_view kTrust = "meshauth.trust";
constexpr std::string_view kMetricsService = "mesh-auth-operator-metrics:metrics";
constexpr std::size_t kSmallBytes = 256 * 1024;
constexpr std::size_t kDiscoveryBytes = std::size_t{8} << 20;

/// RFC 9110 section 5.6.7, the one form that servers send.
std::optional<Time> http_date(std::string_view text) {
  std::tm parts{};
  const std::string copy(text);
  const char* end = strptime(copy.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &parts);
  if (end == nullptr || *end != '\0') return std::nullopt;
  return Time(std::chrono::seconds(timegm(&parts)));
}

Time our_clock() {
  return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
}

/// The first request: is it there, does it know us, and what time is it there?
Status greet(const kube::ApiClient& api, World& world, const std::stop_token& stop) {
  const auto before = std::chrono::system_clock::now();
  const auto answer = api.get_raw("/version", kSmallBytes, stop);
  const auto after = std::chrono::system_clock::now();
  if (!answer) {
    const kube::ApiError& error = answer.error();
    if (error.code == 0) {
      return fail("the API server {} cannot be reached: {}", world.server,
                  stop.stop_requested() ? "it did not answer within " + format_duration(world.timeout) : error.message);
    }
    if (error.code == 401) return fail("the API server {} does not know who asks: {}", world.server, error.message);
    world.problems.push_back({"get", "/version", "", error.code == 403, error.message});
    return {};
  }
  const auto version = kube::parse_json(answer->body);
  if (version) world.server_version = text_at(*version, {"gitVersion"});
  if (world.server_version.empty()) {
    return fail("{} is no Kubernetes API server: its /version holds no gitVersion", world.server);
  }
  const auto header = http::find_header(answer->headers, "Date");
  if (const auto date = header ? http_date(*header) : std::nullopt) {
    // The date is a whole second, and of some moment while we waited.
    const auto half = (after - before) / 2;
    world.skew = std::chrono::round<Seconds>(*date + std::chrono::milliseconds(500) - (before + half));
    world.skew_error = std::chrono::ceil<Seconds>(half) + Seconds(1);
  }
  return {};
}

void read_webhooks(Reader& reader, World& world) {
  world.webhooks = reader.get(kWebhooks, "", kInjector);
  if (!world.webhooks.value) return;
  for (const json& hook : at(*world.webhooks.value, {"webhooks"})) {
    const std::string ns = text_at(hook, {"clientConfig", "service", "namespace"});
    const std::string name = text_at(hook, {"clientConfig", "service", "name"});
    const std::string key = ns + "/" + name;
    if (ns.empty() || world.endpoints.contains(key) || world.endpoints.size() >= 8) continue;
    world.endpoints[key] =
        reader.list(kEndpointSlices, {.ns = ns, .label_selector = "kubernetes.io/service-name=" + name});
  }
}

/// Pods that are to have a sidecar: of labelled namespaces, and labelled ones of the others.
void read_injectable(Reader& reader, World& world) {
  const std::string label(inject::kInjectLabel);
  const auto never = [&](const std::string& ns) { return ns == "kube-system" || ns == world.operator_ns; };
  Many spaces;
  if (world.ns.empty()) {
    spaces = reader.list(kube::kNamespaces, {.label_selector = label + "=enabled"});
  } else if (auto one = reader.get(kube::kNamespaces, "", world.ns); one.read) {
    spaces.read = true;
    if (one.value && kube::label(*one.value, label) == "enabled") spaces.value.push_back(*one.value);
  }
  if (!spaces.read) return;
  if (spaces.value.size() > kMostNamespaces) {
    world.cut.push_back(fmt::format("namespaces labelled {}=enabled ({} of {} were looked at)", label, kMostNamespaces,
                                    spaces.value.size()));
    spaces.value.resize(kMostNamespaces);
  }
  world.injectable.read = true;
  const auto keep = [&](Many pods) {
    world.injectable.read = world.injectable.read && pods.read;
    for (json& pod : pods.value) {
      if (!never(kube::metadata(pod, "namespace"))) world.injectable.value.push_back(std::move(pod));
    }
  };
  std::set<std::string> whole;
  for (const json& space : spaces.value) {
    const std::string ns = kube::metadata(space, "name");
    whole.insert(ns);
    if (!never(ns)) keep(reader.list(kube::kPods, {.ns = ns, .label_selector = label + "!=disabled"}, pod_of));
  }
  Many single = reader.list(kube::kPods, {.ns = world.ns, .label_selector = label + "=enabled"}, pod_of);
  std::erase_if(single.value, [&](const json& pod) { return whole.contains(kube::metadata(pod, "namespace")); });
  keep(std::move(single));
}

void read_trust(Reader& reader, World& world) {
  std::set<std::string> spaces;
  for (const json& pod : world.pods.value) {
    if (is_live(pod)) spaces.insert(kube::metadata(pod, "namespace"));
  }
  for (const std::string& ns : spaces) {
    if (world.trust.size() >= kMostNamespaces) {
      world.cut.push_back(fmt::format("namespaces with sidecars ({} of {} were looked at for ConfigMap {})",
                                      kMostNamespaces, spaces.size(), kTrust));
      return;
    }
    world.trust[ns] = reader.get(kube::kConfigMaps, ns, kTrust);
  }
}

void read_fleet_page(Reader& reader, World& world) {
  const std::string path = fmt::format("/api/v1/namespaces/{}/services/{}/proxy/fleet",
                                       kube::percent_encode(world.operator_ns), kMetricsService);
  const std::size_t problems = world.problems.size();
  const auto answer =
      reader.raw(path, kFleetBytes,
                 {"get", "services/proxy", fmt::format("{} in namespace {}", kMetricsService, world.operator_ns)});
  if (!answer) {
    if (world.problems.size() == problems || world.problems.back().forbidden) return;
    world.fleet_problem = world.problems.back().message;
    world.problems.pop_back();
    return;
  }
  auto fleet = read_fleet(answer->body);
  if (fleet) {
    world.fleet = std::move(*fleet);
  } else {
    world.fleet_problem = fleet.error().message;
  }
}

/// Groups of Kubernetes itself have no name like ours.
bool is_foreign(std::string_view group) {
  return group != kube::kAccessPolicies.group && group.find('.') != std::string_view::npos &&
         !group.ends_with(".k8s.io");
}

void compare_names(World& world, const std::string& group, const json& resources) {
  struct Ours {
    std::string_view plural, short_name;
  };
  for (const Ours& ours : {Ours{"identityproviders", "idprov"}, Ours{"accesspolicies", "accpol"}}) {
    for (const json& resource : at(resources, {"resources"})) {
      const std::string plural = text_at(resource, {"name"});
      if (plural.find('/') != std::string::npos) continue;
      const json& shorts = at(resource, {"shortNames"});
      const bool same_short = std::find(shorts.begin(), shorts.end(), ours.short_name) != shorts.end();
      if (plural == ours.plural) world.foreign.push_back({group, plural, std::string(ours.plural)});
      if (same_short) world.foreign.push_back({group, plural, std::string(ours.short_name)});
    }
  }
}

void read_foreign_names(Reader& reader, World& world) {
  const auto groups = reader.raw("/apis", kDiscoveryBytes, {"get", "/apis", ""});
  const auto parsed = groups ? kube::parse_json(groups->body) : fail("");
  if (!parsed) return;
  std::size_t looked_at = 0;
  for (const json& group : at(*parsed, {"groups"})) {
    const std::string name = text_at(group, {"name"}), version = text_at(group, {"preferredVersion", "groupVersion"});
    if (!is_foreign(name) || version.empty()) continue;
    if (++looked_at > kMostGroupVersions) {
      world.cut.push_back(fmt::format("API groups ({} were looked at)", kMostGroupVersions));
      return;
    }
    // A group that is listed and not served is somebody else's matter.
    const auto answer = reader.raw("/apis/" + version, kDiscoveryBytes, {"get", "/apis/" + version, ""}, true);
    if (const auto resources = answer ? kube::parse_json(answer->body) : fail(""))
      compare_names(world, name, *resources);
  }
}

}  // namespace

json pod_of(const json& pod) {
  json out{{"metadata", json::object()},
           {"spec", {{"nodeName", text_at(pod, {"spec", "nodeName"})}}},
           {"status", {{"phase", text_at(pod, {"status", "phase"})}}}};
  for (const char* name : {"namespace", "name", "creationTimestamp", "deletionTimestamp", "labels"}) {
    if (const json& value = at(pod, {"metadata", name}); !value.is_null()) out["metadata"][name] = value;
  }
  for (const char* list : {"containers", "initContainers"}) {
    json& kept = out["spec"][list] = json::array();
    for (const json& container : at(pod, {"spec", list})) {
      kept.push_back({{"name", text_at(container, {"name"})}, {"image", text_at(container, {"image"})}});
    }
  }
  return out;
}

Result<World> gather(const kube::ApiClient& api, const Wish& wish, const std::stop_token& stop) {
  World world;
  world.server = wish.server;
  world.program_version = MESH_AUTH_VERSION;
  world.operator_ns = wish.operator_ns;
  world.ns = wish.ns;
  world.timeout = wish.timeout;
  world.now = our_clock();
  if (auto greeted = greet(api, world, stop); !greeted) return tl::unexpected(greeted.error());
  Reader reader(api, world, stop);
  world.pods = reader.list(kube::kPods, {.ns = wish.ns, .label_selector = std::string(inject::kWorkloadLabel)}, pod_of);
  read_fleet_page(reader, world);
  if (wish.sidecars_only) return world;
  for (const kube::Resource& kind : {kube::kIdentityProviders, kube::kAccessPolicies}) {
    const std::string name = fmt::format("{}.{}", kind.plural, kind.group);
    world.crds[name] = reader.get(kube::kCustomResourceDefinitions, "", name);
  }
  world.deployment = reader.get(kDeployments, wish.operator_ns, kOperator);
  world.lease = reader.get(kube::kLeases, wish.operator_ns, kOperator);
  read_webhooks(reader, world);
  read_trust(reader, world);
  world.providers = reader.list(kube::kIdentityProviders, {.ns = wish.ns});
  world.policies = reader.list(kube::kAccessPolicies, {.ns = wish.ns});
  read_injectable(reader, world);
  read_foreign_names(reader, world);
  world.now = our_clock();  // ages are of the end: what changed meanwhile was read before
  return world;
}

}  // namespace meshauth::cli::check
