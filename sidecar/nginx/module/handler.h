// The handler of the PREACCESS phase.
#pragma once

#include "sidecar/nginx/module/ngx.h"

namespace meshauth::nginx {

/// Runs for the main request, for each of its internal redirects, and for subrequests, before `satisfy` counts.
ngx_int_t handle(ngx_http_request_t* r) noexcept;

}  // namespace meshauth::nginx
