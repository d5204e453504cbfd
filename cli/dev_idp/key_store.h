// The keys of the development identity provider over their lives, and the folder that they survive in.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/dev_idp/signing_key.h"
#include "operator/http/certificate.h"

namespace meshauth::dev_idp {

/// One generation of keys signs; older ones may still be published. An empty folder name keeps everything in memory.
class KeyStore {
 public:
  /// Published generations; the oldest goes when another comes.
  static constexpr unsigned kMaxGenerations = 4;

  /// Reads DIR/keys.json, or makes the first generation.
  static Result<KeyStore> open(const std::filesystem::path& dir);

  /// A new generation, which signs from now on. drop_old: the others are no longer published.
  Status rotate(bool drop_old);

  /// All that are published, oldest first.
  const std::vector<SigningKey>& keys() const { return keys_; }

  /// By kid; or, where it is empty, the newest key for the algorithm.
  const SigningKey* find(std::string_view kid, Algorithm algorithm) const;

 private:
  explicit KeyStore(std::filesystem::path dir) : dir_(std::move(dir)) {}
  void add_generation(unsigned generation);
  Status save() const;

  std::filesystem::path dir_;
  std::vector<SigningKey> keys_;
};

/// Reads DIR/ca.pem and DIR/ca-key.pem, or makes and writes them.
Result<http::CertificateAuthority> open_authority(const std::filesystem::path& dir);

}  // namespace meshauth::dev_idp
