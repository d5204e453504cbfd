#include "operator/kube/definitions.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "operator/http/metrics.h"
#include "operator/kube/testing/fake_api_server.h"

namespace meshauth::kube {
namespace {

using nlohmann::json;
using testing::FakeApiServer;

const std::string kDefinitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/";

json definition(const json& labels, const char* established = "True") {
  return {{"apiVersion", "apiextensions.k8s.io/v1"},
          {"kind", "CustomResourceDefinition"},
          {"metadata", {{"labels", labels}}},
          {"status", {{"conditions", json::array({{{"type", "Established"}, {"status", established}}})}}}};
}

struct Definitions {
  http::Metrics metrics;
  std::shared_ptr<FakeApiServer> server = std::make_shared<FakeApiServer>();
  ApiClient api{server, {.host = "test"}, metrics};

  void put(const char* plural, const json& object) {
    json named = object;
    named["metadata"]["name"] = std::string(plural) + ".meshauth.dev";
    server->put(kDefinitions + plural + ".meshauth.dev", named);
  }
  std::string check(int least) {
    const auto checked = check_definitions(api, {kIdentityProviders, kAccessPolicies}, least);
    return checked ? "" : checked.error().message;
  }
};

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST_CASE("a schema version is a positive number, or none") {
  const auto version = [](const json& label) { return schema_version(definition({{kSchemaVersionLabel, label}})); };
  CHECK(version("7") == 7);
  for (const char* text : {"", "0", "-1", "1x", "x", " 1", "99999999999999999999"}) CHECK(version(text) == 0);
  CHECK(version(7) == 0);
  CHECK(schema_version(definition(json::object())) == 0);
  CHECK(schema_version(json::object()) == 0);
}

TEST_CASE_FIXTURE(Definitions,
                  "definitions that are missing are named, then the older ones, then those not served yet") {
  CHECK(has(check(3), "identityproviders.meshauth.dev and accesspolicies.meshauth.dev are not installed"));
  put("identityproviders", definition({{kSchemaVersionLabel, "3"}}));
  CHECK(check(3).starts_with("accesspolicies.meshauth.dev are not installed"));

  put("accesspolicies", definition(json::object()));
  CHECK(has(check(3), "accesspolicies.meshauth.dev (without a schema version) are older than this operator"));
  CHECK(has(check(3), "needs schema version 3 or newer"));
  CHECK(has(check(3), "helm upgrade"));
  CHECK(has(check(3), "kubectl apply"));
  CHECK(!has(check(3), "identityproviders"));

  put("accesspolicies", definition({{kSchemaVersionLabel, "2"}}));
  CHECK(has(check(3), "accesspolicies.meshauth.dev (schema version 2) are older"));
  put("accesspolicies", definition({{kSchemaVersionLabel, "3"}}, "False"));
  CHECK(check(3) == "the API server does not serve accesspolicies.meshauth.dev yet");
  put("accesspolicies", definition({{kSchemaVersionLabel, "4"}}));  // newer is fine
  CHECK(check(3) == "");
}

TEST_CASE_FIXTURE(Definitions, "what the API server refuses is passed on") {
  server->before_each([](const http::Request&) {
    return Result<http::Response>(
        http::Response{.status = 403, .body = R"({"kind": "Status", "message": "no right"})"});
  });
  CHECK(has(check(1), "no right"));
}

}  // namespace
}  // namespace meshauth::kube
