#include "operator/app/mesh_keys.h"

#include <openssl/rand.h>

#include "core/base/base64.h"

namespace meshauth::app {
namespace {

constexpr std::size_t kPublicBytes = 32;

/// Each authority has a name of its own: who looks one up by name finds one.
Result<fleet::Certificate> new_authority(std::chrono::sys_seconds now, std::chrono::seconds lifetime) {
  unsigned char random[4];
  if (RAND_bytes(random, sizeof random) != 1) return fail("no random bytes to be had");
  return fleet::make_authority(
      fmt::format("nginx-mesh-auth fleet {:02x}{:02x}{:02x}{:02x}", random[0], random[1], random[2], random[3]), now,
      lifetime);
}

std::string_view file_of(const std::map<std::string, std::string>& files, const char* name) {
  const auto found = files.find(name);
  return found == files.end() ? std::string_view() : std::string_view(found->second);
}

Status check_certificate(const char* name, const std::string& pem) {
  if (auto until = fleet::valid_until(pem); !until) return fail("{}: {}", name, until.error().message);
  return {};
}

/// What is there besides the keys in use.
Status read_others(const std::map<std::string, std::string>& files, MeshKeys& keys) {
  if (const auto pem = file_of(files, "next-signing.key"); !pem.empty()) {
    auto next = bundle::SigningKey::from_pem(pem);
    if (!next) return fail("next-signing.key: {}", next.error().message);
    keys.next_signing = std::move(*next);
  }
  const auto certificate = file_of(files, "next-ca.crt"), key = file_of(files, "next-ca.key");
  if (certificate.empty() != key.empty()) return fail("next-ca.crt and next-ca.key must be there both, or neither");
  if (!certificate.empty()) {
    keys.next_authority = fleet::Certificate{std::string(certificate), std::string(key)};
    if (auto read = check_certificate("next-ca.crt", keys.next_authority->certificate_pem); !read) return read;
  }
  if (const auto text = file_of(files, "previous-signing.pub"); !text.empty()) {
    auto bytes = base64_decode(text);
    if (!bytes || bytes->size() != kPublicBytes) {
      return fail("previous-signing.pub is no Ed25519 public key, base64 of {} bytes", kPublicBytes);
    }
    keys.previous_signing = std::move(*bytes);
  }
  keys.previous_authority = file_of(files, "previous-ca.crt");
  if (!keys.previous_authority.empty()) {
    if (auto read = check_certificate("previous-ca.crt", keys.previous_authority); !read) return read;
  }
  if (keys.next_signing && !keys.previous_signing.empty())
    return fail("next-signing.key and previous-signing.pub cannot both be there: remove the next one");
  if (keys.next_authority && !keys.previous_authority.empty())
    return fail("next-ca.crt and previous-ca.crt cannot both be there: remove next-ca.crt and next-ca.key");
  return {};
}

}  // namespace

std::string_view to_string(MeshKey key) {
  return key == MeshKey::Signing ? "signing-key" : "ca";
}

std::string_view to_string(KeyPhase phase) {
  switch (phase) {
    case KeyPhase::Steady:
      return "steady";
    case KeyPhase::Announced:
      return "announced";
    case KeyPhase::Switched:
      return "switched";
  }
  return "steady";
}

Result<MeshKeys> MeshKeys::make(std::chrono::sys_seconds now, std::chrono::seconds authority_lifetime) {
  auto authority = new_authority(now, authority_lifetime);
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
  MeshKeys keys{std::move(*signing), {files.at("ca.crt"), files.at("ca.key")}};
  if (auto read = check_certificate("ca.crt", keys.authority.certificate_pem); !read)
    return tl::unexpected(read.error());
  if (auto read = read_others(files, keys); !read) return tl::unexpected(read.error());
  return keys;
}

std::map<std::string, std::string> MeshKeys::to_files() const {
  std::map<std::string, std::string> files{
      {"signing.key", signing.to_pem()}, {"ca.crt", authority.certificate_pem}, {"ca.key", authority.key_pem}};
  if (next_signing) files["next-signing.key"] = next_signing->to_pem();
  if (next_authority) {
    files["next-ca.crt"] = next_authority->certificate_pem;
    files["next-ca.key"] = next_authority->key_pem;
  }
  if (!previous_signing.empty()) files["previous-signing.pub"] = base64_encode(previous_signing);
  if (!previous_authority.empty()) files["previous-ca.crt"] = previous_authority;
  return files;
}

std::vector<std::string> MeshKeys::names() {
  return {"signing.key",          "ca.crt",         "ca.key", "next-signing.key", "next-ca.crt", "next-ca.key",
          "previous-signing.pub", "previous-ca.crt"};
}

KeyPhase MeshKeys::phase(MeshKey key) const {
  const bool next = key == MeshKey::Signing ? next_signing.has_value() : next_authority.has_value();
  const std::string& previous = key == MeshKey::Signing ? previous_signing : previous_authority;
  return next ? KeyPhase::Announced : previous.empty() ? KeyPhase::Steady : KeyPhase::Switched;
}

Status MeshKeys::announce(MeshKey key, std::chrono::sys_seconds now, std::chrono::seconds authority_lifetime) {
  if (key == MeshKey::Signing) {
    next_signing = bundle::SigningKey::generate();
    return {};
  }
  auto made = new_authority(now, authority_lifetime);
  if (!made) return tl::unexpected(made.error());
  next_authority = std::move(*made);
  return {};
}

void MeshKeys::switch_over(MeshKey key) {
  if (key == MeshKey::Signing && next_signing) {
    previous_signing = signing.public_key();
    signing = std::move(*next_signing);
    next_signing.reset();
  }
  if (key == MeshKey::Authority && next_authority) {
    previous_authority = authority.certificate_pem;
    authority = std::move(*next_authority);
    next_authority.reset();
  }
}

void MeshKeys::retire(MeshKey key) {
  (key == MeshKey::Signing ? previous_signing : previous_authority).clear();
}

bundle::Trust MeshKeys::trust() const {
  bundle::Trust trust{{signing.public_key()}, {authority.certificate_pem}};
  if (next_signing) trust.signing_keys.push_back(next_signing->public_key());
  if (!previous_signing.empty()) trust.signing_keys.push_back(previous_signing);
  if (next_authority) trust.certificate_authorities.push_back(next_authority->certificate_pem);
  if (!previous_authority.empty()) trust.certificate_authorities.push_back(previous_authority);
  return trust;
}

}  // namespace meshauth::app
