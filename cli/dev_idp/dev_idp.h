// `meshauthctl dev-idp`: a development identity provider.
#pragma once

#include <cstdint>
#include <functional>
#include <iosfwd>
#include <memory>
#include <string>

#include "core/base/result.h"

namespace meshauth::dev_idp {

struct DevIdpOptions {
  std::string listen;  ///< ADDRESS:PORT; port 0 is any free one
  std::string issuer;  ///< https; empty: https://ADDRESS:PORT
  std::string state;   ///< folder for CA and keys; empty: they last as long as the process
};

/// A bound provider, not yet serving.
class DevIdp {
 public:
  static Result<std::unique_ptr<DevIdp>> open(const DevIdpOptions& options);
  ~DevIdp();

  std::uint16_t port() const;
  const std::string& issuer() const;
  const std::string& ca_pem() const;

  /// Serves in the calling thread until stop(), or a signal where until_signal is set.
  Status run(bool until_signal);
  void stop();

 private:
  struct Impl;
  explicit DevIdp(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// Until SIGINT or SIGTERM. Once it listens, one line of JSON on out: {"issuer", "listen", "port", "caFile"}, or "ca"
/// with the PEM itself where there is no state folder. The warning goes to err. Exit code 0, or 1 with the cause on
/// err.
int dev_idp(const DevIdpOptions& options, std::ostream& out, std::ostream& err);

}  // namespace meshauth::dev_idp
