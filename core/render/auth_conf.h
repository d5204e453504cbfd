// auth.conf: what nginx includes in the one proxied location of a workload.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/base/provider.h"
#include "core/base/result.h"
#include "core/model/flavour.h"

namespace meshauth::render {

/// The headers that any of the providers forwards or whose token it removes, lower case, sorted, each once.
std::vector<std::string> identity_headers(const std::vector<ProviderSettings>& providers);

/// The nginx variable that holds the header's value: X-User-Email -> mesh_auth_header_x_user_email.
std::string header_variable(std::string_view header);

/// The response header in which the agent says the value to a stock nginx: mesh-auth-header-x-user-email.
std::string header_answer(std::string_view header);

/// Renders templates/auth.conf.mustache. Values: `headers`: list of {header, variable, asked}; asked: the
/// variable holds what the agent answered.
Result<std::string> render_auth_conf(std::string_view text, const std::vector<ProviderSettings>& providers,
                                     model::Flavour flavour);

}  // namespace meshauth::render
