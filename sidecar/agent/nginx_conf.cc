#include "sidecar/agent/nginx_conf.h"

#include <nlohmann/json.hpp>

#include "core/base/text.h"
#include "core/engine/challenge.h"
#include "core/engine/resource_metadata.h"
#include "core/render/template.h"
#include "sidecar/agent/folder.h"

namespace meshauth::agent {
namespace {

using nlohmann::json;

constexpr std::size_t kMaxTemplateBytes = 256 * 1024;

json server_values(const Mapping& mapping, std::size_t index, bool has_metadata) {
  return {{"listen", mapping.listen},
          {"metadata", mapping.protocol == Mapping::Protocol::Http1 && has_metadata},
          {"application", mapping.application},
          {"port", mapping.application_port},
          {"upstream", fmt::format("application_{}", index)},
          {"http1", mapping.protocol == Mapping::Protocol::Http1},
          {"grpc", mapping.protocol == Mapping::Protocol::Grpc}};
}

/// What a stock nginx answers for the agent: it has no word for 400 and 503, which become 500.
json refusals(const Options& options) {
  const auto form = options.error_body == "plain" ? engine::ErrorBody::Plain : engine::ErrorBody::Json;
  json out = json::array();
  for (const int status : {401, 403, 500}) {
    std::string body = engine::error_body(status, form);
    body.pop_back();  // the line feed, which a template cannot say
    out.push_back({{"status", status},
                   {"name", fmt::format("refused_{}", status)},
                   {"challenged", status == 403},  // 401 has it from nginx itself
                   {"body_type", engine::content_type(form)},
                   {"body", body}});
  }
  return out;
}

}  // namespace

Result<std::string> render_nginx_conf(const Options& options, const NginxPlace& place) {
  const auto text = read_file(options.templates + "/nginx.conf.mustache", kMaxTemplateBytes);
  if (!text) return fail("--templates: {}", text.error().message);
  json servers = json::array();
  const auto resource = engine::protected_resource(options.resource_metadata);
  for (std::size_t i = 0; i < options.mappings.size(); ++i)
    servers.push_back(server_values(options.mappings[i], i, resource.has_value()));
  json values = {{"user", place.user},
                 {"has_user", !place.user.empty()},
                 {"workers", options.workers},
                 {"connections", place.connections},
                 {"client_keepalive", place.draining ? "0" : "10m"},
                 {"files", place.connections + 256},
                 {"pid_file", place.folder + "/nginx.pid"},
                 {"auth_conf", place.folder + "/auth.conf"},
                 {"auth_grpc_conf", place.folder + "/auth.grpc.conf"},
                 {"auth_digest_conf", place.folder + "/auth.digest.conf"},
                 {"module", options.module},
                 {"bundle_dir", options.bundle_dir},
                 {"trust_file", options.trust_file},
                 {"workload", options.workload},
                 {"agent", "unix:" + place.agent_socket},
                 {"token_cache", options.token_cache},
                 {"audit_allowed", fmt::format("{:.6f}", options.audit_allowed)},
                 {"mode", options.mode},
                 {"preflight", options.preflight},
                 {"error_body", options.error_body},
                 {"path_allow", options.path_allow},
                 {"has_path_allow", !options.path_allow.empty()},
                 {"resource_metadata", options.resource_metadata},
                 {"has_resource_metadata", !options.resource_metadata.empty()},
                 {"metadata_path", resource ? resource->path : ""},
                 {"metadata_file", metadata_file(options)},
                 {"by_module", options.flavour == model::Flavour::Module},
                 {"by_agent", options.flavour == model::Flavour::AuthRequest},
                 {"decisions", "unix:" + place.decisions},
                 {"refusals", refusals(options)},
                 {"servers", servers}};
  for (const char* name : {"body", "proxy", "fastcgi", "uwsgi", "scgi"}) {
    values[fmt::format("temporary_{}", name)] = fmt::format("{}/temporary/{}", place.folder, name);
  }
  auto rendered = render::render_template(*text, values);
  if (!rendered) return fail("nginx.conf.mustache: {}", rendered.error().message);
  return rendered;
}

std::string metadata_file(const Options& options) {
  return options.work_dir + "/resource-metadata.json";
}

std::string grpc_auth_conf(std::string_view auth_conf) {
  constexpr std::string_view kHttp = "proxy_set_header ";
  std::string out;
  for (const auto line : split(auth_conf, '\n')) {
    if (!out.empty()) out += '\n';
    if (line.starts_with(kHttp)) {
      out.append("grpc_set_header ").append(line.substr(kHttp.size()));
    } else {
      out += line;
    }
  }
  return out;
}

}  // namespace meshauth::agent
