#include "core/inject/pod_ports.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "core/inject/inject.h"
#include "core/inject/shape.h"

namespace meshauth::inject {
namespace {

using nlohmann::json;

json ported_pod(const char* annotations) {
  json pod = json::parse(R"({"metadata": {"labels": {"meshauth.dev/workload": "orders"}}, "spec": {"containers": [
      {"name": "app", "ports": [{"name": "http", "containerPort": 8081}, {"name": "dns", "containerPort": 53,
       "protocol": "UDP"}, {"containerPort": 1}]}, {"name": "other", "ports": [{"name": "http", "containerPort": 7},
       {"name": "dns", "containerPort": 54}]}], "initContainers": [{"name": "once", "ports": [{"name": "once",
       "containerPort": 5}]}, {"name": "beside", "restartPolicy": "Always", "ports": [{"name": "beside",
       "containerPort": 6}]}]}})");
  pod["metadata"]["annotations"] = json::parse(annotations);
  return pod;
}

Injection with_sidecar(const json& pod) {
  Settings settings;
  settings.image = "i:1";
  const auto done = inject(pod, {"shop", {}, true, ""}, settings);
  REQUIRE_MESSAGE(done, (done ? "" : done.error().message));
  return *done;
}

std::string reading(const std::string& text) {
  const auto parsed = parse_injected(text);
  return parsed ? "fine" : parsed.error().message;
}

TEST_CASE("an injected pod's annotation says what its ports are, and reads back the same") {
  for (const char* annotations : {R"({"meshauth.dev/ports": "8080:8081, 9000:9001:grpc"})",
                                  R"({"meshauth.dev/ports": "8081,9000", "meshauth.dev/capture": "Transparent"})"}) {
    CAPTURE(annotations);
    const Injection done = with_sidecar(ported_pod(annotations));
    const std::string text = annotation_at(done.pod, "meshauth.dev/injected");
    const auto read = parse_injected(text);
    REQUIRE_MESSAGE(read, (read ? "" : read.error().message));
    CHECK(*read == ports_of(done.pod, done.wishes));
    CHECK(read->ports == done.wishes.ports);
    CHECK(read->capture == done.wishes.capture);
    CHECK(annotation_at(with_sidecar(done.pod).pod, "meshauth.dev/injected") == text);
  }
}

TEST_CASE("of two ports with one name the first counts, and each protocol has names of its own") {
  const Injection done = with_sidecar(ported_pod(R"({"meshauth.dev/ports": "8080:8081"})"));
  const PodPorts ports = ports_of(done.pod, done.wishes);
  const std::map<std::string, std::uint16_t> want{
      {"beside", 6}, {"dns", 54}, {"dns/UDP", 53}, {"http", 8081}, {"mesh-auth-probe", 9180}};
  CHECK(ports.names == want);
}

TEST_CASE("an annotation that somebody else wrote is refused, without its text") {
  CHECK(reading(R"({"capture":"Explicit","ports":"8080"})") == "fine");
  for (const std::string text :
       {"Explicit", "", "[]", "{", R"({"ports":"8080"})", R"({"capture":"secret","ports":"8080"})",
        R"({"capture":"Explicit"})", R"({"capture":"Explicit","ports":"secret"})",
        R"({"capture":"Explicit","ports":8080})", R"({"capture":"Explicit","ports":"8080","names":[]})",
        R"({"capture":"Explicit","ports":"8080","names":{"a":0}})",
        R"({"capture":"Explicit","ports":"8080","names":{"a":65536}})",
        R"({"capture":"Explicit","ports":"8080","names":{"a":"1"}})"}) {
    CAPTURE(text);
    CHECK(reading(text).find("annotation meshauth.dev/injected ") == 0);
    CHECK(reading(text).find("secret") == std::string::npos);
  }
  CHECK(reading(std::string(40'000, ' ') + R"({"capture":"Explicit","ports":"8080"})").find("too long") !=
        std::string::npos);
  json many{{"capture", "Explicit"}, {"ports", "8080"}};
  for (int i = 0; i < 257; ++i) many["names"]["n" + std::to_string(i)] = 1;
  CHECK(reading(many.dump()) != "fine");
}

}  // namespace
}  // namespace meshauth::inject
