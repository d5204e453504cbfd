// The directives, as values.
#pragma once

#include "core/engine/challenge.h"
#include "core/engine/decide.h"
#include "sidecar/nginx/module/ngx.h"

namespace meshauth::nginx {

enum Mode : ngx_uint_t { kOff, kOn, kObserve };

/// http{}: nginx zeroes it, then create_main_conf sets what is unset.
struct MainConf {
  ngx_str_t bundle, trust, agent, workload;
  ngx_str_t auth_conf;       // digest of the auth.conf that is included, 64 hex digits; empty: not said
  std::size_t token_cache;   // bytes
  ngx_uint_t audit_allowed;  // of a million allowed requests, how many are logged
  ngx_uint_t log_phase;      // 1: only of requests that have $mesh_auth_log
  ngx_thread_pool_t* pool;
  bool enabled;  // some location decides
};

struct LocConf {
  ngx_uint_t mode;
  ngx_uint_t port;
  ngx_uint_t preflight;
  ngx_uint_t error_body;
  ngx_uint_t path_allow;  // bits of kEncodedSlash...
  ngx_str_t resource_metadata;

  engine::Options options() const noexcept;
};

constexpr ngx_uint_t kEncodedSlash = 1, kSemicolon = 2, kDoubleSlash = 4;
constexpr ngx_uint_t kMillion = 1'000'000;

extern ngx_command_t commands[];

void* create_main_conf(ngx_conf_t* cf) noexcept;
char* init_main_conf(ngx_conf_t* cf, void* conf) noexcept;
void* create_loc_conf(ngx_conf_t* cf) noexcept;
char* merge_loc_conf(ngx_conf_t* cf, void* parent, void* child) noexcept;

inline MainConf* main_conf(ngx_http_request_t* r) noexcept {
  return static_cast<MainConf*>(ngx_http_get_module_main_conf(r, ngx_http_mesh_auth_module));
}
inline LocConf* loc_conf(ngx_http_request_t* r) noexcept {
  return static_cast<LocConf*>(ngx_http_get_module_loc_conf(r, ngx_http_mesh_auth_module));
}

}  // namespace meshauth::nginx
