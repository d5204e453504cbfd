#include "core/inject/inject.h"

#include <doctest/doctest.h>

#include "core/inject/names.h"

namespace meshauth::inject {
namespace {

using nlohmann::json;

Settings settings() {
  Settings out;
  out.image = "registry.example/mesh-auth/sidecar:1";
  return out;
}

const Place kShop{"shop", {}, true, ""};

json pod(const std::string& changes = "{}") {
  json out = json::parse(R"({
    "metadata": {"name": "orders-1", "labels": {"meshauth.dev/workload": "orders"}},
    "spec": {"containers": [{"name": "app", "image": "app:1", "ports": [{"name": "http", "containerPort": 8080}]}]}
  })");
  out.merge_patch(json::parse(changes));
  return out;
}

std::string refusal(const json& given, const Place& place = kShop, const Settings& with = settings()) {
  const auto outcome = inject(given, place, with);
  return outcome ? outcome->injected ? "injected" : "unchanged" : outcome.error().message;
}

bool says(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

const json* container(const json& of, const char* list, std::string_view name) {
  const auto at = of.at("spec").find(list);
  if (at == of.at("spec").end()) return nullptr;
  for (const json& one : *at) {
    if (one.at("name") == name) return &one;
  }
  return nullptr;
}

std::vector<std::string> arguments(const json& of, const std::string& start) {
  std::vector<std::string> out;
  for (const char* list : {"initContainers", "containers"}) {
    const json* sidecar = container(of, list, kSidecarName);
    if (sidecar == nullptr) continue;
    for (const json& argument : sidecar->at("args")) {
      const auto text = argument.get<std::string>();
      if (text.starts_with(start)) out.push_back(text.substr(start.size()));
    }
  }
  return out;
}

}  // namespace

TEST_CASE("inject: who asks, and who wants none") {
  const auto with_label = [](const char* value) {
    return pod(fmt::format(R"({{"metadata": {{"labels": {{"meshauth.dev/inject": "{}"}}}}}})", value));
  };
  const Place unasked{"shop", {}, false, ""};
  CHECK(refusal(pod(), unasked) == "unchanged");
  CHECK(refusal(pod(), kShop) == "injected");
  CHECK(refusal(with_label("enabled"), unasked) == "injected");
  CHECK(refusal(with_label("disabled"), kShop) == "unchanged");
  CHECK(inject(with_label("disabled"), kShop, settings())->pod == with_label("disabled"));
  CHECK(says(refusal(with_label("true")), R"(label meshauth.dev/inject is "true"; enabled or disabled)"));
}

TEST_CASE("inject: the workload is the label, else the ReplicaSet without its hash, else the owner") {
  const auto name = [](const char* metadata, const Place& place = kShop) {
    json given = pod();
    given["metadata"] = json::parse(metadata);
    const auto outcome = inject(given, place, settings());
    return outcome ? outcome->pod["metadata"]["labels"].value("meshauth.dev/workload", "") : outcome.error().message;
  };
  CHECK(name(R"({"labels": {"meshauth.dev/workload": "x"}, "ownerReferences": [{"kind": "Job", "name": "y"}]})") ==
        "x");
  CHECK(name(R"({"labels": {"pod-template-hash": "7d9"}, "ownerReferences": [{"kind": "ReplicaSet", "name": "shop-7d9",
                 "controller": true}]})") == "shop");
  CHECK(name(R"({"labels": {}, "ownerReferences": [{"kind": "ReplicaSet", "name": "shop-7d9"}]})") == "shop-7d9");
  CHECK(
      name(R"({"labels": {"pod-template-hash": "9"}, "ownerReferences": [{"kind": "ReplicaSet", "name": "a-7d9"}]})") ==
      "a-7d9");
  CHECK(
      name(R"({"labels": {"pod-template-hash": "0"}, "ownerReferences": [{"kind": "StatefulSet", "name": "db-0"}]})") ==
      "db-0");
  CHECK(name(R"({"ownerReferences": [{"kind": "A", "name": "a"}, {"kind": "B", "name": "b", "controller": true}]})") ==
        "b");
  CHECK(name("{}", {"shop", {}, true, "orders"}) == "orders");
  CHECK(says(name("{}"), "label meshauth.dev/workload is missing"));
  CHECK(
      says(name(R"({"labels": {"meshauth.dev/workload": ""}})"), R"(label meshauth.dev/workload is ""; a DNS label)"));
  CHECK(says(name(R"({"labels": {"meshauth.dev/workload": "A_b"}})"), R"(is "A_b"; a DNS label)"));
  CHECK(says(name(R"({"ownerReferences": [{"kind": "Job", "name": "a.b"}]})"), R"(the owner's name "a.b" is no DNS)"));
}

TEST_CASE("inject: annotations that are wrong are refused by name, with what would be right") {
  const auto annotated = [](const std::string& name, const std::string& value) {
    json given = pod();
    given["metadata"]["annotations"][name] = value;
    return refusal(given);
  };
  const struct {
    const char *name, *value, *says;
  } wrong[] = {{"meshauth.dev/ports", "", "\"\" is no port"},
               {"meshauth.dev/ports", "http", "\"http\" is no port"},
               {"meshauth.dev/ports", "8080,", "\"\" is no port"},
               {"meshauth.dev/ports", "0", "\"0\" is no port"},
               {"meshauth.dev/ports", "65536", "\"65536\" is no port"},
               {"meshauth.dev/ports", "08080", "\"08080\" is no port"},
               {"meshauth.dev/ports", "8080:8081:h2", "is no port"},
               {"meshauth.dev/ports", "1:2:3", "is no port"},
               {"meshauth.dev/ports", "grpc", "\"grpc\" is no port"},
               {"meshauth.dev/ports", "+1", "is no port"},
               {"meshauth.dev/ports", "8080 --mode=observe", "is no port"},
               {"meshauth.dev/ports", "$(POD_IP)", "is no port"},
               {"meshauth.dev/ports", "8080;8081", "is no port"},
               {"meshauth.dev/ports", "8080,8080", "port 8080 is listened on twice"},
               {"meshauth.dev/ports", "80:8080,81:8080", "port 8080 of the application stands twice"},
               {"meshauth.dev/ports", "80:8080,8080:8081", "port 8080 is both"},
               {"meshauth.dev/ports", "9180", "port 9180 is the sidecar's own"},
               {"meshauth.dev/ports", "1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17", "more than 16 ports"},
               {"meshauth.dev/capture", "explicit", "Explicit or Transparent would be right"},
               {"meshauth.dev/flavour", "module", "Module or AuthRequest would be right"},
               {"meshauth.dev/flavour", "NginxPlus", "Module or AuthRequest would be right"},
               {"meshauth.dev/probes", "Off", "Rewrite or Keep would be right"},
               {"meshauth.dev/prots", "8080", "is not known; known are meshauth.dev/ports"},
               {"meshauth.dev/inject", "disabled", "is a label"},
               {"meshauth.dev/workload", "orders", "is a label"}};
  for (const auto& one : wrong) {
    const std::string said = annotated(one.name, one.value);
    CAPTURE(one.name);
    CAPTURE(one.value);
    CAPTURE(said);
    CHECK(says(said, "annotation "));
    CHECK(says(said, one.name));
    CHECK(says(said, one.says));
  }
  CHECK(says(annotated("meshauth.dev/ports", std::string(1025, '1')), "over 1024 bytes"));
  CHECK(annotated("other.dev/ports", "x") == "injected");
  json two = pod(R"({"metadata": {"labels": {"meshauth.dev/flavour": "Module"},
                     "annotations": {"meshauth.dev/flavour": "AuthRequest"}}})");
  CHECK(says(refusal(two), "let them be the same"));
  two["metadata"].erase("annotations");
  two["metadata"]["labels"]["meshauth.dev/flavour"] = "NginxPlus";
  CHECK(says(refusal(two), R"(label meshauth.dev/flavour is "NginxPlus"; Module or AuthRequest)"));
}

TEST_CASE("inject: ports by annotation, else those that the containers name") {
  const auto maps = [](const char* changes) {
    const auto outcome = inject(pod(changes), kShop, settings());
    REQUIRE_MESSAGE(outcome, (outcome ? "" : outcome.error().message));
    return arguments(outcome->pod, "--map=");
  };
  using Maps = std::vector<std::string>;
  CHECK(maps("{}") == Maps{"8080:8080:http1"});
  CHECK(maps(R"({"metadata": {"annotations": {"meshauth.dev/ports": " 80:8080 , 9000:9001:grpc,7000:http1"}}})") ==
        Maps{"80:8080:http1", "9000:9001:grpc", "7000:7000:http1"});
  CHECK(maps(R"({"spec": {"containers": [{"name": "a", "ports": [{"containerPort": 1}, {"containerPort": 2,
              "protocol": "UDP"}]}, {"name": "b", "ports": [{"containerPort": 3, "protocol": "TCP"}]}]}})") ==
        Maps{"1:1:http1", "3:3:http1"});
  CHECK(maps(R"({"metadata": {"annotations": {"meshauth.dev/capture": "Transparent"}}})") == Maps{"9181:8080:http1"});
  CHECK(says(refusal(pod(R"({"spec": {"containers": [{"name": "a"}]}})")),
             "annotation meshauth.dev/ports is missing, and no container names a TCP port"));
  CHECK(says(refusal(pod(R"({"spec": {"containers": [{"name": "a", "ports": [{"containerPort": 9180}]}]}})")),
             "say in annotation meshauth.dev/ports which count"));
}

TEST_CASE("inject: low ports are allowed by a sysctl of level restricted, once") {
  const json low = pod(R"({"metadata": {"annotations": {"meshauth.dev/ports": "80:8080"}}})");
  const json wanted = json::parse(R"([{"name": "net.ipv4.ip_unprivileged_port_start", "value": "0"}])");
  CHECK(inject(low, kShop, settings())->pod["spec"]["securityContext"]["sysctls"] == wanted);
  json set = low;
  set["spec"]["securityContext"]["sysctls"] =
      json::parse(R"([{"name": "net.ipv4.ip_unprivileged_port_start", "value": "79"}])");
  CHECK(inject(set, kShop, settings())->pod["spec"]["securityContext"] == set["spec"]["securityContext"]);
  CHECK(!inject(pod(), kShop, settings())->pod["spec"].contains("securityContext"));
}

TEST_CASE("inject: what comes for the application is asked of the agent, in each kind of probe and hook") {
  const auto probed = [](const char* container) {
    json given = pod(R"({"metadata": {"annotations": {"meshauth.dev/ports": "8080:8081"}}})");
    given["spec"]["containers"][0].update(json::parse(container));
    return given;
  };
  const json given = probed(R"x({"ports": [{"name": "http", "containerPort": 8081}],
    "livenessProbe": {"httpGet": {"path": "/live?$(A)", "port": "http", "httpHeaders": [{"name": "X", "value": "$$"}]},
                      "timeoutSeconds": 3, "periodSeconds": 7},
    "readinessProbe": {"tcpSocket": {"port": 8080}},
    "startupProbe": {"exec": {"command": ["true"]}},
    "lifecycle": {"preStop": {"httpGet": {"path": "/stop", "port": 8081}}}})x");
  const auto done = inject(given, kShop, settings());
  REQUIRE(done);
  const json& app = done->pod["spec"]["containers"][0];
  CHECK(app["livenessProbe"] == json::parse(R"({"httpGet": {"path": "/probe/app/liveness", "port": 9180,
                                               "scheme": "HTTP"}, "timeoutSeconds": 3, "periodSeconds": 7})"));
  CHECK(app["readinessProbe"]["httpGet"]["path"] == "/probe/app/readiness");
  CHECK(app["startupProbe"] == given["spec"]["containers"][0]["startupProbe"]);
  CHECK(app["lifecycle"]["preStop"]["httpGet"]["path"] == "/probe/app/prestop");
  const auto flags = arguments(done->pod, "--probe=");
  REQUIRE(flags.size() == 3);
  CHECK(flags[0] == R"x(app/liveness={"httpGet":{"httpHeaders":[{"name":"X","value":"$$$$"}],)x"
                    R"x("path":"/live?$$(A)","port":8081},"timeoutSeconds":3})x");
  CHECK(flags[1] == R"(app/readiness={"tcpSocket":{"port":8081},"timeoutSeconds":1})");
  CHECK(flags[2].ends_with(R"("timeoutSeconds":30})"));
  CHECK(inject(done->pod, kShop, settings())->pod == done->pod);

  json kept = given;
  kept["metadata"]["annotations"]["meshauth.dev/probes"] = "Keep";
  CHECK(inject(kept, kShop, settings())->pod["spec"]["containers"] == given["spec"]["containers"]);
  for (const char* other : {R"({"livenessProbe": {"httpGet": {"port": 8082}}})",
                            R"({"livenessProbe": {"httpGet": {"port": 8081, "host": "10.0.0.1"}}})",
                            R"({"livenessProbe": {"tcpSocket": {"port": "nobody"}}})"}) {
    CAPTURE(other);
    CHECK(inject(probed(other), kShop, settings())->pod["spec"]["containers"] == probed(other)["spec"]["containers"]);
  }
  CHECK(says(refusal(probed(R"({"livenessProbe": {"httpGet": {"port": 8081, "scheme": "HTTPS"}}})")),
             "container \"app\": livenessProbe: it asks port 8081, which the sidecar takes, over TLS"));
  CHECK(says(refusal(probed(R"({"startupProbe": {"grpc": {"port": 8081}}})")), "startupProbe: it asks port 8081"));
  json huge = probed(R"({"livenessProbe": {"httpGet": {"port": 8081}}})");
  huge["spec"]["containers"][0]["livenessProbe"]["httpGet"]["path"] = std::string(5000, 'x');
  CHECK(says(refusal(huge), "at most 4096"));
}

TEST_CASE("inject: what somebody added after us keeps its place when we are called again") {
  const auto once = inject(pod(), kShop, settings());
  REQUIRE(once);
  json changed = once->pod;
  changed["spec"]["initContainers"].push_back(json::parse(R"({"name": "theirs", "image": "x",
      "restartPolicy": "Always", "readinessProbe": {"httpGet": {"path": "/", "port": 8080}}})"));
  changed["spec"]["containers"].push_back({{"name", "late"}, {"image", "y"}});
  changed["spec"]["initContainers"][0]["image"] = "evil:1";
  changed["spec"]["initContainers"][0]["command"] = {"sleep"};
  const auto twice = inject(changed, kShop, settings());
  REQUIRE(twice);
  const json& init = twice->pod["spec"]["initContainers"];
  REQUIRE(init.size() == 2);
  CHECK(init[0]["name"] == kSidecarName);
  CHECK(init[0]["image"] == settings().image);
  CHECK(!init[0].contains("command"));
  CHECK(init[1]["readinessProbe"]["httpGet"]["path"] == "/probe/theirs/readiness");
  CHECK(twice->pod["spec"]["containers"].size() == 2);
  CHECK(inject(twice->pod, kShop, settings())->pod == twice->pod);
}

TEST_CASE("inject: names that are ours, on a pod that we did not make, are refused") {
  CHECK(says(refusal(pod(R"({"spec": {"initContainers": [{"name": "mesh-auth", "image": "fake"}]}})")),
             "spec.initContainers: the name mesh-auth is the sidecar's; rename the container"));
  CHECK(says(refusal(pod(R"({"spec": {"volumes": [{"name": "mesh-auth-trust"}]}})")), "rename the volume"));
  CHECK(refusal(pod(R"({"spec": {"volumes": [{"name": "data"}]}})")) == "injected");
  // A pod that says it has a sidecar and has none gets one.
  CHECK(refusal(pod(R"({"metadata": {"annotations": {"meshauth.dev/injected": "Explicit"}}})")) == "injected");
  const auto flagged = [](const char* flag) {
    json given = inject(pod(), kShop, settings())->pod;
    given["spec"]["initContainers"][0]["args"] = {flag};
    return refusal(given);
  };
  for (const char* flag : {"--probe=", "--probe=app", "--probe=app/liveness", "--probe=app/liveness=[]",
                           "--probe=app/liveness={", "--probe=app/other={}", "--probe=app=/liveness"}) {
    CAPTURE(flag);
    CHECK(says(flagged(flag), "which is no --probe of ours"));
  }
  CHECK(flagged("--probe=gone/liveness={}") == "injected");
}

TEST_CASE("inject: what no sidecar can be put into is refused") {
  CHECK(says(refusal(pod(R"({"spec": {"hostNetwork": true}})")), "spec.hostNetwork is true"));
  Settings old = settings();
  old.native_sidecars = false;
  CHECK(says(refusal(pod(R"({"spec": {"restartPolicy": "Never"}})"), kShop, old), "keep the pod from ending"));
  CHECK(refusal(pod(R"({"spec": {"restartPolicy": "Never"}})")) == "injected");
  const json transparent = pod(R"({"metadata": {"annotations": {"meshauth.dev/capture": "Transparent"}}})");
  for (const char* level : {"baseline", "restricted", "Privileged"}) {
    CAPTURE(level);
    const Place place{"shop", {{"pod-security.kubernetes.io/enforce", level}}, true, ""};
    CHECK(says(refusal(transparent, place), "needs an init container with NET_ADMIN, and namespace \"shop\" enforces"));
    CHECK(refusal(pod(), place) == "injected");
  }
  CHECK(refusal(transparent, {"shop", {{"pod-security.kubernetes.io/enforce", "privileged"}}, true, ""}) == "injected");
}

TEST_CASE("inject: a pod of any shape is an answer, never a crash") {
  const char* shapes[] = {"null",
                          "[]",
                          "{}",
                          R"({"spec": []})",
                          R"({"spec": {"containers": {}}})",
                          R"({"spec": {"containers": []}})",
                          R"({"spec": {"containers": [1]}})",
                          R"({"spec": {"containers": [{}]}})",
                          R"({"metadata": [], "spec": {"containers": [{"name": "a"}]}})",
                          R"({"metadata": {"labels": []}, "spec": {"containers": [{"name": "a"}]}})",
                          R"({"metadata": {"labels": {"a": 1}}, "spec": {"containers": [{"name": "a"}]}})",
                          R"({"metadata": {"ownerReferences": [1]}, "spec": {"containers": [{"name": "a"}]}})",
                          R"({"spec": {"containers": [{"name": 1}]}})",
                          R"({"spec": {"containers": [{"name": "a", "ports": 1}]}})",
                          R"({"spec": {"containers": [{"name": "a", "livenessProbe": 1}]}})",
                          R"({"spec": {"containers": [{"name": "a", "livenessProbe": {"httpGet": 1}}]}})",
                          R"({"spec": {"containers": [{"name": "a", "lifecycle": {"preStop": []}}]}})",
                          R"({"spec": {"containers": [{"name": "a"}], "initContainers": "x"}})",
                          R"({"spec": {"containers": [{"name": "a"}], "volumes": {}}})",
                          R"({"spec": {"containers": [{"name": "a"}], "securityContext": 1}})",
                          R"({"spec": {"containers": [{"name": "a"}], "securityContext": {"sysctls": 1}}})"};
  for (const char* shape : shapes) {
    CAPTURE(shape);
    const std::string said = refusal(json::parse(shape));
    CAPTURE(said);
    CHECK(said != "injected");
    CHECK(said != "unchanged");
  }
  json many = pod();
  for (int i = 0; i < 300; ++i) many["spec"]["containers"].push_back({{"name", "c"}});
  CHECK(says(refusal(many), "at most 256"));
}

TEST_CASE("inject: settings that would make no pod are refused") {
  CHECK(check(settings()));
  const auto refused = [](auto change) {
    Settings changed = settings();
    change(changed);
    const auto checked = check(changed);
    return checked ? "" : checked.error().message;
  };
  CHECK(says(refused([](Settings& s) { s.image = ""; }), "the sidecar's image is \"\""));
  CHECK(says(refused([](Settings& s) { s.image = "a b"; }), "the sidecar's image"));
  CHECK(says(refused([](Settings& s) { s.pull_policy = "Sometimes"; }), "pull policy"));
  CHECK(says(refused([](Settings& s) { s.operator_url = "http://x"; }), "https://HOST:PORT"));
  CHECK(says(refused([](Settings& s) { s.resources = 1; }), "no object"));
  CHECK(says(refused([](Settings& s) { s.resources = {{"claims", {}}}; }), "\"claims\""));
}

TEST_CASE("inject: the NetworkPolicy lets in the sidecar's ports alone") {
  const auto done =
      inject(pod(R"({"metadata": {"annotations": {"meshauth.dev/ports": "80:8080"}}})"), kShop, settings());
  REQUIRE(done);
  const json policy = network_policy(*done, "shop");
  CHECK(policy["metadata"]["name"] == "mesh-auth-orders");
  CHECK(policy["spec"]["podSelector"]["matchLabels"]["meshauth.dev/workload"] == "orders");
  CHECK(policy["spec"]["ingress"] == json::parse(R"([{"ports": [{"protocol": "TCP", "port": 80}]}])"));
}

}  // namespace meshauth::inject
