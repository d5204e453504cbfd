#include "cli/dev_idp/key_store.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "core/base/text.h"

namespace meshauth::dev_idp {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxFile = 1024 * 1024;
constexpr std::array kKinds = {KeyKind::RS256, KeyKind::ES256, KeyKind::EdDSA};
constexpr mode_t kSecret = 0600;
constexpr mode_t kPublic = 0644;

/// Whole or not at all: written beside and renamed.
Status write_file(const fs::path& path, const std::string& content, mode_t mode) {
  const fs::path beside = path.string() + ".tmp";
  fs::remove(beside);  // so that its mode is ours and not that of a leftover
  const int file = ::open(beside.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
  if (file < 0) return fail("{} cannot be written: {}", beside.string(), std::strerror(errno));
  std::size_t written = 0;
  while (written < content.size()) {
    const ssize_t count = ::write(file, content.data() + written, content.size() - written);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) break;
    written += static_cast<std::size_t>(count);
  }
  const bool whole = written == content.size() && ::fsync(file) == 0;
  ::close(file);
  if (!whole || ::rename(beside.c_str(), path.c_str()) != 0)
    return fail("{} cannot be written: {}", path.string(), std::strerror(errno));
  return {};
}

/// nullopt: there is no such file.
Result<std::optional<std::string>> read_file(const fs::path& path) {
  std::error_code error;
  const auto size = fs::file_size(path, error);
  if (error == std::errc::no_such_file_or_directory) return std::optional<std::string>();
  if (error) return fail("{} cannot be read: {}", path.string(), error.message());
  if (size > kMaxFile) return fail("{} is {} bytes long; at most {}", path.string(), size, kMaxFile);
  std::ifstream file(path, std::ios::binary);
  std::string content{std::istreambuf_iterator<char>(file), {}};
  if (file.bad()) return fail("{} cannot be read", path.string());
  return std::optional(std::move(content));
}

Status make_folder(const fs::path& dir) {
  std::error_code error;
  fs::create_directories(dir, error);
  if (error) return fail("{} cannot be made: {}", dir.string(), error.message());
  return {};
}

Result<SigningKey> read_key(const nlohmann::json& entry) {
  const auto kind = std::find_if(kKinds.begin(), kKinds.end(), [&](KeyKind candidate) {
    return key_kind_name(candidate) == entry.at("kind").get<std::string>();
  });
  if (kind == kKinds.end()) return fail("it holds a key of another kind than RS256, ES256, EdDSA");
  return SigningKey::load(*kind, entry.at("generation").get<unsigned>(), entry.at("key").get<std::string>());
}

Result<std::vector<SigningKey>> read_keys(const std::string& json) {
  std::vector<SigningKey> keys;
  try {
    const nlohmann::json file = nlohmann::json::parse(json);
    for (const nlohmann::json& entry : file.at("keys")) {
      auto key = read_key(entry);
      if (!key) return tl::unexpected(std::move(key.error()));
      keys.push_back(std::move(*key));
    }
  } catch (const nlohmann::json::exception&) {  // its message may quote the file, which is secret
    return fail("it is not the JSON that dev-idp writes");
  }
  if (keys.empty()) return fail("it holds no key");
  return keys;
}

}  // namespace

Result<KeyStore> KeyStore::open(const fs::path& dir) {
  KeyStore store(dir);
  if (!dir.empty()) {
    const fs::path path = dir / "keys.json";
    const auto content = read_file(path);
    if (!content) return tl::unexpected(content.error());
    if (*content) {
      auto keys = read_keys(**content);
      if (!keys) return fail("{}: {}; remove the file, and new keys are made", path.string(), keys.error().message);
      store.keys_ = std::move(*keys);
      return store;
    }
  }
  store.add_generation(1);
  if (Status saved = store.save(); !saved) return tl::unexpected(std::move(saved.error()));
  return store;
}

void KeyStore::add_generation(unsigned generation) {
  for (const KeyKind kind : kKinds) keys_.push_back(SigningKey::generate(kind, generation));
}

Status KeyStore::rotate(bool drop_old) {
  const unsigned next = keys_.back().generation() + 1;
  const std::vector<SigningKey> before = keys_;
  if (drop_old) keys_.clear();
  add_generation(next);
  std::erase_if(keys_, [&](const SigningKey& key) { return key.generation() + kMaxGenerations <= next; });
  Status saved = save();
  if (!saved) keys_ = before;
  return saved;
}

const SigningKey* KeyStore::find(std::string_view kid, Algorithm algorithm) const {
  for (auto key = keys_.rbegin(); key != keys_.rend(); ++key) {
    if (kid.empty() ? key->can_sign(algorithm) : key->kid() == kid) return &*key;
  }
  return nullptr;
}

Status KeyStore::save() const {
  if (dir_.empty()) return {};
  nlohmann::json entries = nlohmann::json::array();
  for (const SigningKey& key : keys_) {
    entries.push_back(
        {{"kind", key_kind_name(key.kind())}, {"generation", key.generation()}, {"key", key.private_pem()}});
  }
  if (Status made = make_folder(dir_); !made) return made;
  return write_file(dir_ / "keys.json", nlohmann::json{{"keys", entries}}.dump(2) + "\n", kSecret);
}

Result<http::CertificateAuthority> open_authority(const fs::path& dir) {
  const std::string name = "nginx-mesh-auth development CA";
  if (dir.empty()) return http::CertificateAuthority::create(name);
  const auto certificate = read_file(dir / "ca.pem");
  if (!certificate) return tl::unexpected(certificate.error());
  const auto key = read_file(dir / "ca-key.pem");
  if (!key) return tl::unexpected(key.error());
  if (*certificate && *key) {
    auto authority = http::CertificateAuthority::load({**certificate, **key});
    if (!authority) return fail("{}: {}", dir.string(), authority.error().message);
    return authority;
  }
  const auto authority = http::CertificateAuthority::create(name);
  if (Status made = make_folder(dir); !made) return tl::unexpected(std::move(made.error()));
  // The key first: a certificate without its key would be trusted for nothing.
  if (Status written = write_file(dir / "ca-key.pem", authority.credentials().key, kSecret); !written)
    return tl::unexpected(std::move(written.error()));
  if (Status written = write_file(dir / "ca.pem", authority.certificate(), kPublic); !written)
    return tl::unexpected(std::move(written.error()));
  return authority;
}

}  // namespace meshauth::dev_idp
