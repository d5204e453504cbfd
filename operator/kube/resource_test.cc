#include "operator/kube/resource.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "operator/kube/api_error.h"
#include "operator/kube/object.h"

namespace meshauth::kube {
namespace {

TEST_CASE("paths of kinds, objects and subresources") {
  CHECK(collection_path(kPods, "") == "/api/v1/pods");
  CHECK(collection_path(kPods, "shop") == "/api/v1/namespaces/shop/pods");
  CHECK(collection_path(kNamespaces, "ignored") == "/api/v1/namespaces");
  CHECK(object_path(kAccessPolicies, "shop", "a", "status") ==
        "/apis/meshauth.dev/v1alpha1/namespaces/shop/accesspolicies/a/status");
  CHECK(object_path(kTokenReviews, "", "a/../b?x") == "/apis/authentication.k8s.io/v1/tokenreviews/a%2F..%2Fb%3Fx");
}

TEST_CASE("a first page leaves resourceVersion unset, and selectors are encoded") {
  const Selection pods{.label_selector = "meshauth.dev/workload", .field_selector = "status.phase!=Failed"};
  CHECK(list_target(kPods, pods, 500, "") ==
        "/api/v1/pods?labelSelector=meshauth.dev%2Fworkload&fieldSelector=status.phase%21%3DFailed&limit=500");
  CHECK(list_target(kPods, {}, 500, "a b=") == "/api/v1/pods?limit=500&continue=a%20b%3D");
  CHECK(watch_target(kPods, {}, "12", 300) ==
        "/api/v1/pods?watch=true&allowWatchBookmarks=true&resourceVersion=12&timeoutSeconds=300");
}

TEST_CASE("an API error has the Status object's reason and message, and when to come back") {
  const ApiError busy = parse_api_error(
      "GET /x", {429, {{"retry-after", "7"}}, R"({"kind":"Status","reason":"TooManyRequests","message":"slow down"})"});
  CHECK(busy.code == 429);
  CHECK(busy.reason == "TooManyRequests");
  CHECK(busy.message == "GET /x: 429 slow down");
  CHECK(busy.retry_after == std::chrono::seconds(7));
  CHECK(busy.temporary());
  const ApiError details =
      parse_api_error("w", {500, {}, R"({"kind":"Status","reason":"Timeout","details":{"retryAfterSeconds":3}})"});
  CHECK(details.retry_after == std::chrono::seconds(3));
  const ApiError html = parse_api_error("GET /x", {502, {{"Retry-After", "soon"}}, "<html>"});
  CHECK(html.message == "GET /x: 502");
  CHECK(!html.retry_after);
  CHECK(parse_api_error("x", {403, {}, "{}"}).message.find("RBAC") != std::string::npos);
  const char* ending = R"({"kind":"Status","details":{"causes":[{"reason":"NamespaceTerminating"}]}})";
  CHECK(parse_api_error("x", {403, {}, ending}).message.find("RBAC") == std::string::npos);
  CHECK(!parse_api_error("x", {409, {}, R"({"kind":"Status","reason":"AlreadyExists"})"}).temporary());
  CHECK(parse_status_object("w", 0, R"({"kind":"Status","code":410})").expired());
}

TEST_CASE("resource versions compare as numbers of any length, opaque ones never") {
  CHECK(version_older("9", "10"));
  CHECK(!version_older("10", "9"));
  CHECK(!version_older("10", "10"));
  CHECK(version_older("009", "10"));
  CHECK(version_older("9999999999999999999", "10000000000000000000"));
  for (const char* opaque : {"", "a", "1a", "-1", "123456789012345678901"}) {
    CAPTURE(opaque);
    CHECK(!version_older(opaque, "5"));
    CHECK(!version_older("5", opaque));
  }
}

TEST_CASE("JSON that is too deep, or followed by more, is refused without being shown") {
  CHECK(parse_json(std::string(128, '[') + std::string(128, ']')).has_value());
  CHECK(!parse_json(std::string(129, '[') + std::string(129, ']')).has_value());
  CHECK(parse_json(R"({"a":"[[[[\"[[["})").has_value());
  CHECK(parse_json("{} {}").error().message == "5 bytes that are not JSON");
  CHECK(parse_json("hidden").error().message.find("hidden") == std::string::npos);
}

TEST_CASE("what every object has is read without a throw from any JSON") {
  for (const char* text : {"null", "[]", "5", "{}", R"({"metadata":5})", R"({"metadata":{"name":5,"labels":[]}})"}) {
    CAPTURE(text);
    const auto object = nlohmann::json::parse(text);
    CHECK(object_key(object).empty());
    CHECK(label(object, "a").empty());
  }
  CHECK(split_key("a/b") == std::pair<std::string, std::string>("a", "b"));
  CHECK(split_key("b") == std::pair<std::string, std::string>("", "b"));
}

}  // namespace
}  // namespace meshauth::kube
