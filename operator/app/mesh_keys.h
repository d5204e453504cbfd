// The keys of the mesh: what signs bundles, and the authority of the fleet's TLS. Made at the first start, kept in
// Secret mesh-auth-keys or, standalone, in OUTPUT/private.
#pragma once

#include <chrono>
#include <map>
#include <string>
#include <vector>

#include "core/bundle/keys.h"
#include "operator/fleet/pki.h"

namespace meshauth::app {

struct MeshKeys {
  bundle::SigningKey signing;
  fleet::Certificate authority;

  static Result<MeshKeys> make(std::chrono::sys_seconds now);
  /// Names: signing.key, ca.crt, ca.key.
  static Result<MeshKeys> from_files(const std::map<std::string, std::string>& files);
  std::map<std::string, std::string> to_files() const;

  bundle::Trust trust() const;
};

/// How long a fleet certificate lasts; it is replaced at two thirds of it.
constexpr std::chrono::hours kFleetCertificateLifetime{24 * 90};

}  // namespace meshauth::app
