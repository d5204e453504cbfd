#include "operator/app/schema_look.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "operator/app/schema_version.h"
#include "operator/kube/definitions.h"
#include "operator/kube/testing/fake_api_server.h"

namespace meshauth::app {
namespace {

using nlohmann::json;

struct Looked {
  http::Metrics metrics;
  std::shared_ptr<kube::testing::FakeApiServer> server = std::make_shared<kube::testing::FakeApiServer>();
  kube::ApiClient api{server, {.host = "test"}, metrics};
  SchemaLook schema{api, metrics};

  Looked() {
    put("identityproviders", kSchemaVersion);
    put("accesspolicies", kSchemaVersion);
  }
  void put(const std::string& plural, int version) {
    const std::string name = plural + ".meshauth.dev";
    server->put("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/" + name,
                {{"apiVersion", "apiextensions.k8s.io/v1"},
                 {"kind", "CustomResourceDefinition"},
                 {"metadata",
                  {{"name", name}, {"labels", {{std::string(kube::kSchemaVersionLabel), std::to_string(version)}}}}},
                 {"status", {{"conditions", json::array({{{"type", "Established"}, {"status", "True"}}})}}}});
  }
  bool unfit() {
    schema.look();
    const std::string text = metrics.text();
    CAPTURE(text);
    const bool yes = text.find("\nmesh_auth_definitions_unfit 1\n") != std::string::npos;
    CHECK(yes != (text.find("\nmesh_auth_definitions_unfit 0\n") != std::string::npos));
    return yes;
  }
};

TEST_CASE_FIXTURE(Looked, "definitions that became older are seen, and that they are right again") {
  CHECK(!unfit());
  put("accesspolicies", kSchemaVersion - 1);
  CHECK(unfit());
  CHECK(unfit());
  put("accesspolicies", kSchemaVersion + 1);
  CHECK(!unfit());
}

TEST_CASE_FIXTURE(Looked, "what the API server does not say changes no verdict") {
  bool away = false;
  server->before_each([&away](const http::Request&) -> std::optional<Result<http::Response>> {
    if (!away) return std::nullopt;
    return Result<http::Response>(
        http::Response{.status = 500, .body = R"({"kind": "Status", "message": "etcd is away"})"});
  });
  away = true;
  CHECK(!unfit());
  away = false;
  put("identityproviders", kSchemaVersion - 1);
  CHECK(unfit());
  away = true;
  CHECK(unfit());
}

}  // namespace
}  // namespace meshauth::app
