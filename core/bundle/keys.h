// The keys that sign bundles (Ed25519, RFC 8032), and what an agent or module trusts.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"

struct evp_pkey_st;

namespace meshauth::bundle {

class SigningKey {
 public:
  static SigningKey generate();
  /// PKCS #8 PEM, as the Secret holds it.
  static Result<SigningKey> from_pem(std::string_view pem);
  std::string to_pem() const;                      ///< secret: only ever for the Secret or the standalone key file
  std::string public_key() const;                  ///< 32 bytes
  std::string sign(std::string_view bytes) const;  ///< 64 bytes

 private:
  explicit SigningKey(std::shared_ptr<evp_pkey_st> key) : key_(std::move(key)) {}
  std::shared_ptr<evp_pkey_st> key_;
};

/// 64 bytes in base64 take 88 characters; longer text is not looked at.
constexpr std::size_t kMaxSignatureText = 128;

/// trust.json of ConfigMap meshauth.trust: {"signingKeys":["base64 of 32
/// bytes"...],"certificateAuthorities":["PEM"...]}. At most two of each, while one replaces the other; the one in use
/// is the first.
struct Trust {
  std::vector<std::string> signing_keys;  ///< 32 raw bytes each
  std::vector<std::string> certificate_authorities;

  static Result<Trust> parse(std::string_view json);
  std::string to_json() const;
  /// The key (32 bytes) that made this signature; nullopt: none of them did.
  std::optional<std::string> signer(std::string_view bytes, std::string_view signature) const;
  /// Is this a signature of one of the keys?
  bool verifies(std::string_view bytes, std::string_view signature) const;
  friend bool operator==(const Trust&, const Trust&) = default;
};

}  // namespace meshauth::bundle
