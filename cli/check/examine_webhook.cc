// Injection: the webhook's configuration, its certificate, what answers behind it, and the pods it should have changed.
#include "cli/check/certificates.h"
#include "cli/check/examine.h"
#include "core/base/base64.h"
#include "core/inject/names.h"

namespace meshauth::cli::check {
namespace {

using nlohmann::json;

void examine_authority(const World& world, const ObjectName& object, const json& hook, Findings& findings) {
  const std::string name = text_at(hook, {"name"}), encoded = text_at(hook, {"clientConfig", "caBundle"});
  if (encoded.empty()) {
    findings.add(Id::WebhookWithoutCa, object, fmt::format("webhook {} has no caBundle", name));
    return;
  }
  const auto pem = base64_decode(encoded);
  const auto valid = pem ? validity_of(*pem) : std::nullopt;
  const Time now = world.cluster_now();
  if (!valid) {
    findings.add(Id::WebhookCaUnreadable, object, fmt::format("the caBundle of webhook {} holds no certificate", name));
  } else if (now > valid->until || now < valid->from) {
    findings.add(Id::WebhookCaExpired, object,
                 fmt::format("the certificate of webhook {} is valid from {} to {}", name, format_time(valid->from),
                             format_time(valid->until)));
  } else if (now + kExpiring > valid->until) {
    findings.add(Id::WebhookCaExpiring, object,
                 fmt::format("the certificate of webhook {} ends at {}", name, format_time(valid->until)));
  }
}

bool has_ready_endpoint(const std::vector<json>& slices) {
  for (const json& slice : slices) {
    for (const json& endpoint : at(slice, {"endpoints"})) {
      const json& ready = at(endpoint, {"conditions", "ready"});
      if (ready.is_null() || ready == json(true)) return true;  // not said: to be taken as ready
    }
  }
  return false;
}

bool has_sidecar(const json& pod) {
  return !entry_at(pod, {"spec", "containers"}, "name", inject::kSidecarName).is_null() ||
         !entry_at(pod, {"spec", "initContainers"}, "name", inject::kSidecarName).is_null();
}

void examine_pods(const World& world, Findings& findings) {
  for (const json& pod : world.injectable.value) {
    if (!is_live(pod) || has_sidecar(pod)) continue;
    findings.add(Id::PodWithoutSidecar,
                 {"Pod", text_at(pod, {"metadata", "namespace"}), text_at(pod, {"metadata", "name"})},
                 fmt::format("it is to be injected and has no container {}", inject::kSidecarName));
  }
}

}  // namespace

void examine_webhook(const World& world, Findings& findings) {
  examine_pods(world, findings);
  if (!world.webhooks.read) return;
  const ObjectName object{"MutatingWebhookConfiguration", "", "mesh-auth-injector"};
  if (!world.webhooks.value) {
    if (operator_flag(world, "--webhook-listen") || !world.injectable.value.empty()) {
      findings.add(Id::WebhookMissing, object, "it is not there, and pods are to be injected");
    }
    return;
  }
  for (const json& hook : at(*world.webhooks.value, {"webhooks"})) {
    examine_authority(world, object, hook, findings);
    const std::string policy = text_at(hook, {"failurePolicy"});
    if (policy != "Fail") {
      findings.add(Id::WebhookFailsOpen, object,
                   fmt::format("failurePolicy of webhook {} is {}", text_at(hook, {"name"}), policy));
    }
  }
  for (const auto& [service, slices] : world.endpoints) {
    if (!slices.read || has_ready_endpoint(slices.value)) continue;
    const auto slash = service.find('/');
    findings.add(Id::WebhookNoEndpoints, {"Service", service.substr(0, slash), service.substr(slash + 1)},
                 "no endpoint of it is ready");
  }
}

}  // namespace meshauth::cli::check
