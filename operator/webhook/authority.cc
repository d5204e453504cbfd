#include "operator/webhook/authority.h"

#include <nlohmann/json.hpp>

#include "core/base/base64.h"
#include "core/inject/shape.h"

namespace meshauth::webhook {
namespace {

using inject::text_at;
using nlohmann::json;

}  // namespace

json authority_patch(const json& configuration, const std::string& authority_pem) {
  const std::string wanted = base64_encode(authority_pem);
  const auto hooks = configuration.find("webhooks");
  if (hooks == configuration.end() || !hooks->is_array()) return nullptr;
  bool differs = false;
  json ours = json::array();
  for (const json& hook : *hooks) {
    const auto client = hook.is_object() ? hook.find("clientConfig") : hook.end();
    differs |= !hook.is_object() || client == hook.end() || text_at(*client, "caBundle") != wanted;
    ours.push_back({{"name", text_at(hook, "name")}, {"clientConfig", {{"caBundle", wanted}}}});
  }
  if (!differs) return nullptr;
  return {{"apiVersion", "admissionregistration.k8s.io/v1"},
          {"kind", "MutatingWebhookConfiguration"},
          {"metadata", {{"name", kConfigurationName}}},
          {"webhooks", std::move(ours)}};
}

Result<Kept> keep_authority(const kube::ApiClient& api, const std::string& authority_pem, const std::stop_token& stop) {
  const auto found = api.get(kWebhookConfigurations, "", kConfigurationName, stop);
  if (!found) {
    if (found.error().not_found()) return Kept::NoConfiguration;
    return tl::unexpected(found.error().error());
  }
  const json patch = authority_patch(**found, authority_pem);
  if (patch.is_null()) return Kept::Already;
  const auto applied = api.apply(kWebhookConfigurations, patch, "", stop);
  if (!applied) return tl::unexpected(applied.error().error());
  return Kept::Written;
}

}  // namespace meshauth::webhook
