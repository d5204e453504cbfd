#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/testing/run.h"
#include "operator/files/manifest.h"

using namespace meshauth;
using namespace meshauth::cli;
using namespace meshauth::cli::testing;
using nlohmann::json;

namespace {

constexpr const char* kPodSpec = R"({containers: [{name: app, image: "app:1", ports: [{containerPort: 8080}]}]})";

std::string workload(const std::string& kind, const std::string& version, const std::string& before = "") {
  return fmt::format(
      "apiVersion: {}\nkind: {}\nmetadata: {{name: orders, namespace: shop}}\nspec: {{{}template: {{metadata: "
      "{{labels: "
      "{{app: orders}}}}, spec: {}}}{}}}\n",
      version, kind, before, kPodSpec, before.empty() ? "" : "}}");
}

std::vector<json> objects(const Outcome& outcome) {
  const auto read = files::parse_manifests(outcome.out, "out");
  REQUIRE_MESSAGE(read, (read ? "" : read.error().message));
  return *read;
}

Outcome injected(const std::string& manifests, std::vector<std::string> flags = {}) {
  flags.insert(flags.begin(), {"inject", "-f", "-"});
  return run(add_inject, flags, manifests);
}

bool says(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("inject: each kind of workload gets the sidecar, its name as workload, and a NetworkPolicy") {
  const struct {
    const char *kind, *version, *pod, *before;
  } cases[] = {{"Deployment", "apps/v1", "/spec/template", ""},
               {"StatefulSet", "apps/v1", "/spec/template", ""},
               {"DaemonSet", "apps/v1", "/spec/template", ""},
               {"ReplicaSet", "apps/v1", "/spec/template", ""},
               {"Job", "batch/v1", "/spec/template", ""},
               {"CronJob", "batch/v1", "/spec/jobTemplate/spec/template", "jobTemplate: {spec: {"}};
  for (const auto& one : cases) {
    CAPTURE(one.kind);
    const Outcome outcome = injected(workload(one.kind, one.version, one.before));
    CAPTURE(outcome.err);
    REQUIRE(outcome.code == 0);
    const auto out = objects(outcome);
    REQUIRE(out.size() == 2);
    const json pod = out[0].at(json::json_pointer(one.pod));
    CHECK(pod["metadata"]["labels"] == json{{"app", "orders"}, {"meshauth.dev/workload", "orders"}});
    CHECK(pod["spec"]["initContainers"][0]["name"] == "mesh-auth");
    CHECK(pod["spec"]["initContainers"][0]["restartPolicy"] == "Always");
    CHECK(out[1]["kind"] == "NetworkPolicy");
    CHECK(out[1]["metadata"] == json{{"name", "mesh-auth-orders"}, {"namespace", "shop"}});
    // What came out goes in again and is the same.
    const Outcome again = injected(outcome.out, {"--no-network-policy"});
    CHECK(objects(again)[0] == out[0]);
  }
}

TEST_CASE("inject: other documents stay as they stand there, with their comments") {
  const std::string before = "# a comment\napiVersion: v1\nkind: Service   # another\nmetadata: {name: orders}\n";
  const std::string after =
      "apiVersion: argoproj.io/v1alpha1\nkind: Rollout\nmetadata: {name: x}\nspec: {template: {}}\n";
  const Outcome outcome = injected(before + "---\n" + workload("Deployment", "apps/v1") + "---\n" + after);
  CAPTURE(outcome.err);
  REQUIRE(outcome.code == 0);
  CHECK(says(outcome.out, "---\n" + before));
  CHECK(outcome.out.ends_with("---\n" + after));
  CHECK(objects(outcome).size() == 4);
  // Of an opted-out workload every byte.
  std::string off = workload("Deployment", "apps/v1");
  off.replace(off.find("app: orders"), 11, "meshauth.dev/inject: disabled");
  CHECK(injected(off).out == "---\n" + off);
}

TEST_CASE("inject: a Service that goes past the sidecar is a warning, in its namespace alone") {
  const auto service = [](const char* ns, int port) {
    return fmt::format(
        "---\napiVersion: v1\nkind: Service\nmetadata: {{name: s, namespace: {}}}\nspec: {{selector: {{app: orders}}, "
        "ports: [{{port: {}}}]}}\n",
        ns, port);
  };
  const std::string deployment = workload("Deployment", "apps/v1");
  const std::string warning =
      "warning: Service \"s\", workload orders: port 9100: targetPort 9100 (TCP 9100) goes past the sidecar";
  const Outcome past = injected(deployment + service("shop", 9100));
  CHECK(past.code == 0);
  CHECK(says(past.err, warning));
  CHECK(!says(injected(deployment + service("shop", 8080)).err, "warning"));
  CHECK(!says(injected(deployment + service("other", 9100)).err, "warning"));
}

TEST_CASE("inject: a List is taken apart; JSON and folders are read too") {
  const Outcome list = injected(R"({"apiVersion": "v1", "kind": "List", "items": [{"apiVersion": "v1", "kind": "Pod",
      "metadata": {"name": "a", "labels": {"meshauth.dev/workload": "w"}}, "spec": {"containers": [{"name": "app",
      "ports": [{"containerPort": 80}]}]}}, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "b"}}]})");
  CAPTURE(list.err);
  REQUIRE(list.code == 0);
  const auto out = objects(list);
  REQUIRE(out.size() == 3);
  CHECK(out[0]["spec"]["initContainers"][0]["name"] == "mesh-auth");
  CHECK(out[1]["kind"] == "NetworkPolicy");
  CHECK(!out[1]["metadata"].contains("namespace"));
  CHECK(out[2]["metadata"]["name"] == "b");
  const TempFolder folder;
  folder.file("a.yaml", workload("Deployment", "apps/v1"));
  folder.file("b.json", R"({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}})");
  CHECK(objects(run(add_inject, {"inject", "-f", folder.path().string()})).size() == 3);
}

TEST_CASE("inject: what is refused is named with file, object and reason, and nothing is printed") {
  const auto refused = [](const std::string& manifests, const std::string& part) {
    const Outcome outcome = injected(workload("Deployment", "apps/v1") + "---\n" + manifests);
    CAPTURE(outcome.err);
    CHECK(outcome.code == 1);
    CHECK(outcome.out.empty());
    CHECK(says(outcome.err, part));
  };
  refused("apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: [{name: x}]}\n",
          "-: \"Pod\" \"a\": label meshauth.dev/workload is missing");
  refused("apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\n", "/spec/template: missing");
  refused("apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\nspec: {template: 1}\n", "found number");
  refused("a: [\n", "the standard input:7: is no YAML");
  refused(
      "kind: Namespace\napiVersion: v1\nmetadata: {name: shop, labels: {pod-security.kubernetes.io/enforce: "
      "restricted}}\n---\napiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: shop, labels: "
      "{meshauth.dev/workload: w}, annotations: {meshauth.dev/capture: Transparent}}\nspec: {containers: [{name: x, "
      "ports: [{containerPort: 1}]}]}\n",
      "namespace \"shop\" enforces pod security level \"restricted\"");
}

TEST_CASE("inject: flags reach the sidecar; wrong ones are usage") {
  const std::string deployment = workload("Deployment", "apps/v1");
  const Outcome outcome =
      injected(deployment, {"--image", "r/i:2", "--operator", "https://o:1", "--native-sidecars", "off", "--resources",
                            R"({"limits": {"memory": "1Gi"}})", "--pull-policy", "Never", "--no-network-policy"});
  CAPTURE(outcome.err);
  REQUIRE(outcome.code == 0);
  const auto out = objects(outcome);
  REQUIRE(out.size() == 1);
  const json sidecar = out[0]["spec"]["template"]["spec"]["containers"][0];
  CHECK(sidecar["image"] == "r/i:2");
  CHECK(sidecar["imagePullPolicy"] == "Never");
  CHECK(sidecar["resources"] == json{{"limits", {{"memory", "1Gi"}}}});
  CHECK(!sidecar.contains("restartPolicy"));
  CHECK(says(sidecar["args"].dump(), "--operator=https://o:1"));
  for (const std::vector<std::string>& wrong : {std::vector<std::string>{"--image", ""},
                                                {"--resources", "{"},
                                                {"--operator", "http://o"},
                                                {"--native-sidecars", "x"}}) {
    CAPTURE(wrong[0]);
    CHECK(injected(deployment, wrong).code == 2);
  }
  CHECK(run(add_inject, {"inject", "-f", "/nowhere"}).code == 2);
}
