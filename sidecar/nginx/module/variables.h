// The variables $mesh_auth_*.
#pragma once

#include "sidecar/nginx/module/ngx.h"

namespace meshauth::nginx {

ngx_int_t add_variables(ngx_conf_t* cf) noexcept;

}  // namespace meshauth::nginx
