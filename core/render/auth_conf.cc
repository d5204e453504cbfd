#include "core/render/auth_conf.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "core/base/text.h"
#include "core/render/template.h"

namespace meshauth::render {

std::vector<std::string> identity_headers(const std::vector<ProviderSettings>& providers) {
  std::set<std::string> names;
  for (const ProviderSettings& provider : providers) {
    for (const ForwardedClaim& claim : provider.forward_claims) names.insert(to_lower(claim.header));
    if (provider.forward_token) continue;
    for (const TokenSource& source : provider.token_sources) {
      names.insert(source.cookie.empty() ? to_lower(source.header) : "cookie");
    }
  }
  return {names.begin(), names.end()};
}

std::string header_variable(std::string_view header) {
  std::string name = "mesh_auth_header_" + to_lower(header);
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

std::string header_answer(std::string_view header) {
  std::string name = header_variable(header);
  std::replace(name.begin(), name.end(), '_', '-');
  return name;
}

Result<std::string> render_auth_conf(std::string_view text, const std::vector<ProviderSettings>& providers,
                                     model::Flavour flavour) {
  const bool asked = flavour == model::Flavour::AuthRequest;
  nlohmann::json headers = nlohmann::json::array();
  for (const std::string& name : identity_headers(providers)) {
    headers.push_back({{"header", name}, {"variable", header_variable(name)}, {"asked", asked}});
  }
  return render_template(text, {{"headers", headers}});
}

}  // namespace meshauth::render
