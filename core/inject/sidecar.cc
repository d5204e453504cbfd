#include "core/inject/sidecar.h"

#include <algorithm>

#include "core/inject/names.h"

namespace meshauth::inject {
namespace {

using nlohmann::json;

constexpr std::string_view kRecordMount = "/var/run/mesh-auth/record";
constexpr std::string_view kTrustMount = "/var/run/mesh-auth/trust";
constexpr std::string_view kLiveMount = "/var/run/mesh-auth/live";
// Where the API server would else mount a token for itself: the sidecar has no use for that one, so it never has it.
constexpr std::string_view kTokenMount = "/var/run/secrets/kubernetes.io/serviceaccount";
constexpr int kUser = 65532;
constexpr int kTokenSeconds = 3600;  // kubelet renews it at four fifths
// A bundle has at most 900 KiB, and there are a few at a time; the rest is for what nginx buffers.
constexpr const char* kLiveSize = "64Mi";
// Where the agent says which process it is, below its --work-dir.
constexpr std::string_view kPidFile = "/var/run/mesh-auth/live/bundle.nginx/agent.pid";
// Shorter than the pod's grace, so that requests end before the kubelet ends the sidecar.
constexpr std::int64_t kGraceMargin = 5, kQuitTimeout = 25;

json security(bool root) {
  json out{{"allowPrivilegeEscalation", false},
           {"readOnlyRootFilesystem", true},
           {"runAsNonRoot", !root},
           {"runAsUser", root ? 0 : kUser},
           {"runAsGroup", root ? 0 : kUser},
           {"capabilities", {{"drop", json::array({"ALL"})}}},
           {"seccompProfile", {{"type", "RuntimeDefault"}}}};
  if (root) out["capabilities"]["add"] = json::array({"NET_ADMIN"});
  return out;
}

json probe(const char* path, int period, int failures) {
  return {{"httpGet", {{"path", path}, {"port", kHealthPort}, {"scheme", "HTTP"}}},
          {"periodSeconds", period},
          {"timeoutSeconds", 2},
          {"successThreshold", 1},
          {"failureThreshold", failures}};
}

json arguments(const Settings& settings, const std::string& workload, const Wishes& wishes,
               const std::vector<std::string>& probes, std::int64_t grace) {
  json out = json::array();
  const auto flag = [&](std::string_view name, std::string_view value) {
    out.push_back(fmt::format("--{}={}", name, value));
  };
  flag("workload", "$(POD_NAMESPACE)/" + workload);
  flag("flavour", wishes.flavour == model::Flavour::Module ? "Module" : "AuthRequest");
  flag("operator", settings.operator_url);
  flag("token-file", fmt::format("{}/token", kTokenMount));
  flag("trust", fmt::format("{}/trust.json", kTrustMount));
  flag("bundle-dir", fmt::format("{}/bundle", kLiveMount));
  flag("fallback-dir", kRecordMount);
  flag("listen-address", "$(POD_IP)");
  flag("health-listen", fmt::format("$(POD_IP):{}", kHealthPort));
  flag("quit-timeout", std::to_string(std::clamp<std::int64_t>(grace - kGraceMargin, 1, kQuitTimeout)));
  for (const PortMap& map : wishes.ports)
    flag("map", fmt::format("{}:{}:{}", map.listen, map.application, map.grpc ? "grpc" : "http1"));
  for (const std::string& text : probes) out.push_back(text);
  return out;
}

json of_pod(const char* name, const char* field) {
  return {{"name", name}, {"valueFrom", {{"fieldRef", {{"apiVersion", "v1"}, {"fieldPath", field}}}}}};
}

json mounts() {
  const auto mount = [](const char* name, std::string_view path, bool read_only) {
    json out{{"name", fmt::format("{}{}", kVolumePrefix, name)}, {"mountPath", path}};
    if (read_only) out["readOnly"] = true;
    return out;
  };
  // Whole folders: kubelet renews what is in them, which it cannot for a subPath.
  return json::array({mount("record", kRecordMount, true), mount("trust", kTrustMount, true),
                      mount("token", kTokenMount, true), mount("live", kLiveMount, false)});
}

}  // namespace

json Settings::default_resources() {
  return {{"requests", {{"cpu", "50m"}, {"memory", "64Mi"}}}, {"limits", {{"cpu", "2"}, {"memory", "256Mi"}}}};
}

json sidecar_container(const Settings& settings, const std::string& workload, const Wishes& wishes,
                       const std::vector<std::string>& probes, std::int64_t grace) {
  json out{{"name", kSidecarName},
           {"image", settings.image},
           {"imagePullPolicy", settings.pull_policy},
           {"args", arguments(settings, workload, wishes, probes, grace)},
           {"env", json::array({of_pod("POD_NAMESPACE", "metadata.namespace"), of_pod("POD_IP", "status.podIP")})},
           {"ports", json::array({{{"name", "mesh-auth-probe"}, {"containerPort", kHealthPort}, {"protocol", "TCP"}}})},
           {"resources", settings.resources},
           {"securityContext", security(false)},
           {"volumeMounts", mounts()},
           // The application starts after this one holds its port.
           {"startupProbe", probe("/startz", 1, 120)},
           {"livenessProbe", probe("/healthz", 10, 6)},
           {"readinessProbe", probe("/readyz", 2, 3)}};
  if (!settings.native_sidecars) return out;
  out["restartPolicy"] = "Always";
  // It ends after the application. Clients that kept their connections until then would be answered 502.
  out["lifecycle"]["preStop"]["exec"]["command"] =
      json::array({"/usr/bin/mesh-auth-agent", fmt::format("--drain={}", kPidFile)});
  return out;
}

json redirect_container(const Settings& settings, const Wishes& wishes) {
  // Run again in the same pod it leaves the same rules. What comes over lo is the pod's own.
  std::string rules = "add table inet mesh_auth ; flush table inet mesh_auth ; ";
  rules += "add chain inet mesh_auth capture { type nat hook prerouting priority -100 ; policy accept ; }";
  for (const PortMap& map : wishes.ports) {
    rules += fmt::format(" ; add rule inet mesh_auth capture iifname != \"lo\" tcp dport {} redirect to :{}",
                         map.application, map.listen);
  }
  return {{"name", kRedirectName},
          {"image", settings.image},
          {"imagePullPolicy", settings.pull_policy},
          {"command", json::array({"/usr/sbin/nft"})},
          {"args", json::array({rules})},
          {"resources", settings.resources},
          {"securityContext", security(true)}};
}

json sidecar_volumes(const std::string& workload) {
  const auto name = [](const char* what) { return fmt::format("{}{}", kVolumePrefix, what); };
  const json token{{"audience", "mesh-auth"}, {"expirationSeconds", kTokenSeconds}, {"path", "token"}};
  return json::array(
      {{{"name", name("record")},
        {"configMap", {{"name", "mesh-auth-" + workload}, {"optional", true}, {"defaultMode", 0444}}}},
       // Not optional: without it nothing could be believed. The operator makes it when it sees the pod.
       {{"name", name("trust")}, {"configMap", {{"name", "meshauth.trust"}, {"defaultMode", 0444}}}},
       {{"name", name("token")},
        {"projected", {{"defaultMode", 0444}, {"sources", json::array({{{"serviceAccountToken", token}}})}}}},
       {{"name", name("live")}, {"emptyDir", {{"medium", "Memory"}, {"sizeLimit", kLiveSize}}}}});
}

}  // namespace meshauth::inject
