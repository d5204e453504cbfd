// The module as nginx loads it: tables of functions, and nothing else.
#include <memory>

#include "sidecar/nginx/module/config.h"
#include "sidecar/nginx/module/handler.h"
#include "sidecar/nginx/module/variables.h"
#include "sidecar/nginx/module/worker.h"

namespace {

using namespace meshauth::nginx;

ngx_int_t postconfiguration(ngx_conf_t* cf) noexcept {
  auto* core = static_cast<ngx_http_core_main_conf_t*>(ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module));
  auto* slot = static_cast<ngx_http_handler_pt*>(ngx_array_push(&core->phases[NGX_HTTP_PREACCESS_PHASE].handlers));
  if (!slot) return NGX_ERROR;
  *slot = handle;
  return NGX_OK;
}

/// After the fork: the first moment for threads, keys and random seeds.
ngx_int_t init_process(ngx_cycle_t* cycle) noexcept {
  if (ngx_process != NGX_PROCESS_WORKER && ngx_process != NGX_PROCESS_SINGLE) return NGX_OK;
  const auto* conf = static_cast<MainConf*>(ngx_http_cycle_get_module_main_conf(cycle, ngx_http_mesh_auth_module));
  if (!conf || !conf->bundle.data) return NGX_OK;
  // A worker that cannot start this answers 503: nginx would start another one again and again.
  return guarded(cycle->log, ngx_int_t{NGX_OK}, [&]() -> ngx_int_t {
    auto worker = std::make_unique<Worker>(*conf, cycle);
    if (worker->start()) static_cast<void>(worker.release());  // until exit_process
    return NGX_OK;
  });
}

void exit_process(ngx_cycle_t* cycle) noexcept {
  guarded(cycle->log, 0, [] {
    delete Worker::get();
    return 0;
  });
}

ngx_http_module_t context = {
    add_variables, postconfiguration, create_main_conf, init_main_conf,
    nullptr,       nullptr,           create_loc_conf,  merge_loc_conf,
};

}  // namespace

extern "C" {

#define MESH_AUTH_EXPORT __attribute__((visibility("default")))

MESH_AUTH_EXPORT ngx_module_t ngx_http_mesh_auth_module = {
    NGX_MODULE_V1, &context, commands, NGX_HTTP_MODULE, nullptr, nullptr,
    init_process,  nullptr,  nullptr,  exit_process,    nullptr, NGX_MODULE_V1_PADDING,
};

MESH_AUTH_EXPORT ngx_module_t* ngx_modules[] = {&ngx_http_mesh_auth_module, nullptr};

MESH_AUTH_EXPORT char ngx_module_name_text[] = "ngx_http_mesh_auth_module";
MESH_AUTH_EXPORT char* ngx_module_names[] = {ngx_module_name_text, nullptr};

// Handlers of a phase run in the reverse order of the modules: ahead of limit_conn in the list, ours runs after
// limit_conn, limit_req and realip.
static char limit_conn[] = "ngx_http_limit_conn_module";
MESH_AUTH_EXPORT char* ngx_module_order[] = {ngx_module_name_text, limit_conn, nullptr};
}
