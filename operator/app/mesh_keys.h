// The keys of the mesh: what signs bundles, and the authority of the fleet's TLS. Made at the first start, kept in
// Secret mesh-auth-keys or, standalone, in OUTPUT/private; in the Secret each can be replaced (key_rotation.h).
//
//   signing.key, ca.crt, ca.key                  in use, always: an older operator reads these and nothing else
//   next-signing.key, next-ca.crt, next-ca.key   announced: trusted, not used yet
//   previous-signing.pub, previous-ca.crt        still trusted, not used any more; their private halves are gone
//
// Of each kind there is either a next one, or a previous one, or neither: two are trusted at most.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/bundle/keys.h"
#include "operator/fleet/pki.h"

namespace meshauth::app {

enum class MeshKey { Signing, Authority };
inline constexpr MeshKey kMeshKeys[] = {MeshKey::Signing, MeshKey::Authority};
std::string_view to_string(MeshKey key);  ///< signing-key, ca: as flags, metrics and the annotation say it

/// Steady: one of them. Announced: the next one is trusted, too. Switched: the one before is trusted still.
enum class KeyPhase { Steady, Announced, Switched };
std::string_view to_string(KeyPhase phase);  ///< steady, announced, switched

struct MeshKeys {
  bundle::SigningKey signing;
  fleet::Certificate authority;
  std::optional<bundle::SigningKey> next_signing = std::nullopt;
  std::optional<fleet::Certificate> next_authority = std::nullopt;
  std::string previous_signing{};    ///< 32 bytes; empty: none
  std::string previous_authority{};  ///< PEM; empty: none

  static Result<MeshKeys> make(std::chrono::sys_seconds now, std::chrono::seconds authority_lifetime);
  /// By the names above. Errors: one is missing, or is not what its name says.
  static Result<MeshKeys> from_files(const std::map<std::string, std::string>& files);
  std::map<std::string, std::string> to_files() const;
  /// All names that to_files may give.
  static std::vector<std::string> names();

  KeyPhase phase(MeshKey key) const;
  /// From Steady to Announced: with a new key of that kind.
  Status announce(MeshKey key, std::chrono::sys_seconds now, std::chrono::seconds authority_lifetime);
  /// From Announced to Switched: the next one is used from now on, and nobody has the private half of the other.
  void switch_over(MeshKey key);
  /// From Switched to Steady.
  void retire(MeshKey key);

  /// The one in use first.
  bundle::Trust trust() const;
};

}  // namespace meshauth::app
