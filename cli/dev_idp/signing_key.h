// Private keys of the development identity provider. Signing lives here and not in core, which only verifies.
#pragma once

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "core/base/algorithm.h"
#include "core/base/result.h"

struct evp_pkey_st;

namespace meshauth::dev_idp {

/// The kinds of key that it makes, named by the algorithm they announce: RS256 (RSA 2048), ES256 (P-256), EdDSA
/// (Ed25519).
enum class KeyKind : std::uint8_t { RS256, ES256, EdDSA };
std::string_view key_kind_name(KeyKind kind) noexcept;

class SigningKey {
 public:
  /// The kid names kind, generation and the key itself, so that no two keys ever share one.
  static SigningKey generate(KeyKind kind, unsigned generation);

  /// Reads back what kid(), kind() and private_pem() gave.
  static Result<SigningKey> load(KeyKind kind, unsigned generation, const std::string& private_pem);

  KeyKind kind() const { return kind_; }
  unsigned generation() const { return generation_; }
  const std::string& kid() const { return kid_; }
  std::string private_pem() const;

  /// The public JWK with kid and use; alg where the key has only one.
  nlohmann::json public_jwk() const;

  /// Can it make signatures of that algorithm? RSA: all of RS and PS.
  bool can_sign(Algorithm algorithm) const noexcept;

  /// The signature in the form of JWS (RFC 7518 section 3, RFC 8037). The key must be able to.
  std::string sign(Algorithm algorithm, std::string_view input) const;

 private:
  SigningKey(KeyKind kind, unsigned generation, std::shared_ptr<evp_pkey_st> key);

  KeyKind kind_;
  unsigned generation_;
  std::shared_ptr<evp_pkey_st> key_;
  std::string kid_;
};

}  // namespace meshauth::dev_idp
