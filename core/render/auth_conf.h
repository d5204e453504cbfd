// auth.conf: what nginx includes in the one proxied location of a workload.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/base/provider.h"
#include "core/base/result.h"

namespace meshauth::render {

/// The headers that any of the providers forwards or whose token it removes, lower case, sorted, each once.
std::vector<std::string> identity_headers(const std::vector<ProviderSettings>& providers);

/// The nginx variable that holds the header's value: X-User-Email -> mesh_auth_header_x_user_email.
std::string header_variable(std::string_view header);

/// Renders templates/auth.conf.mustache for flavour Module. Values: `headers`: list of {header, variable}.
Result<std::string> render_auth_conf(std::string_view text, const std::vector<ProviderSettings>& providers);

}  // namespace meshauth::render
