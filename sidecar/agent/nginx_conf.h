// nginx.conf of a sidecar, from templates/nginx.conf.mustache.
#pragma once

#include <string>
#include <string_view>

#include "core/base/result.h"
#include "sidecar/agent/options.h"

namespace meshauth::agent {

/// What only the agent knows, beside the options. Paths are absolute.
struct NginxPlace {
  std::string folder;        ///< holds auth.conf, auth.grpc.conf, auth.digest.conf, nginx.pid and the temporary files
  std::string agent_socket;  ///< of the module's datagrams
  std::string decisions;     ///< AuthRequest: where nginx asks
  std::string user;          ///< what workers run as where nginx starts as root; empty: nginx is not root
  std::size_t connections = 1024;  ///< of one worker, half of them to the application
  bool draining = false;           ///< no client keeps its connection
};

/// Errors: a template that is not readable or not allowed, a value that nginx cannot quote.
Result<std::string> render_nginx_conf(const Options& options, const NginxPlace& place);

/// Where nginx finds the document of --resource-metadata (RFC 9728), if it is this sidecar's to serve.
std::string metadata_file(const Options& options);

/// auth.conf for locations that grpc_pass: the same headers, under the name that nginx's gRPC proxy takes.
std::string grpc_auth_conf(std::string_view auth_conf);

}  // namespace meshauth::agent
