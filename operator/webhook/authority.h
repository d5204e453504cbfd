// The authority that the API server believes the webhook by: caBundle in the MutatingWebhookConfiguration.
#pragma once

#include <stop_token>
#include <string>
#include <string_view>

#include "core/base/result.h"
#include "operator/kube/api_client.h"

namespace meshauth::webhook {

/// The chart makes it; nothing else of it is ours.
inline constexpr std::string_view kConfigurationName = "mesh-auth-injector";
inline constexpr kube::Resource kWebhookConfigurations{
    "admissionregistration.k8s.io", "v1", "mutatingwebhookconfigurations", "MutatingWebhookConfiguration", false};

enum class Kept { Already, Written, NoConfiguration };

/// Every webhook of the configuration has this caBundle afterwards; written only where one differs. Errors: what the
/// API server said.
Result<Kept> keep_authority(const kube::ApiClient& api, const std::string& authority_pem,
                            const std::stop_token& stop = {});

/// Server-side apply of caBundle where it is to be another one; nullptr (JSON null) where nothing is to do.
nlohmann::json authority_patch(const nlohmann::json& configuration, const std::string& authority_pem);

}  // namespace meshauth::webhook
