#include "core/inject/services.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

namespace meshauth::inject {
namespace {

using nlohmann::json;

Injection injected(const char* capture) {
  const json pod = json::parse(R"({"metadata": {"labels": {"app": "orders", "meshauth.dev/workload": "orders"},
      "annotations": {"meshauth.dev/ports": "8080:8081, 9000"}}, "spec": {"containers": [{"name": "app", "ports": [
      {"name": "http", "containerPort": 8081}, {"name": "grpc", "containerPort": 9000},
      {"name": "metrics", "containerPort": 9100}]}]}})");
  json given = pod;
  given["metadata"]["annotations"]["meshauth.dev/capture"] = capture;
  Settings settings;
  settings.image = "i:1";
  const auto done = inject(given, {"shop", {}, true, ""}, settings);
  REQUIRE_MESSAGE(done, (done ? "" : done.error().message));
  return *done;
}

std::string ways(const char* ports, const char* capture = "Explicit", const char* selector = R"({"app": "orders"})") {
  const json service = json::parse(fmt::format(R"({{"spec": {{"selector": {}, "ports": {}}}}})", selector, ports));
  std::string out;
  for (const auto& way : ways_past(service, injected(capture))) out += way + "\n";
  return out;
}

bool warns(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST_CASE("a Service that goes to the sidecar is fine, by number and by name") {
  CHECK(ways(R"([{"port": 80, "targetPort": 8080}, {"port": 9000}, {"port": 1, "targetPort": "grpc"}])") == "");
  CHECK(ways(R"([{"port": 1, "targetPort": "nobody"}])") == "");
  CHECK(ways(R"([{"port": 80, "targetPort": "http"}, {"port": 8081}])", "Transparent") == "");
}

TEST_CASE("a Service that goes past it is told, with what would be right") {
  CHECK(warns(ways(R"([{"port": 80, "targetPort": "http"}])"), "targetPort \"http\" is the application's own"));
  CHECK(warns(ways(R"([{"port": 8081}])"), "8080 would be right"));
  CHECK(warns(ways(R"([{"port": 1, "targetPort": "metrics"}])"), "targetPort \"metrics\" (TCP 9100) goes past"));
  CHECK(warns(ways(R"([{"port": 9100}])", "Transparent"), "goes past the sidecar"));
  CHECK(warns(ways(R"([{"port": 9000, "protocol": "UDP"}])"), "(UDP 9000) goes past"));
  CHECK(warns(ways(R"([{"port": 1, "targetPort": 9180}])"), "is the agent's"));
}

TEST_CASE("a name counts for its protocol alone, and a Service without an effect for nothing") {
  CHECK(ways(R"([{"port": 1, "targetPort": "metrics", "protocol": "UDP"}])") == "");
  const json named = json::parse(R"({"spec": {"type": "ExternalName", "externalName": "a.example",
      "selector": {"app": "orders"}, "ports": [{"port": 9100}]}})");
  CHECK(ways_past(named, injected("Explicit")).empty());
}

TEST_CASE("the port that callers use is named too, and a Service too large to look at whole") {
  CHECK(ways(R"([{"port": 80, "targetPort": "http"}])").starts_with("port 80: targetPort \"http\" is the"));
  json service = json::parse(R"({"spec": {"selector": {"app": "orders"}}})");
  for (int i = 0; i < 300; ++i) service["spec"]["ports"].push_back({{"port", 8080}});
  const auto told = ways_past(service, injected("Explicit"));
  REQUIRE(told.size() == 1);
  CHECK(warns(told[0], "more than 256 ports"));
  const auto read = read_service(service);
  REQUIRE(read);
  CHECK(read->ports.size() == 256);
}

TEST_CASE("a Service of others, or what is none, is passed over") {
  CHECK(ways(R"([{"port": 9100}])", "Explicit", R"({"app": "other"})") == "");
  CHECK(ways(R"([{"port": 9100}])", "Explicit", R"({"app": "orders", "tier": "x"})") == "");
  CHECK(ways(R"([{"port": 9100}])", "Explicit", "{}") == "");
  CHECK(ways(R"([{"port": 9100}])", "Explicit", "null") == "");
  CHECK(ways(R"([{"port": 9100}])", "Explicit", R"({"app": 1})") == "");
  for (const char* ports : {"null", "1", "[1]", "[{}]", R"([{"port": []}])"}) CHECK(ways(ports) == "");
  for (const char* service : {"null", "1", "{}", R"({"spec": 1})"}) {
    CHECK(ways_past(json::parse(service), injected("Explicit")).empty());
  }
}

}  // namespace
}  // namespace meshauth::inject
