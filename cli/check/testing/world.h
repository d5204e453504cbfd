// A mesh in which nothing is wrong, to break in tests. Never part of a program.
#pragma once

#include <stdexcept>

#include "cli/check/crd_fields.h"
#include "cli/check/world.h"
#include "core/base/base64.h"
#include "core/bundle/keys.h"
#include "operator/files/manifest.h"
#include "operator/http/certificate.h"

namespace meshauth::cli::check::testing {

using nlohmann::json;

inline const std::string kRevision(64, 'a');
inline const std::string kOldRevision(64, 'b');

inline Time real_now() {
  return std::chrono::floor<Seconds>(std::chrono::system_clock::now());
}

inline const std::string& authority() {
  static const std::string pem = http::CertificateAuthority::create("mesh").certificate();
  return pem;
}

/// Valid from so many days ago for so many days.
inline std::string certificate(int from_days, int days) {
  static const auto issuer = http::CertificateAuthority::create("issuer");
  return issuer.issue({.names = {"webhook"}, .valid_from_days = from_days, .valid_days = days}).certificate;
}

inline json trust_map(const std::string& ns, const std::string& pem) {
  const bundle::Trust trust{{bundle::SigningKey::generate().public_key()}, {pem}};
  return {{"metadata", {{"namespace", ns}, {"name", "meshauth.trust"}}}, {"data", {{"trust.json", trust.to_json()}}}};
}

inline json condition(const char* type, const char* status, const char* reason) {
  return {{"type", type}, {"status", status}, {"reason", reason}, {"message", "a message"}};
}

inline json object_of(const char* name, Time created) {
  return {{"metadata",
           {{"namespace", "shop"}, {"name", name}, {"generation", 2}, {"creationTimestamp", format_time(created)}}},
          {"status", {{"observedGeneration", 2}}}};
}

/// Of this release.
inline json crd_spec(const std::string& name) {
  for (const std::string_view text : kOurCrds) {
    json crd = files::parse_manifests(text, "crds").value().at(0);
    if (crd["metadata"]["name"] == name) return crd["spec"];
  }
  throw std::runtime_error("no definition " + name);
}

inline json crd(const std::string& name) {
  return {{"metadata", {{"name", name}}},
          {"spec", crd_spec(name)},
          {"status",
           {{"conditions",
             {condition("NamesAccepted", "True", "NoConflicts"),
              condition("Established", "True", "InitialNamesAccepted")}}}}};
}

inline json pod(const char* name, Time created) {
  return {{"metadata",
           {{"namespace", "shop"},
            {"name", name},
            {"creationTimestamp", format_time(created)},
            {"labels", {{"meshauth.dev/workload", "orders"}}}}},
          {"spec",
           {{"nodeName", "node-1"},
            {"containers", {{{"name", "app"}, {"image", "app:1"}}}},
            {"initContainers", {{{"name", "mesh-auth"}, {"image", "sidecar:1"}}}}}},
          {"status", {{"phase", "Running"}}}};
}

inline json provider(Time now) {
  json out = object_of("idp", now - std::chrono::hours(1));
  out["status"].update(
      {{"conditions",
        {condition("Accepted", "True", "Accepted"), condition("Discovered", "True", "Discovered"),
         condition("KeysFresh", "True", "KeysFresh"), condition("Ready", "True", "Ready")}},
       {"consecutiveFailures", 0},
       {"lastFetchTime", format_time(now - Seconds(100))},
       {"nextFetchTime", format_time(now + Seconds(200))},
       {"effective", {{"rotation", {{"maxStale", "24h"}}}}},
       {"keys", {{{"kid", "k1"}, {"state", "Active"}, {"firstSeenTime", format_time(now - std::chrono::hours(9))}}}}});
  return out;
}

inline json policy(Time now) {
  json out = object_of("readers", now - std::chrono::hours(1));
  out["status"]["conditions"] = {condition("Accepted", "True", "Accepted"),
                                 condition("ResolvedRefs", "True", "ResolvedRefs"),
                                 condition("Programmed", "True", "Programmed"), condition("Ready", "True", "Ready")};
  return out;
}

inline json webhooks() {
  const json service{{"namespace", "mesh-auth-system"}, {"name", "mesh-auth-operator"}};
  json out{{"webhooks", json::array()}};
  for (const char* name : {"namespace.inject.meshauth.dev", "pod.inject.meshauth.dev"}) {
    out["webhooks"].push_back({{"name", name},
                               {"failurePolicy", "Fail"},
                               {"clientConfig", {{"caBundle", base64_encode(authority())}, {"service", service}}}});
  }
  return out;
}

inline World healthy(Time now) {
  const Time hour_ago = now - std::chrono::hours(1);
  World world;
  world.server = "https://api";
  world.server_version = "v1.36.0";
  world.program_version = "1.2.3";
  world.operator_ns = "mesh-auth-system";
  world.now = now;
  world.skew = Seconds(0);
  world.timeout = Seconds(30);
  for (const char* name : {"identityproviders.meshauth.dev", "accesspolicies.meshauth.dev"})
    world.crds[name] = {true, crd(name)};
  json container{{"name", "operator"}, {"args", {"--webhook-listen=0.0.0.0:9443", "--sidecar-image=sidecar:1"}}};
  world.deployment = {true, json{{"metadata", {{"labels", {{"app.kubernetes.io/version", "1.2.3"}}}}},
                                 {"spec", {{"replicas", 1}, {"template", {{"spec", {{"containers", {container}}}}}}}},
                                 {"status", {{"availableReplicas", 1}}}}};
  world.lease = {true, json{{"spec",
                             {{"holderIdentity", "operator-1_x"},
                              {"leaseDurationSeconds", 15},
                              {"acquireTime", format_time(hour_ago)},
                              {"renewTime", format_time(now - Seconds(2))}}}}};
  world.webhooks = {true, webhooks()};
  world.endpoints["mesh-auth-system/mesh-auth-operator"] = {
      true, {json{{"endpoints", {{{"addresses", {"10.0.0.1"}}, {"conditions", {{"ready", true}}}}}}}}};
  world.trust["shop"] = {true, trust_map("shop", authority())};
  world.providers = {true, {provider(now)}};
  world.policies = {true, {policy(now)}};
  world.pods = {true, {pod("orders-1", hour_ago), pod("orders-2", hour_ago)}};
  world.injectable = world.pods;
  Fleet fleet;
  fleet.time = now;
  for (const char* name : {"fleet", "webhook"}) {
    fleet.certificates.push_back({name, hour_ago, hour_ago + std::chrono::hours(24 * 90)});
  }
  fleet.workloads["shop/orders"] = {kRevision, hour_ago};
  FleetSidecar sidecar{true, hour_ago, kRevision, kRevision, "applied", hour_ago, "", 0.1};
  fleet.sidecars = {{"shop/orders-1", sidecar}, {"shop/orders-2", sidecar}};
  world.fleet = std::move(fleet);
  return world;
}

}  // namespace meshauth::cli::check::testing
