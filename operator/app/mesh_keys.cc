#include "operator/app/mesh_keys.h"

namespace meshauth::app {
namespace {
constexpr std::chrono::hours kAuthorityLifetime{24 * 365 * 10};
}

Result<MeshKeys> MeshKeys::make(std::chrono::sys_seconds now) {
  auto authority = fleet::make_authority("nginx-mesh-auth fleet", now, kAuthorityLifetime);
  if (!authority) return tl::unexpected(authority.error());
  return MeshKeys{bundle::SigningKey::generate(), std::move(*authority)};
}

Result<MeshKeys> MeshKeys::from_files(const std::map<std::string, std::string>& files) {
  for (const char* name : {"signing.key", "ca.crt", "ca.key"}) {
    if (!files.contains(name)) {
      return fail(
          "the mesh's keys lack {}: restore them from a backup, or delete them all so that new ones are made "
          "(every agent then needs the new meshauth.trust)",
          name);
    }
  }
  auto signing = bundle::SigningKey::from_pem(files.at("signing.key"));
  if (!signing) return tl::unexpected(signing.error());
  if (auto until = fleet::valid_until(files.at("ca.crt")); !until) return tl::unexpected(until.error());
  return MeshKeys{std::move(*signing), {files.at("ca.crt"), files.at("ca.key")}};
}

std::map<std::string, std::string> MeshKeys::to_files() const {
  return {{"signing.key", signing.to_pem()}, {"ca.crt", authority.certificate_pem}, {"ca.key", authority.key_pem}};
}

bundle::Trust MeshKeys::trust() const {
  return {{signing.public_key()}, {authority.certificate_pem}};
}

}  // namespace meshauth::app
