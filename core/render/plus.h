// The configuration of an NGINX Plus that enforces a workload's policies with ngx_http_auth_jwt_module (R33) and maps.
// What these cannot say exactly is refused by name.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/provider.h"
#include "core/base/result.h"
#include "core/model/access_policy.h"

namespace meshauth::render {

/// Templates nginx-plus.http.conf.mustache and nginx-plus.location.conf.mustache, and what is made of them.
struct PlusText {
  std::string http;      ///< included in http{}
  std::string location;  ///< included in the one proxied location
};

/// Values of both templates: claims, maps, realm, leeway, valid (variables that must hold, else 401), allowed,
/// remove_token. Errors: a sentence that names the policy, the rule and the field, and what would be right.
Result<nlohmann::json> plus_values(const std::vector<model::AccessPolicy>& policies,
                                   const std::vector<ProviderSettings>& providers);

/// Errors: those, and a template that cannot be rendered.
Result<PlusText> render_plus(const PlusText& templates, const std::vector<model::AccessPolicy>& policies,
                             const std::vector<ProviderSettings>& providers);

}  // namespace meshauth::render
