// Who we are to the API server.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "core/base/result.h"
#include "operator/kube/clock.h"

namespace meshauth::kube {

/// None of it is ever logged.
struct Auth {
  std::string bearer{};           ///< a token; empty: none
  std::string certificate_pem{};  ///< with its key; empty: none
  std::string key_pem{};

  friend bool operator==(const Auth&, const Auth&) = default;
};

/// Asked before each request, from any thread.
class Credentials {
 public:
  virtual ~Credentials() = default;
  virtual Result<Auth> get() = 0;
  /// The API server answered 401: what was given last is not to be given again where something newer can be had. True
  /// if another try makes sense.
  virtual bool refused() = 0;
};

/// Always the same.
std::shared_ptr<Credentials> fixed_credentials(Auth auth);

struct AuthFiles {
  std::string token_path{};
  std::string certificate_path{};
  std::string key_path{};
};

/// Files whose content changes while we run (a projected service-account token, certificates): read again after a
/// minute, and after a 401. `rest` gives what has no file. While a file cannot be read, what it held last is used.
std::shared_ptr<Credentials> file_credentials(AuthFiles files, Auth rest, Clock& clock = system_clock());

/// An exec plugin of client.authentication.k8s.io (v1, v1beta1): a program that prints an ExecCredential.
struct ExecPlugin {
  std::string api_version{};
  std::string command{};
  std::vector<std::string> arguments{};
  std::vector<std::pair<std::string, std::string>> environment{};  ///< beside our own
  std::string install_hint{};
  std::string cluster_info_json{};  ///< spec.cluster for provideClusterInfo; empty: not wanted
  std::chrono::milliseconds deadline{60'000};
};

/// What the program printed is used until its expirationTimestamp, without one until a 401.
std::shared_ptr<Credentials> exec_credentials(ExecPlugin plugin, Clock& clock = system_clock());

}  // namespace meshauth::kube
