#include "operator/webhook/review.h"

#include <doctest/doctest.h>

#include "core/base/base64.h"
#include "operator/webhook/authority.h"

namespace meshauth::webhook {
namespace {

using nlohmann::json;

inject::Settings settings() {
  inject::Settings out;
  out.image = "registry.example/sidecar:1";
  return out;
}

json request(const std::string& changes = "{}") {
  json out = json::parse(R"({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
    "uid": "u-1", "kind": {"group": "", "version": "v1", "kind": "Pod"}, "namespace": "shop", "operation": "CREATE",
    "object": {"apiVersion": "v1", "kind": "Pod",
      "metadata": {"generateName": "orders-7d9-", "labels": {"pod-template-hash": "7d9"},
        "ownerReferences": [{"kind": "ReplicaSet", "name": "orders-7d9", "controller": true}]},
      "spec": {"containers": [{"name": "app", "ports": [{"containerPort": 8080}]}]}}}})");
  out.merge_patch(json::parse(changes));
  return out;
}

std::optional<std::map<std::string, std::string>> no_labels(const std::string&) {
  return std::map<std::string, std::string>();
}

Reviewed ask(const json& given, bool asked = true) {
  return review(given.dump(), asked, settings(), no_labels);
}

bool says(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST_CASE("where nobody would give a sidecar a bundle no pod gets one, and pods without are left alone") {
  const auto watched = [](const std::string& ns) { return ns == "bank"; };
  const Reviewed refused = review(request().dump(), true, settings(), no_labels, watched);
  CHECK(refused.outcome == Outcome::Refused);
  CHECK(says(refused.message, "namespace \"shop\" is not watched"));
  const json bank = request(R"({"request": {"namespace": "bank"}})");
  CHECK(review(bank.dump(), true, settings(), no_labels, watched).outcome == Outcome::Injected);
  const json out = request(R"({"request": {"object": {"metadata": {"labels": {"meshauth.dev/inject": "disabled"}}}}})");
  CHECK(review(out.dump(), true, settings(), no_labels, watched).outcome == Outcome::Unchanged);
}

TEST_CASE("a pod that is asked for gets a patch, and the pod with it none") {
  const json given = request();
  const Reviewed first = ask(given);
  REQUIRE(first.outcome == Outcome::Injected);
  const json answer = json::parse(first.body);
  CHECK(answer["apiVersion"] == "admission.k8s.io/v1");
  CHECK(answer["response"]["uid"] == "u-1");
  CHECK(answer["response"]["allowed"] == true);
  CHECK(answer["response"]["patchType"] == "JSONPatch");
  const auto patch = base64_decode(answer["response"]["patch"].get<std::string>());
  REQUIRE(patch);
  const json pod = given["request"]["object"].patch(json::parse(*patch));
  CHECK(pod["metadata"]["labels"]["meshauth.dev/workload"] == "orders");
  CHECK(pod["spec"]["initContainers"][0]["name"] == "mesh-auth");
  json again = given;
  again["request"]["object"] = pod;
  const Reviewed second = ask(again);
  CHECK(second.outcome == Outcome::Unchanged);
  CHECK(json::parse(second.body)["response"] == json{{"uid", "u-1"}, {"allowed", true}});
}

TEST_CASE("the path that called says whether the namespace asks") {
  CHECK(ask(request(), false).outcome == Outcome::Unchanged);
  const char* enabled = R"({"request": {"object": {"metadata": {"labels": {"meshauth.dev/inject": "enabled"}}}}})";
  CHECK(ask(request(enabled), false).outcome == Outcome::Injected);
  const char* disabled = R"({"request": {"object": {"metadata": {"labels": {"meshauth.dev/inject": "disabled"}}}}})";
  CHECK(ask(request(disabled), true).outcome == Outcome::Unchanged);
}

TEST_CASE("a pod that cannot have one is refused with the sentence, which is bounded") {
  const auto refused = [](const char* changes) {
    const Reviewed out = ask(request(changes));
    CHECK(out.outcome == Outcome::Refused);
    const json response = json::parse(out.body)["response"];
    CHECK(response["allowed"] == false);
    CHECK(response["uid"] == "u-1");
    CHECK(response["status"]["message"] == out.message);
    CHECK(out.pod == "shop/orders-7d9-*");
    return out.message;
  };
  CHECK(says(refused(R"({"request": {"object": {"spec": {"hostNetwork": true}}}})"), "mesh-auth: spec.hostNetwork"));
  CHECK(says(refused(R"({"request": {"kind": {"kind": "Service"}}})"), "for pods alone"));
  json given = request();
  given["request"]["object"]["metadata"]["annotations"]["meshauth.dev/" + std::string(10'000, 'x')] = "";
  CHECK(ask(given).message.size() <= 1024);
}

TEST_CASE("what a namespace enforces decides about Transparent; of one that is not known nothing is assumed") {
  const json given = request(R"({"request": {"object": {"metadata": {"annotations": {
    "meshauth.dev/capture": "Transparent"}}}}})");
  const auto outcome = [&](const NamespaceLabels& labels) { return review(given.dump(), true, settings(), labels); };
  CHECK(outcome(no_labels).outcome == Outcome::Injected);
  const Reviewed unknown = outcome([](const std::string&) { return std::nullopt; });
  CHECK(unknown.outcome == Outcome::Refused);
  CHECK(says(unknown.message, "not known to the operator yet"));
  const Reviewed restricted = outcome([](const std::string& ns) {
    CHECK(ns == "shop");
    return std::map<std::string, std::string>{{"pod-security.kubernetes.io/enforce", "restricted"}};
  });
  CHECK(says(restricted.message, "enforces pod security level \"restricted\""));
}

TEST_CASE("what is no review is said to be none") {
  json no_uid = request(), no_object = request(), old = request();
  no_uid["request"].erase("uid");
  no_object["request"].erase("object");
  old["apiVersion"] = "admission.k8s.io/v1beta1";
  const std::string deep = std::string(200, '[') + std::string(200, ']');
  for (const std::string& body :
       {std::string(), std::string("{"), std::string("[]"), std::string("null"), deep, std::string("{\"request\": 1}"),
        no_uid.dump(), no_object.dump(), old.dump(), std::string("\xff")}) {
    CAPTURE(body);
    const Reviewed out = review(body, true, settings(), no_labels);
    CHECK(out.outcome == Outcome::Malformed);
    CHECK(!out.body.empty());
  }
  for (const char* object : {"null", "1", "[]", "{}"}) {
    json given = request();
    given["request"]["object"] = json::parse(object);
    CHECK(ask(given).outcome == Outcome::Refused);
  }
}

TEST_CASE("the authority is written where it differs, and nothing else with it") {
  const json same{
      {"webhooks", {{{"name", "a"}, {"clientConfig", {{"caBundle", base64_encode("PEM")}, {"url", "u"}}}}}}};
  CHECK(authority_patch(same, "PEM").is_null());
  CHECK(authority_patch(json::object(), "PEM").is_null());
  json other = same;
  other["webhooks"].push_back({{"name", "b"}, {"failurePolicy", "Fail"}});
  const json patch = authority_patch(other, "PEM");
  CHECK(patch["metadata"] == json{{"name", "mesh-auth-injector"}});
  REQUIRE(patch["webhooks"].size() == 2);
  CHECK(patch["webhooks"][1] == json{{"name", "b"}, {"clientConfig", {{"caBundle", base64_encode("PEM")}}}});
  CHECK(!authority_patch(same, "NEXT").is_null());
}

}  // namespace
}  // namespace meshauth::webhook
