// Keys, key sets and tokens for tests: whatever a provider could sign, right or wrong. Never part of a program.
#pragma once

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>

#include "core/base/algorithm.h"
#include "core/base/base64.h"
#include "core/base/json_text.h"

namespace meshauth::jose::testing {

inline void need(bool ok, const char* what) {
  if (!ok) throw std::runtime_error(std::string("token maker: ") + what);
}

/// A private key and the public JWK members that describe it.
class TestKey {
 public:
  static TestKey rsa(unsigned bits = 2048, unsigned exponent = 65537) {
    EVP_PKEY_CTX* context = EVP_PKEY_CTX_new_from_name(nullptr, "RSA", nullptr);
    EVP_PKEY* key = nullptr;
    unsigned int e = exponent;
    std::size_t size = bits;
    const OSSL_PARAM params[] = {OSSL_PARAM_construct_size_t(OSSL_PKEY_PARAM_RSA_BITS, &size),
                                 OSSL_PARAM_construct_uint(OSSL_PKEY_PARAM_RSA_E, &e), OSSL_PARAM_construct_end()};
    need(EVP_PKEY_keygen_init(context) == 1 && EVP_PKEY_CTX_set_params(context, params) == 1 &&
             EVP_PKEY_generate(context, &key) == 1,
         "RSA key");
    EVP_PKEY_CTX_free(context);
    TestKey out(key);
    out.members_ = {{"kty", "RSA"},
                    {"n", base64url_encode(out.number(OSSL_PKEY_PARAM_RSA_N))},
                    {"e", base64url_encode(out.number(OSSL_PKEY_PARAM_RSA_E))}};
    return out;
  }

  /// curve: P-256, P-384 or P-521 (or one that nobody accepts, such as secp256k1)
  static TestKey ec(const std::string& curve, std::size_t coordinate_bytes) {
    TestKey out(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", curve.c_str()));
    const auto padded = [&](std::string bytes) { return std::string(coordinate_bytes - bytes.size(), '\0') + bytes; };
    out.coordinate_bytes_ = coordinate_bytes;
    out.members_ = {{"kty", "EC"},
                    {"crv", curve},
                    {"x", base64url_encode(padded(out.number(OSSL_PKEY_PARAM_EC_PUB_X)))},
                    {"y", base64url_encode(padded(out.number(OSSL_PKEY_PARAM_EC_PUB_Y)))}};
    return out;
  }
  static TestKey p256() { return ec("P-256", 32); }
  static TestKey p384() { return ec("P-384", 48); }
  static TestKey p521() { return ec("P-521", 66); }

  static TestKey ed25519() { return edwards("ED25519", "Ed25519"); }
  static TestKey ed448() { return edwards("ED448", "Ed448"); }

  /// A key of the algorithm's type and curve.
  static TestKey of(Algorithm algorithm) {
    switch (algorithm) {
      case Algorithm::ES256:
        return p256();
      case Algorithm::ES384:
        return p384();
      case Algorithm::ES512:
        return p521();
      case Algorithm::EdDSA:
        return ed25519();
      default:
        return rsa();
    }
  }

  /// The JWK with the public members and these, which win: jwk({{"kid", "1"}, {"alg", "RS256"}}).
  std::string jwk(const std::map<std::string, std::string>& more = {}) const {
    auto all = members_;
    for (const auto& [name, value] : more) all[name] = value;
    std::string out = "{";
    for (const auto& [name, value] : all) {
      out += out.size() > 1 ? "," : "";
      out += json_string(name) + ":" + json_string(value);
    }
    return out + "}";
  }
  const std::string& member(const std::string& name) const { return members_.at(name); }

  /// The signature in JWS form. pss_salt: bytes, -1 for as many as the digest has.
  std::string sign(Algorithm algorithm, std::string_view input, int pss_salt = RSA_PSS_SALTLEN_DIGEST) const {
    EVP_MD_CTX* context = EVP_MD_CTX_new();
    EVP_PKEY_CTX* options = nullptr;
    need(EVP_DigestSignInit_ex(context, &options, digest(algorithm), nullptr, nullptr, key_.get(), nullptr) == 1,
         "sign init");
    if (algorithm >= Algorithm::PS256 && algorithm <= Algorithm::PS512) {
      need(EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PSS_PADDING) == 1 &&
               EVP_PKEY_CTX_set_rsa_pss_saltlen(options, pss_salt) == 1,
           "PSS");
    }
    std::size_t size = 0;
    const auto* data = reinterpret_cast<const unsigned char*>(input.data());
    need(EVP_DigestSign(context, nullptr, &size, data, input.size()) == 1, "sign size");
    std::string out(size, '\0');
    need(EVP_DigestSign(context, reinterpret_cast<unsigned char*>(out.data()), &size, data, input.size()) == 1, "sign");
    EVP_MD_CTX_free(context);
    out.resize(size);
    return coordinate_bytes_ == 0 ? out : raw_ecdsa(out);
  }

  /// The same signature as DER, which JWS does not accept.
  static std::string der_of(std::string_view raw) {
    ECDSA_SIG* signature = ECDSA_SIG_new();
    const auto* data = reinterpret_cast<const unsigned char*>(raw.data());
    const int half = static_cast<int>(raw.size() / 2);
    ECDSA_SIG_set0(signature, BN_bin2bn(data, half, nullptr), BN_bin2bn(data + half, half, nullptr));
    unsigned char* der = nullptr;
    const int size = i2d_ECDSA_SIG(signature, &der);
    ECDSA_SIG_free(signature);
    std::string out(reinterpret_cast<char*>(der), static_cast<std::size_t>(size));
    OPENSSL_free(der);
    return out;
  }

  /// A whole token of any header and payload.
  std::string token(Algorithm algorithm, std::string_view header, std::string_view payload) const {
    const std::string input = base64url_encode(header) + "." + base64url_encode(payload);
    return input + "." + base64url_encode(sign(algorithm, input));
  }

 private:
  explicit TestKey(EVP_PKEY* key) : key_(key, EVP_PKEY_free) { need(key != nullptr, "key"); }

  static TestKey edwards(const char* type, const char* curve) {
    TestKey out(EVP_PKEY_Q_keygen(nullptr, nullptr, type));
    std::string bytes(64, '\0');
    std::size_t size = bytes.size();
    need(EVP_PKEY_get_raw_public_key(out.key_.get(), reinterpret_cast<unsigned char*>(bytes.data()), &size) == 1, type);
    bytes.resize(size);
    out.members_ = {{"kty", "OKP"}, {"crv", curve}, {"x", base64url_encode(bytes)}};
    return out;
  }

  static const char* digest(Algorithm algorithm) {
    switch (algorithm) {
      case Algorithm::EdDSA:
        return nullptr;
      case Algorithm::RS384:
      case Algorithm::PS384:
      case Algorithm::ES384:
        return "SHA384";
      case Algorithm::RS512:
      case Algorithm::PS512:
      case Algorithm::ES512:
        return "SHA512";
      default:
        return "SHA256";
    }
  }

  std::string number(const char* name) const {
    BIGNUM* value = nullptr;
    need(EVP_PKEY_get_bn_param(key_.get(), name, &value) == 1, name);
    std::string out(static_cast<std::size_t>(BN_num_bytes(value)), '\0');
    BN_bn2bin(value, reinterpret_cast<unsigned char*>(out.data()));
    BN_free(value);
    return out;
  }

  std::string raw_ecdsa(const std::string& der) const {
    const auto* data = reinterpret_cast<const unsigned char*>(der.data());
    ECDSA_SIG* signature = d2i_ECDSA_SIG(nullptr, &data, static_cast<long>(der.size()));
    need(signature != nullptr, "DER");
    std::string out(2 * coordinate_bytes_, '\0');
    const int half = static_cast<int>(coordinate_bytes_);
    auto* at = reinterpret_cast<unsigned char*>(out.data());
    BN_bn2binpad(ECDSA_SIG_get0_r(signature), at, half);
    BN_bn2binpad(ECDSA_SIG_get0_s(signature), at + half, half);
    ECDSA_SIG_free(signature);
    return out;
  }

  std::shared_ptr<EVP_PKEY> key_;
  std::map<std::string, std::string> members_;
  std::size_t coordinate_bytes_ = 0;  ///< EC only
};

inline std::string key_set(std::initializer_list<std::string> jwks) {
  std::string out = R"({"keys":[)";
  for (const std::string& jwk : jwks) out += (out.back() == '[' ? "" : ",") + jwk;
  return out + "]}";
}

}  // namespace meshauth::jose::testing
