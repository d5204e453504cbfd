#include "sidecar/nginx/module/config.h"

#include <sys/stat.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <string>

#include "core/base/text.h"
#include "core/bundle/wire.h"
#include "core/policy/path.h"
#include "sidecar/nginx/bundle_folder.h"

namespace meshauth::nginx {
namespace {

char* const kError = static_cast<char*>(NGX_CONF_ERROR);
char* const kDuplicate = const_cast<char*>("is duplicate");

/// Says what is wrong with the directive's value, and what would be right.
char* refuse(ngx_conf_t* cf, const std::string& what) {
  const auto* args = static_cast<const ngx_str_t*>(cf->args->elts);
  ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "\"%V\": %*s", &args[0], what.size(), what.data());
  return kError;
}

std::string_view argument(ngx_conf_t* cf) {
  return view(static_cast<ngx_str_t*>(cf->args->elts)[1]);
}

/// Every setter is Body(cf, conf, value) behind the guard.
template <class Conf, char* (*Body)(ngx_conf_t*, Conf&, std::string_view)>
char* setter(ngx_conf_t* cf, ngx_command_t*, void* conf) noexcept {
  return guarded(cf->log, kError, [&] { return Body(cf, *static_cast<Conf*>(conf), argument(cf)); });
}

char* set_bundle(ngx_conf_t* cf, MainConf& conf, std::string_view value) {
  if (conf.bundle.data) return kDuplicate;
  struct stat info {};
  if (!value.starts_with('/')) return refuse(cf, in_quotes(value) + " is no absolute path");
  if (::stat(std::string(value).c_str(), &info) != 0 || !S_ISDIR(info.st_mode)) {
    return refuse(cf, in_quotes(value) + " is no folder; the agent makes it before it starts nginx");
  }
  return copy(cf->pool, value, conf.bundle) ? NGX_CONF_OK : kError;
}

char* set_trust(ngx_conf_t* cf, MainConf& conf, std::string_view value) {
  if (conf.trust.data) return kDuplicate;
  if (!value.starts_with('/')) return refuse(cf, in_quotes(value) + " is no absolute path");
  if (const auto checked = check_trust_file(std::string(value)); !checked) return refuse(cf, checked.error().message);
  return copy(cf->pool, value, conf.trust) ? NGX_CONF_OK : kError;
}

char* set_agent(ngx_conf_t* cf, MainConf& conf, std::string_view value) {
  if (conf.agent.data) return kDuplicate;
  constexpr std::string_view kPrefix = "unix:";
  if (!value.starts_with("unix:/")) return refuse(cf, in_quotes(value) + " is not unix:/PATH of a socket");
  value.remove_prefix(kPrefix.size());
  if (value.size() >= sizeof(sockaddr_un::sun_path)) {
    return refuse(cf,
                  "the socket's path is longer than " + std::to_string(sizeof(sockaddr_un::sun_path) - 1) + " bytes");
  }
  return copy(cf->pool, value, conf.agent) ? NGX_CONF_OK : kError;
}

char* set_workload(ngx_conf_t* cf, MainConf& conf, std::string_view value) {
  if (conf.workload.data) return kDuplicate;
  const auto parts = split(value, '/');
  if (parts.size() != 2 || !bundle::is_dns_label(parts[0]) || !bundle::is_dns_label(parts[1])) {
    return refuse(cf, in_quotes(value) + " is not NAMESPACE/NAME, both DNS labels");
  }
  return copy(cf->pool, value, conf.workload) ? NGX_CONF_OK : kError;
}

char* set_auth_conf(ngx_conf_t* cf, MainConf& conf, std::string_view value) {
  if (conf.auth_conf.data) return kDuplicate;
  if (value.size() != 64 || value.find_first_not_of("0123456789abcdef") != std::string_view::npos) {
    return refuse(cf, in_quotes(value) + " is no SHA-256 of an auth.conf: 64 hexadecimal digits in lower case");
  }
  return copy(cf->pool, value, conf.auth_conf) ? NGX_CONF_OK : kError;
}

char* set_token_cache(ngx_conf_t* cf, MainConf& conf, std::string_view) {
  if (conf.token_cache != NGX_CONF_UNSET_SIZE) return kDuplicate;
  const ssize_t size = ngx_parse_size(&static_cast<ngx_str_t*>(cf->args->elts)[1]);
  constexpr std::size_t kMost = std::size_t{4} << 30;
  if (size < 0 || static_cast<std::size_t>(size) < engine::kMinTokenCacheBytes ||
      static_cast<std::size_t>(size) > kMost) {
    return refuse(cf, in_quotes(argument(cf)) + " is no size from 64k to 4096m, such as 16m");
  }
  conf.token_cache = static_cast<std::size_t>(size);
  return NGX_CONF_OK;
}

char* set_audit_allowed(ngx_conf_t* cf, MainConf& conf, std::string_view value) {
  if (conf.audit_allowed != NGX_CONF_UNSET_UINT) return kDuplicate;
  const std::string text(value);
  char* end = nullptr;
  const double ratio = std::strtod(text.c_str(), &end);
  const bool plain = text.find_first_not_of("0123456789.") == std::string::npos;
  if (!plain || end != text.c_str() + text.size() || !(ratio >= 0 && ratio <= 1)) {
    return refuse(cf, in_quotes(value) + " is no ratio from 0 (no allowed request is logged) to 1 (every one is)");
  }
  conf.audit_allowed = static_cast<ngx_uint_t>(std::lround(ratio * static_cast<double>(kMillion)));
  return NGX_CONF_OK;
}

/// One of two or three words.
char* choose(ngx_conf_t* cf, ngx_uint_t& into, std::string_view value, std::initializer_list<std::string_view> words) {
  if (into != NGX_CONF_UNSET_UINT) return kDuplicate;
  const auto* found = std::find(words.begin(), words.end(), value);
  if (found == words.end()) {
    std::string list;
    for (const std::string_view word : words) list += (list.empty() ? "" : ", ") + std::string(word);
    return refuse(cf, in_quotes(value) + " is none of: " + list);
  }
  into = static_cast<ngx_uint_t>(found - words.begin());
  return NGX_CONF_OK;
}

char* set_mode(ngx_conf_t* cf, LocConf& conf, std::string_view value) {
  char* const result = choose(cf, conf.mode, value, {"off", "on", "observe"});
  if (result == NGX_CONF_OK && conf.mode != kOff) {
    static_cast<MainConf*>(ngx_http_conf_get_module_main_conf(cf, ngx_http_mesh_auth_module))->enabled = true;
  }
  return result;
}

char* set_preflight(ngx_conf_t* cf, LocConf& conf, std::string_view value) {
  return choose(cf, conf.preflight, value, {"decide", "pass"});
}

char* set_error_body(ngx_conf_t* cf, LocConf& conf, std::string_view value) {
  return choose(cf, conf.error_body, value, {"json", "plain"});
}

char* set_port(ngx_conf_t* cf, LocConf& conf, std::string_view value) {
  if (conf.port != NGX_CONF_UNSET_UINT) return kDuplicate;
  const ngx_int_t port = ngx_atoi(str(value).data, value.size());
  if (port < 1 || port > 65535) return refuse(cf, in_quotes(value) + " is no port from 1 to 65535");
  conf.port = static_cast<ngx_uint_t>(port);
  return NGX_CONF_OK;
}

char* set_path_allow(ngx_conf_t* cf, LocConf& conf, std::string_view value) {
  if (conf.path_allow != NGX_CONF_UNSET_UINT) return kDuplicate;
  const auto allow = policy::parse_path_allow(value);
  if (!allow) return refuse(cf, allow.error().message);
  conf.path_allow = (allow->encoded_slash ? kEncodedSlash : 0) | (allow->semicolon ? kSemicolon : 0) |
                    (allow->double_slash ? kDoubleSlash : 0);
  return NGX_CONF_OK;
}

char* set_resource_metadata(ngx_conf_t* cf, LocConf& conf, std::string_view value) {
  if (conf.resource_metadata.data) return kDuplicate;
  if (!engine::is_metadata_url(value)) {
    return refuse(cf, in_quotes(value) + " is no http or https URL of at most 1024 bytes");
  }
  return copy(cf->pool, value, conf.resource_metadata) ? NGX_CONF_OK : kError;
}

char* set_log_phase(ngx_conf_t* cf, MainConf& conf, std::string_view value) {
  return choose(cf, conf.log_phase, value, {"always", "needed"});
}

constexpr ngx_uint_t kMainOnly = NGX_HTTP_MAIN_CONF | NGX_CONF_TAKE1;
constexpr ngx_uint_t kAnywhere = NGX_HTTP_MAIN_CONF | NGX_HTTP_SRV_CONF | NGX_HTTP_LOC_CONF | NGX_CONF_TAKE1;

template <char* (*Body)(ngx_conf_t*, MainConf&, std::string_view)>
ngx_command_t main_command(std::string_view name) {
  return {str(name), kMainOnly, setter<MainConf, Body>, NGX_HTTP_MAIN_CONF_OFFSET, 0, nullptr};
}

template <char* (*Body)(ngx_conf_t*, LocConf&, std::string_view)>
ngx_command_t loc_command(std::string_view name) {
  return {str(name), kAnywhere, setter<LocConf, Body>, NGX_HTTP_LOC_CONF_OFFSET, 0, nullptr};
}

}  // namespace

bool copy(ngx_pool_t* pool, std::string_view text, ngx_str_t& into) noexcept {
  auto* data = static_cast<u_char*>(ngx_pnalloc(pool, text.size() + 1));
  if (!data) return false;
  std::memcpy(data, text.data(), text.size());
  data[text.size()] = '\0';
  into = {text.size(), data};
  return true;
}

ngx_command_t commands[] = {
    main_command<set_bundle>("mesh_auth_bundle"),
    main_command<set_trust>("mesh_auth_trust"),
    main_command<set_agent>("mesh_auth_agent"),
    main_command<set_workload>("mesh_auth_workload"),
    main_command<set_auth_conf>("mesh_auth_conf"),
    main_command<set_token_cache>("mesh_auth_token_cache"),
    main_command<set_audit_allowed>("mesh_auth_audit_allowed"),
    main_command<set_log_phase>("mesh_auth_log_phase"),
    loc_command<set_mode>("mesh_auth"),
    loc_command<set_port>("mesh_auth_port"),
    loc_command<set_preflight>("mesh_auth_preflight"),
    loc_command<set_error_body>("mesh_auth_error_body"),
    loc_command<set_path_allow>("mesh_auth_path_allow"),
    loc_command<set_resource_metadata>("mesh_auth_resource_metadata"),
    ngx_null_command,
};

engine::Options LocConf::options() const noexcept {
  engine::Options out;
  out.path_allow.encoded_slash = (path_allow & kEncodedSlash) != 0;
  out.path_allow.semicolon = (path_allow & kSemicolon) != 0;
  out.path_allow.double_slash = (path_allow & kDoubleSlash) != 0;
  out.preflight = preflight == 1 ? engine::Preflight::Pass : engine::Preflight::Decide;
  return out;
}

void* create_main_conf(ngx_conf_t* cf) noexcept {
  auto* conf = static_cast<MainConf*>(ngx_pcalloc(cf->pool, sizeof(MainConf)));
  if (!conf) return nullptr;
  conf->token_cache = NGX_CONF_UNSET_SIZE;
  conf->audit_allowed = conf->log_phase = NGX_CONF_UNSET_UINT;
  return conf;
}

char* init_main_conf(ngx_conf_t* cf, void* raw) noexcept {
  auto* conf = static_cast<MainConf*>(raw);
  ngx_conf_init_size_value(conf->token_cache, engine::kDefaultTokenCacheBytes);
  ngx_conf_init_uint_value(conf->audit_allowed, 0);
  ngx_conf_init_uint_value(conf->log_phase, 0);
  if (!conf->enabled && !conf->bundle.data) return NGX_CONF_OK;
  const std::pair<const char*, const ngx_str_t*> needed[] = {
      {"mesh_auth_bundle", &conf->bundle}, {"mesh_auth_trust", &conf->trust}, {"mesh_auth_workload", &conf->workload}};
  for (const auto& [name, value] : needed) {
    if (value->data) continue;
    ngx_log_error(
        NGX_LOG_EMERG, cf->log, 0,
        "\"%s\" is missing in http{}: mesh_auth needs mesh_auth_bundle, mesh_auth_trust and mesh_auth_workload", name);
    return kError;
  }
  conf->pool = ngx_thread_pool_add(cf, nullptr);
  return conf->pool ? NGX_CONF_OK : kError;
}

void* create_loc_conf(ngx_conf_t* cf) noexcept {
  auto* conf = static_cast<LocConf*>(ngx_pcalloc(cf->pool, sizeof(LocConf)));
  if (!conf) return nullptr;
  conf->mode = conf->port = conf->preflight = conf->error_body = conf->path_allow = NGX_CONF_UNSET_UINT;
  return conf;
}

char* merge_loc_conf(ngx_conf_t*, void* parent, void* child) noexcept {
  auto* above = static_cast<LocConf*>(parent);
  auto* conf = static_cast<LocConf*>(child);
  ngx_conf_merge_uint_value(conf->mode, above->mode, kOff);
  ngx_conf_merge_uint_value(conf->port, above->port, 0);
  ngx_conf_merge_uint_value(conf->preflight, above->preflight, 0);
  ngx_conf_merge_uint_value(conf->error_body, above->error_body, 0);
  ngx_conf_merge_uint_value(conf->path_allow, above->path_allow, 0);
  ngx_conf_merge_str_value(conf->resource_metadata, above->resource_metadata, "");
  return NGX_CONF_OK;
}

}  // namespace meshauth::nginx
