// The command line of mesh-auth-agent, as values.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/base/result.h"
#include "core/model/flavour.h"
#include "operator/log/log.h"
#include "sidecar/agent/app_probe.h"

namespace meshauth::agent {

/// One server of nginx: what it listens on, and the application behind it.
struct Mapping {
  enum class Protocol { Http1, Grpc };
  std::string listen;                  ///< PORT or ADDRESS:PORT, as nginx's listen takes it
  std::string application;             ///< ADDRESS:PORT
  std::uint16_t application_port = 0;  ///< what `ports` of a rule means
  Protocol protocol = Protocol::Http1;
  friend bool operator==(const Mapping&, const Mapping&) = default;
};

/// LISTEN:APP[:http1|grpc], each of LISTEN and APP a PORT, ADDRESS:PORT or [ADDRESS]:PORT. APP without an address is on
/// 127.0.0.1. Errors say what was found and what would be right.
Result<Mapping> parse_mapping(std::string_view text);

/// https://HOST[:PORT]; anything else is refused, since a token goes there.
struct OperatorUrl {
  std::string host;
  std::string port;
  friend bool operator==(const OperatorUrl&, const OperatorUrl&) = default;
};
Result<OperatorUrl> parse_operator_url(std::string_view text);

struct Options {
  std::string workload;  ///< namespace/name
  model::Flavour flavour = model::Flavour::Module;
  OperatorUrl operator_url;
  std::string token_file;
  std::string trust_file;
  std::string bundle_dir;
  std::string fallback_dir;  ///< empty: none
  std::string work_dir;
  std::string instance;
  std::string nginx = "/usr/sbin/nginx";
  std::string module = "/usr/lib/nginx/modules/ngx_http_mesh_auth_module.so";
  std::string templates = "/usr/share/mesh-auth/templates";
  std::vector<Mapping> mappings;
  std::vector<AppProbe> probes;
  std::string health_listen = "127.0.0.1:9180";
  std::string mode = "on";  ///< on or observe
  std::string path_allow;   ///< as the module's directive takes it; empty: nothing
  std::string preflight = "decide";
  std::string error_body = "json";
  std::string resource_metadata;
  double audit_allowed = 0;
  std::size_t workers = 1;
  std::string token_cache = "16m";
  std::chrono::seconds quit_timeout{25};  ///< under Kubernetes' 30 s of grace
  log::Format log_format = log::Format::Auto;
  log::Level log_level = log::Level::Info;
};

/// What the command line says: options, the file of the agent that is to be told to drain, or a text to print and the
/// exit code (help and version 0, wrong usage 2).
struct Usage {
  std::optional<Options> options;
  std::string text;
  int exit_code = 0;
  std::string drain;
};
Usage parse_options(int argc, const char* const* argv);

}  // namespace meshauth::agent
