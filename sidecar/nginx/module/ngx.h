// nginx's headers, as C. Only files of this folder include them.
#pragma once

extern "C" {
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_http.h>
#include <ngx_thread_pool.h>

extern __attribute__((visibility("default"))) ngx_module_t ngx_http_mesh_auth_module;
}

#include <string_view>
#include <utility>

namespace meshauth::nginx {

inline std::string_view view(const ngx_str_t& text) noexcept {
  return text.len == 0 ? std::string_view() : std::string_view(reinterpret_cast<const char*>(text.data), text.len);
}

/// Points into the view's bytes.
inline ngx_str_t str(std::string_view text) noexcept {
  return {text.size(), reinterpret_cast<u_char*>(const_cast<char*>(text.data()))};
}

/// Copies into the pool; false if it has no memory.
bool copy(ngx_pool_t* pool, std::string_view text, ngx_str_t& into) noexcept;

/// Every entry from nginx goes through here: what a C++ exception would tear apart becomes `otherwise`.
template <class Body, class Value>
Value guarded(ngx_log_t* log, Value otherwise, Body&& body) noexcept {
  try {
    return std::forward<Body>(body)();
  } catch (const std::exception& e) {
    ngx_log_error(NGX_LOG_ALERT, log, 0, "mesh_auth: %s", e.what());
  } catch (...) {
    ngx_log_error(NGX_LOG_ALERT, log, 0, "mesh_auth: unknown exception");
  }
  return otherwise;
}

}  // namespace meshauth::nginx
