#include "cli/dev_idp/signing_key.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <nlohmann/json.hpp>
#include <stdexcept>

#include "core/base/base64.h"
#include "core/base/digest.h"
#include "core/base/text.h"

namespace meshauth::dev_idp {
namespace {

constexpr std::size_t kP256Bytes = 32;
constexpr std::size_t kRsaBits = 2048;

template <auto Free>
struct Deleter {
  template <class T>
  void operator()(T* pointer) const {
    Free(pointer);
  }
};
using Bio = std::unique_ptr<BIO, Deleter<BIO_free>>;
using Number = std::unique_ptr<BIGNUM, Deleter<BN_free>>;
using Context = std::unique_ptr<EVP_MD_CTX, Deleter<EVP_MD_CTX_free>>;
using EcdsaSignature = std::unique_ptr<ECDSA_SIG, Deleter<ECDSA_SIG_free>>;

void require(bool done, const char* what) {
  if (!done) throw std::runtime_error(std::string("OpenSSL could not ") + what);
}

std::string number(EVP_PKEY* key, const char* name, std::size_t width = 0) {
  BIGNUM* raw = nullptr;
  require(EVP_PKEY_get_bn_param(key, name, &raw) == 1, "read a key's number");
  const Number value(raw);
  std::string bytes(width == 0 ? static_cast<std::size_t>(BN_num_bytes(raw)) : width, '\0');
  require(BN_bn2binpad(raw, reinterpret_cast<unsigned char*>(bytes.data()), static_cast<int>(bytes.size())) >= 0,
          "write a key's number");
  return bytes;
}

std::string public_der(EVP_PKEY* key) {
  unsigned char* der = nullptr;
  const int size = i2d_PUBKEY(key, &der);
  require(size > 0, "write a public key");
  std::string bytes(reinterpret_cast<char*>(der), static_cast<std::size_t>(size));
  OPENSSL_free(der);
  return bytes;
}

EVP_PKEY* make(KeyKind kind) {
  switch (kind) {
    case KeyKind::RS256:
      return EVP_RSA_gen(kRsaBits);
    case KeyKind::ES256:
      return EVP_EC_gen("P-256");
    case KeyKind::EdDSA:
      return EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519");
  }
  return nullptr;
}

const char* digest_of(Algorithm algorithm) {
  switch (algorithm) {
    case Algorithm::EdDSA:
      return nullptr;
    case Algorithm::RS384:
    case Algorithm::PS384:
      return "SHA384";
    case Algorithm::RS512:
    case Algorithm::PS512:
      return "SHA512";
    default:
      return "SHA256";
  }
}

bool is_pss(Algorithm algorithm) {
  return algorithm == Algorithm::PS256 || algorithm == Algorithm::PS384 || algorithm == Algorithm::PS512;
}

/// JWS wants r and s side by side, OpenSSL gives them as DER (RFC 7518 section 3.4).
std::string to_raw(const std::string& der) {
  const auto* data = reinterpret_cast<const unsigned char*>(der.data());
  const EcdsaSignature signature(d2i_ECDSA_SIG(nullptr, &data, static_cast<long>(der.size())));
  require(signature != nullptr, "read its own signature");
  std::string raw(2 * kP256Bytes, '\0');
  auto* out = reinterpret_cast<unsigned char*>(raw.data());
  BN_bn2binpad(ECDSA_SIG_get0_r(signature.get()), out, kP256Bytes);
  BN_bn2binpad(ECDSA_SIG_get0_s(signature.get()), out + kP256Bytes, kP256Bytes);
  return raw;
}

}  // namespace

std::string_view key_kind_name(KeyKind kind) noexcept {
  switch (kind) {
    case KeyKind::RS256:
      return "RS256";
    case KeyKind::ES256:
      return "ES256";
    case KeyKind::EdDSA:
      return "EdDSA";
  }
  return "";
}

SigningKey::SigningKey(KeyKind kind, unsigned generation, std::shared_ptr<evp_pkey_st> key)
    : kind_(kind), generation_(generation), key_(std::move(key)) {
  kid_ = fmt::format("{}-{}-{}", to_lower(key_kind_name(kind)), generation,
                     sha256_hex(public_der(key_.get())).substr(0, 8));
}

SigningKey SigningKey::generate(KeyKind kind, unsigned generation) {
  std::shared_ptr<EVP_PKEY> key(make(kind), EVP_PKEY_free);
  require(key != nullptr, "make a key");
  return {kind, generation, std::move(key)};
}

Result<SigningKey> SigningKey::load(KeyKind kind, unsigned generation, const std::string& private_pem) {
  const Bio bio(BIO_new_mem_buf(private_pem.data(), static_cast<int>(private_pem.size())));
  std::shared_ptr<EVP_PKEY> key(PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr), EVP_PKEY_free);
  if (!key) return fail("it holds something else than a private key in PEM");
  const char* type = kind == KeyKind::RS256 ? "RSA" : kind == KeyKind::ES256 ? "EC" : "ED25519";
  if (EVP_PKEY_is_a(key.get(), type) != 1) return fail("it holds a key that is not of type {}", type);
  return SigningKey(kind, generation, std::move(key));
}

std::string SigningKey::private_pem() const {
  const Bio bio(BIO_new(BIO_s_mem()));
  require(PEM_write_bio_PrivateKey(bio.get(), key_.get(), nullptr, nullptr, 0, nullptr, nullptr) == 1, "write a key");
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return {data, static_cast<std::size_t>(size)};
}

nlohmann::json SigningKey::public_jwk() const {
  nlohmann::json jwk = {{"kid", kid_}, {"use", "sig"}};
  // The RSA key signs with every RS and PS algorithm on request; a key set that said RS256 would refuse the others.
  if (kind_ != KeyKind::RS256) jwk["alg"] = key_kind_name(kind_);
  switch (kind_) {
    case KeyKind::RS256:
      jwk["kty"] = "RSA";
      jwk["n"] = base64url_encode(number(key_.get(), OSSL_PKEY_PARAM_RSA_N));
      jwk["e"] = base64url_encode(number(key_.get(), OSSL_PKEY_PARAM_RSA_E));
      break;
    case KeyKind::ES256:
      jwk["kty"] = "EC";
      jwk["crv"] = "P-256";
      jwk["x"] = base64url_encode(number(key_.get(), OSSL_PKEY_PARAM_EC_PUB_X, kP256Bytes));
      jwk["y"] = base64url_encode(number(key_.get(), OSSL_PKEY_PARAM_EC_PUB_Y, kP256Bytes));
      break;
    case KeyKind::EdDSA: {
      std::string bytes(32, '\0');
      std::size_t size = bytes.size();
      require(EVP_PKEY_get_raw_public_key(key_.get(), reinterpret_cast<unsigned char*>(bytes.data()), &size) == 1,
              "read a public key");
      jwk["kty"] = "OKP";
      jwk["crv"] = "Ed25519";
      jwk["x"] = base64url_encode(bytes);
      break;
    }
  }
  return jwk;
}

bool SigningKey::can_sign(Algorithm algorithm) const noexcept {
  switch (kind_) {
    case KeyKind::RS256:
      return algorithm_name(algorithm).starts_with("RS") || is_pss(algorithm);
    case KeyKind::ES256:
      return algorithm == Algorithm::ES256;
    case KeyKind::EdDSA:
      return algorithm == Algorithm::EdDSA;
  }
  return false;
}

std::string SigningKey::sign(Algorithm algorithm, std::string_view input) const {
  const Context context(EVP_MD_CTX_new());
  EVP_PKEY_CTX* options = nullptr;  // owned by context
  require(
      EVP_DigestSignInit_ex(context.get(), &options, digest_of(algorithm), nullptr, nullptr, key_.get(), nullptr) == 1,
      "begin a signature");
  if (is_pss(algorithm)) {
    require(EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PSS_PADDING) == 1 &&
                EVP_PKEY_CTX_set_rsa_pss_saltlen(options, RSA_PSS_SALTLEN_DIGEST) == 1,
            "set PSS");
  }
  const auto* data = reinterpret_cast<const unsigned char*>(input.data());
  std::size_t size = 0;
  require(EVP_DigestSign(context.get(), nullptr, &size, data, input.size()) == 1, "size a signature");
  std::string signature(size, '\0');
  require(
      EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &size, data, input.size()) == 1,
      "sign");
  signature.resize(size);
  return kind_ == KeyKind::ES256 ? to_raw(signature) : signature;
}

}  // namespace meshauth::dev_idp
