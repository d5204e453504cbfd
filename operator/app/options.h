// The operator's command line.
#pragma once

#include <chrono>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/model/access_policy.h"
#include "operator/app/key_rotation.h"
#include "operator/log/log.h"

namespace meshauth::app {

/// The webhook that puts sidecars into pods.
struct InjectionOptions {
  std::string listen;           ///< empty: there is none
  std::string certificate_dir;  ///< tls.crt and tls.key that somebody else makes; empty: made of our own authority
  std::chrono::seconds certificate_lifetime{std::chrono::hours(24 * 90)};  ///< replaced at two thirds of it
  std::string native = "auto";                                             ///< auto, on or off
  std::string operator_url;  ///< where sidecars reach the fleet; empty: the Service
  std::string image, pull_policy = "IfNotPresent";
  std::string resources;  ///< JSON; empty: core/inject's
};

/// The mesh's own keys.
struct KeyOptions {
  KeyTimes signing{std::chrono::hours(8760), std::chrono::minutes(10), std::chrono::hours(1)};
  KeyTimes authority{std::chrono::hours(26280), std::chrono::minutes(10), std::chrono::hours(1)};
  std::chrono::seconds fleet_lifetime{std::chrono::hours(24 * 90)};  ///< of the certificate; replaced at two thirds
};

struct Options {
  std::string source = "kubernetes";  ///< or a folder of manifests
  std::string output = "kubernetes";  ///< or a folder
  std::string kubeconfig;             ///< empty: in the cluster, else $KUBECONFIG's or ~/.kube/config
  std::string context;
  std::string ns = "mesh-auth-system";  ///< the operator's own namespace
  std::string root_namespace;           ///< empty: ns
  std::set<std::string> watched;        ///< namespaces, with the root namespace; empty: all
  model::Action default_action = model::Action::Deny;
  std::string fleet_listen = "0.0.0.0:8443";
  std::vector<std::string> fleet_names;  ///< further names and addresses in the fleet's certificate
  std::string metrics_listen = "0.0.0.0:9090";
  InjectionOptions injection;
  KeyOptions keys;
  std::string templates;   ///< empty: found beside the program, else /usr/share/mesh-auth/templates
  std::string token_file;  ///< standalone: the secret shared with the agents; empty: made in OUTPUT/private
  std::uint64_t min_term = 0;
  bool provider_allow_loopback = false;
  bool remove_records = false;  ///< take away what an uninstalled release left, and end
  int workers = 2;
  log::Format log_format = log::Format::Auto;
  log::Level log_level = log::Level::Info;

  bool standalone() const { return source != "kubernetes"; }
};

/// nullopt: the program is to end with `exit_code` (help, version, or wrong flags that were explained on stderr).
std::optional<Options> parse_options(int argc, char** argv, int& exit_code);

}  // namespace meshauth::app
