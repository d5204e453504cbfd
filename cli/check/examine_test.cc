#include "cli/check/examine.h"

#include <doctest/doctest.h>

#include <set>

#include "cli/check/testing/world.h"

namespace meshauth::cli::check {
namespace {

using namespace testing;
using std::chrono::hours;

struct Case {
  Id id;
  std::function<void(World& world)> broken;
  std::string says;  ///< in `found`
  Severity severity;
};

json& set_condition(json& object, const char* type, const char* status, const char* reason) {
  for (json& one : object["status"]["conditions"]) {
    if (one["type"] == type) one = testing::condition(type, status, reason);
  }
  return object;
}

const json::json_pointer kSpec("/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties");

json& hook(World& world) {
  return (*world.webhooks.value)["webhooks"][0];
}

FleetSidecar& first(World& world) {
  return world.fleet->sidecars["shop/orders-1"];
}

std::vector<Case> installation_cases() {
  using enum Severity;
  const auto only_crd = [](World& w) -> json& { return *w.crds["accesspolicies.meshauth.dev"].value; };
  return {
      {Id::PermissionMissing,
       [](World& w) {
         w.problems.push_back({"list", "pods", "in all namespaces", true, ""});
       },
       "you may not list pods in all namespaces", Error},
      {Id::ReadFailed,
       [](World& w) {
         w.problems.push_back({"get", "/apis", "", false, "500"});
       },
       "get /apis: 500", Error},
      {Id::OutOfTime, [](World& w) { w.out_of_time = true; }, "within 30s", Error},
      {Id::ListCut, [](World& w) { w.cut.emplace_back("pods"); }, "pods", Warning},
      {Id::ListCut, [](World& w) { w.fleet->truncated = true; }, "sidecars (2 were told)", Warning},
      {Id::CrdMissing, [](World& w) { w.crds["accesspolicies.meshauth.dev"].value.reset(); }, "not installed", Error},
      {Id::CrdNotEstablished, [=](World& w) { set_condition(only_crd(w), "NamesAccepted", "False", "Conflict"); },
       "NamesAccepted is False: a message", Error},
      {Id::CrdNotEstablished, [=](World& w) { only_crd(w)["status"] = json::object(); }, "no condition", Error},
      {Id::CrdVersion, [=](World& w) { only_crd(w)["spec"]["versions"][0]["name"] = "v1"; }, "no version v1alpha1",
       Error},
      {Id::CrdVersion, [=](World& w) { only_crd(w)["spec"]["versions"][0]["storage"] = false; }, "not stored", Error},
      {Id::CrdVersion, [=](World& w) { only_crd(w)["spec"]["versions"][0]["served"] = false; }, "not served", Error},
      {Id::CrdSchema, [=](World& w) { only_crd(w).at(kSpec).erase("mode"); }, "it lacks spec.mode", Warning},
      {Id::CrdSchema,
       [=](World& w) {
         only_crd(w).at(kSpec)["new"] = {{"type", "string"}};
       },
       "does not know its spec.new", Warning},
      {Id::PluralAmbiguous,
       [](World& w) {
         w.foreign.push_back({"gateway.example", "accesspolicies", "accesspolicies"});
       },
       "accesspolicies.gateway.example", Warning},
      {Id::ClockSkewLocal,
       [](World& w) {
         w.now -= Seconds(600);
         w.skew = Seconds(600);
       },
       "10m behind the API server's", Warning},
      {Id::ClockSkewOperator, [](World& w) { w.fleet->time += Seconds(40); }, "40s ahead of", Warning},
      {Id::ClockSkewOperator,
       [](World& w) {
         w.fleet.reset();
         (*w.lease.value)["spec"]["renewTime"] = format_time(w.now + Seconds(90));
       },
       "1m30s ahead of", Warning},
      {Id::ClockSkewSidecar, [](World& w) { first(w).skew = -42; }, "node node-1 is 42 s behind", Warning},
      {Id::OperatorMissing, [](World& w) { w.deployment.value.reset(); }, "somebody renews", Warning},
      {Id::OperatorUnavailable, [](World& w) { (*w.deployment.value)["status"].erase("availableReplicas"); },
       "1 replicas are wanted, none is available", Error},
      {Id::OperatorVersion, [](World& w) { w.program_version = "9.9.9"; }, "release 1.2.3, this program of 9.9.9",
       Warning},
      {Id::LeaseMissing, [](World& w) { w.lease.value.reset(); }, "not there", Error},
      {Id::LeaseUnheld, [](World& w) { (*w.lease.value)["spec"]["holderIdentity"] = ""; }, "nobody", Error},
      {Id::LeaseExpired, [](World& w) { (*w.lease.value)["spec"]["renewTime"] = format_time(w.now - Seconds(300)); },
       "operator-1_x holds it and renewed it 5m ago; it is good for 15s", Error},
      {Id::LeaseExpired, [](World& w) { (*w.lease.value)["spec"].erase("renewTime"); }, "never renewed", Error},
  };
}

std::vector<Case> certificate_cases() {
  using enum Severity;
  const auto ca = [](const std::string& pem) {
    return [pem](World& w) { hook(w)["clientConfig"]["caBundle"] = base64_encode(pem); };
  };
  const auto trust = [](const std::string& pem) {
    return [pem](World& w) { w.trust["shop"].value = trust_map("shop", pem); };
  };
  return {
      {Id::CertificateExpired, [](World& w) { w.fleet->certificates[0].until = w.now - Seconds(1); }, "valid from",
       Error},
      {Id::CertificateExpired, [](World& w) { w.fleet->certificates[1].from = w.now + Seconds(60); }, "valid from",
       Error},
      {Id::CertificateExpiring,
       [](World& w) {
         w.fleet->certificates[0] = {"fleet", w.now - hours(24 * 76), w.now + hours(24 * 14)};
       },
       "it ends at", Warning},
      {Id::WebhookMissing, [](World& w) { w.webhooks.value.reset(); }, "not there", Error},
      {Id::WebhookWithoutCa, [](World& w) { hook(w)["clientConfig"].erase("caBundle"); }, "namespace.inject", Error},
      {Id::WebhookCaUnreadable, ca("no certificate"), "holds no certificate", Error},
      {Id::WebhookCaExpired, ca(certificate(-20, 10)), "is valid from", Error},
      {Id::WebhookCaExpired, ca(certificate(5, 100)), "is valid from", Error},
      {Id::WebhookCaExpiring, ca(certificate(-20, 30)), "ends at", Warning},
      {Id::WebhookFailsOpen, [](World& w) { hook(w)["failurePolicy"] = "Ignore"; }, "is Ignore", Warning},
      {Id::WebhookNoEndpoints,
       [](World& w) { w.endpoints.begin()->second.value[0]["endpoints"][0]["conditions"]["ready"] = false; },
       "no endpoint", Error},
      {Id::WebhookNoEndpoints, [](World& w) { w.endpoints.begin()->second.value.clear(); }, "no endpoint", Error},
      {Id::TrustMissing, [](World& w) { w.trust["shop"].value.reset(); }, "not there", Error},
      {Id::TrustUnreadable, [](World& w) { w.trust["shop"].value = json::object(); }, "", Error},
      {Id::TrustUnreadable, trust("no certificate"), "no certificate", Error},
      {Id::TrustCaExpired, trust(certificate(-20, 10)), "is valid from", Error},
      {Id::TrustCaExpiring, trust(certificate(-20, 30)), "ends at", Warning},
      {Id::PodWithoutSidecar, [](World& w) { w.injectable.value[0]["spec"]["initContainers"].clear(); }, "mesh-auth",
       Error},
  };
}

std::vector<Case> resource_cases() {
  using enum Severity;
  const auto provider = [](const char* type, const char* status, const char* reason) {
    return [=](World& w) { set_condition(w.providers.value[0], type, status, reason); };
  };
  const auto policy = [](const char* type, const char* reason) {
    return [=](World& w) { set_condition(w.policies.value[0], type, "False", reason); };
  };
  return {
      {Id::ProviderUnvisited, [](World& w) { w.providers.value[0].erase("status"); }, "no conditions", Error},
      {Id::ProviderStatusOld, [](World& w) { w.providers.value[0]["metadata"]["generation"] = 3; },
       "its generation is 3", Warning},
      {Id::ProviderInvalid, provider("Accepted", "False", "Invalid"), "Accepted=False (Invalid): a message", Error},
      {Id::ProviderPending, provider("KeysFresh", "Unknown", "Pending"), "KeysFresh=Unknown", Warning},
      {Id::ProviderKeys, provider("KeysFresh", "False", "KeysStale"), "KeysStale", Error},
      {Id::ProviderDiscovery, provider("Discovered", "False", "IssuerMismatch"), "IssuerMismatch", Error},
      {Id::ProviderFailing, [](World& w) { w.providers.value[0]["status"]["consecutiveFailures"] = 2; }, "2 fetches",
       Warning},
      {Id::ProviderOverdue,
       [](World& w) { w.providers.value[0]["status"]["nextFetchTime"] = format_time(w.now - Seconds(600)); }, "10m ago",
       Error},
      {Id::ProviderKeysAging,
       [](World& w) { w.providers.value[0]["status"]["lastFetchTime"] = format_time(w.now - hours(13)); },
       "13h ago, maxStale is 24h", Warning},
      {Id::ProviderKeyOld,
       [](World& w) {
         w.providers.value[0]["status"]["keys"][0]["firstSeenTime"] = format_time(w.now - hours(24 * 400));
       },
       "key k1 is there for 400d", Info},
      {Id::PolicyUnvisited, [](World& w) { w.policies.value[0].erase("status"); }, "no conditions", Error},
      {Id::PolicyStatusOld, [](World& w) { w.policies.value[0]["metadata"]["generation"] = 3; }, "its generation is 3",
       Warning},
      {Id::PolicyInvalid, policy("Accepted", "Invalid"), "Invalid", Error},
      {Id::PolicyUnresolved, policy("ResolvedRefs", "ProviderNotFound"), "ProviderNotFound", Error},
      {Id::PolicyNotProgrammed, policy("Programmed", "BundleFailed"), "BundleFailed", Error},
      {Id::PolicyBypassable,
       [](World& w) {
         w.policies.value[0]["status"]["conditions"].push_back(
             testing::condition("Bypassable", "True", "ServicePastSidecar"));
       },
       "Bypassable=True", Error},
      {Id::PolicyPending, policy("Programmed", "SidecarsPending"), "SidecarsPending", Warning},
      {Id::PolicyNoSidecars, policy("Programmed", "NoSidecars"), "NoSidecars", Info},
  };
}

std::vector<Case> sidecar_cases() {
  using enum Severity;
  return {
      {Id::FleetUnreadable,
       [](World& w) {
         w.fleet.reset();
         w.fleet_problem = "503 no endpoints";
       },
       "503 no endpoints", Error},
      {Id::SidecarNeverConnected, [](World& w) { w.fleet->sidecars.erase("shop/orders-1"); }, "has not connected",
       Error},
      {Id::SidecarDisconnected,
       [](World& w) {
         first(w).connected = false;
         first(w).connection = w.now - Seconds(130);
       },
       "closed for 2m10s", Warning},
      {Id::SidecarRefused,
       [](World& w) {
         first(w).outcome = "refused";
         first(w).detail = "nginx -t said no";
       },
       "refused revision aaaaaaaaaaaa: nginx -t said no", Error},
      {Id::SidecarBehind, [](World& w) { first(w).revision = first(w).ack_revision = kOldRevision; },
       "runs revision bbbbbbbbbbbb; current for 60m is aaaaaaaaaaaa", Warning},
      {Id::SidecarImage, [](World& w) { w.pods.value[0]["spec"]["initContainers"][0]["image"] = "sidecar:0"; },
       "sidecar:0, new pods get sidecar:1", Warning},
  };
}

std::vector<Case> all_cases() {
  std::vector<Case> out;
  for (auto cases : {installation_cases(), certificate_cases(), resource_cases(), sidecar_cases()}) {
    std::move(cases.begin(), cases.end(), std::back_inserter(out));
  }
  return out;
}

std::vector<std::string> ids(const std::vector<Finding>& findings) {
  std::vector<std::string> out;
  for (const Finding& finding : findings) out.emplace_back(kind_of(finding.id).id);
  return out;
}

using Ids = std::vector<std::string>;

}  // namespace

TEST_CASE("nothing is found in a mesh in which nothing is wrong") {
  CHECK(ids(examine(healthy(real_now()))) == Ids{});
}

TEST_CASE("each thing that breaks is found, and nothing else") {
  for (const Case& broken : all_cases()) {
    World world = healthy(real_now());
    broken.broken(world);
    const auto findings = examine(world);
    CAPTURE(kind_of(broken.id).id);
    CAPTURE(broken.says);
    REQUIRE(ids(findings) == Ids{std::string(kind_of(broken.id).id)});
    CAPTURE(findings[0].found);
    CHECK(findings[0].found.find(broken.says) != std::string::npos);
    CHECK(findings[0].severity == broken.severity);
  }
}

TEST_CASE("every finding has a case here") {
  // By time, not by a change of the world.
  std::set<std::string_view> tested{kind_of(Id::MeshKeysOld).id};
  for (const Case& broken : all_cases()) tested.insert(kind_of(broken.id).id);
  for (const Kind& kind : kinds()) {
    CAPTURE(kind.id);
    CHECK(tested.contains(kind.id));
  }
}

TEST_CASE("keys of three years are told; an authority that ends is told once for all namespaces") {
  CHECK(ids(examine(healthy(real_now() + hours(24 * 365 * 3)))) == Ids{"mesh-keys-old"});
  World world = healthy(real_now() + hours(24 * 365 * 11));
  world.trust["users"] = world.trust["shop"];
  CHECK(ids(examine(world)) == Ids{"webhook-ca-expired", "webhook-ca-expired", "trust-ca-expired"});
}

TEST_CASE("while one authority replaces another the older one may end") {
  World world = healthy(real_now());
  const std::string both = certificate(-20, 10) + authority();
  hook(world)["clientConfig"]["caBundle"] = base64_encode(both);
  const bundle::Trust trust{{bundle::SigningKey::generate().public_key()}, {certificate(-20, 10), authority()}};
  (*world.trust["shop"].value)["data"]["trust.json"] = trust.to_json();
  CHECK(ids(examine(world)) == Ids{});
}

TEST_CASE("a rollout is no finding") {
  const Time now = real_now();
  World world = healthy(now);
  world.pods.value.push_back(pod("orders-3", now - Seconds(5)));  // starts
  world.fleet->workloads["shop/orders"].published = now - Seconds(1);
  first(world).revision = first(world).ack_revision = kOldRevision;         // is about to take it
  world.pods.value[1]["metadata"]["deletionTimestamp"] = format_time(now);  // ends
  world.fleet->sidecars.erase("shop/orders-2");
  CHECK(ids(examine(world)) == Ids{});

  SUBCASE("nor is an operator that has just taken over") {
    world.pods.value.push_back(pod("orders-4", now - hours(1)));
    (*world.lease.value)["spec"]["acquireTime"] = format_time(now - Seconds(5));
    CHECK(ids(examine(world)) == Ids{});
  }
  SUBCASE("nor are new resources") {
    world.providers.value.push_back(object_of("new", now - Seconds(1)));
    world.policies.value.push_back(object_of("new", now - Seconds(1)));
    CHECK(ids(examine(world)) == Ids{});
  }
}

TEST_CASE("what nobody asked for is not missing") {
  World world = healthy(real_now());
  world.webhooks.value.reset();
  world.endpoints.clear();
  world.injectable.value.clear();
  (*world.deployment.value)["spec"]["template"]["spec"]["containers"][0]["args"] = {"--sidecar-image=sidecar:1"};
  CHECK(ids(examine(world)) == Ids{});
}

TEST_CASE("keys that the resource itself holds are not fetched, and that is right") {
  World world = healthy(real_now());
  world.providers.value[0]["status"].erase("nextFetchTime");
  world.providers.value[0]["status"].erase("lastFetchTime");
  CHECK(ids(examine(world)) == Ids{});
}

TEST_CASE("what was not read gives no finding beside that it was not read") {
  World world = healthy(real_now());
  world.crds["accesspolicies.meshauth.dev"] = {};
  world.deployment = world.lease = world.webhooks = {};
  world.trust["shop"] = {};
  world.providers = world.policies = world.injectable = {};
  world.fleet.reset();
  world.problems.push_back({"list", "identityproviders.meshauth.dev", "in all namespaces", true, ""});
  CHECK(ids(examine(world)) == Ids{"permission-missing"});
}

TEST_CASE("objects of any shape are looked at without harm") {
  for (const json& shape :
       {json(), json(7), json("text"), json::array({1, "x"}), json{{"status", 3}, {"spec", {1}}, {"metadata", {1}}}}) {
    World world = healthy(real_now());
    world.crds.begin()->second.value = shape;
    world.deployment.value = world.lease.value = world.webhooks.value = shape;
    world.providers.value = world.policies.value = world.injectable.value = {shape};
    world.pods.value = {pod_of(shape)};
    world.trust["shop"].value = shape;
    world.endpoints.begin()->second.value = {shape};
    CHECK(!examine(world).empty());
  }
}

TEST_CASE("the worst comes first") {
  World world = healthy(real_now());
  world.fleet->sidecars.erase("shop/orders-2");
  first(world).connected = false;
  world.lease.value.reset();
  const auto findings = examine(world);
  CHECK(ids(findings) == Ids{"lease-missing", "sidecar-never-connected", "sidecar-disconnected"});
}

}  // namespace meshauth::cli::check
