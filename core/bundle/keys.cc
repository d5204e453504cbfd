#include "core/bundle/keys.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include <algorithm>
#include <new>
#include <nlohmann/json.hpp>

#include "core/base/base64.h"
#include "core/base/json_doc.h"

namespace meshauth::bundle {
namespace {

constexpr std::size_t kPublicBytes = 32;
constexpr std::size_t kSignatureBytes = 64;
constexpr std::size_t kMostOfEach = 2;
constexpr std::size_t kMaxTrustBytes = 64 * 1024;

struct Free {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
  void operator()(BIO* bio) const { BIO_free(bio); }
};
template <class T>
using Owned = std::unique_ptr<T, Free>;

const unsigned char* bytes_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

bool verify_one(std::string_view public_key, std::string_view bytes, std::string_view signature) {
  const Owned<EVP_PKEY> key(
      EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, bytes_of(public_key), public_key.size()));
  const Owned<EVP_MD_CTX> context(EVP_MD_CTX_new());
  const bool good =
      key && context && EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, key.get()) == 1 &&
      EVP_DigestVerify(context.get(), bytes_of(signature), signature.size(), bytes_of(bytes), bytes.size()) == 1;
  ERR_clear_error();
  return good;
}

/// The strings of the list `name`, at most kMostOfEach.
Result<std::vector<std::string>> strings(simdjson::dom::element root, std::string_view name) {
  simdjson::dom::array items;
  if (root[name].get(items) != simdjson::SUCCESS) return fail("trust.json has no list {}", name);
  std::vector<std::string> out;
  for (const auto item : items) {
    std::string_view text;
    if (item.get(text) != simdjson::SUCCESS) return fail("trust.json: {} must hold strings", name);
    out.emplace_back(text);
  }
  if (out.size() > kMostOfEach) return fail("trust.json: {} has {} entries; at most {}", name, out.size(), kMostOfEach);
  return out;
}

}  // namespace

SigningKey SigningKey::generate() {
  std::shared_ptr<EVP_PKEY> key(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"), EVP_PKEY_free);
  if (!key) throw std::bad_alloc();
  return SigningKey(std::move(key));
}

Result<SigningKey> SigningKey::from_pem(std::string_view pem) {
  const Owned<BIO> bio(BIO_new_mem_buf(pem.data(), static_cast<int>(std::min<std::size_t>(pem.size(), 1 << 16))));
  std::shared_ptr<EVP_PKEY> key(PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr), EVP_PKEY_free);
  ERR_clear_error();
  if (!key || EVP_PKEY_get_base_id(key.get()) != EVP_PKEY_ED25519) {
    return fail("the signing key is no Ed25519 private key in PKCS #8 PEM");
  }
  return SigningKey(std::move(key));
}

std::string SigningKey::to_pem() const {
  const Owned<BIO> bio(BIO_new(BIO_s_mem()));
  if (!bio || PEM_write_bio_PKCS8PrivateKey(bio.get(), key_.get(), nullptr, nullptr, 0, nullptr, nullptr) != 1) {
    throw std::bad_alloc();
  }
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return {data, static_cast<std::size_t>(size)};
}

std::string SigningKey::public_key() const {
  std::string out(kPublicBytes, '\0');
  std::size_t size = out.size();
  if (EVP_PKEY_get_raw_public_key(key_.get(), reinterpret_cast<unsigned char*>(out.data()), &size) != 1) {
    throw std::bad_alloc();
  }
  return out;
}

std::string SigningKey::sign(std::string_view bytes) const {
  std::string out(kSignatureBytes, '\0');
  std::size_t size = out.size();
  const Owned<EVP_MD_CTX> context(EVP_MD_CTX_new());
  if (!context || EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, key_.get()) != 1 ||
      EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(out.data()), &size, bytes_of(bytes),
                     bytes.size()) != 1) {
    throw std::bad_alloc();
  }
  return out;
}

Result<Trust> Trust::parse(std::string_view json) {
  const auto doc = JsonDoc::parse(json, {.bytes = kMaxTrustBytes});
  if (!doc) return fail("trust.json is refused: {}", json_fault(doc.error()));
  auto keys = strings(doc->root(), "signingKeys");
  if (!keys) return tl::unexpected(keys.error());
  auto authorities = strings(doc->root(), "certificateAuthorities");
  if (!authorities) return tl::unexpected(authorities.error());
  Trust trust;
  for (const std::string& text : *keys) {
    auto bytes = base64_decode(text);
    if (!bytes || bytes->size() != kPublicBytes) {
      return fail("trust.json: signingKeys must hold Ed25519 public keys, base64 of 32 bytes each");
    }
    trust.signing_keys.push_back(std::move(*bytes));
  }
  if (trust.signing_keys.empty()) return fail("trust.json: signingKeys is empty, so no bundle could ever be trusted");
  trust.certificate_authorities = std::move(*authorities);
  return trust;
}

std::string Trust::to_json() const {
  nlohmann::json out;
  out["signingKeys"] = nlohmann::json::array();
  for (const std::string& key : signing_keys) out["signingKeys"].push_back(base64_encode(key));
  out["certificateAuthorities"] = certificate_authorities;
  return out.dump();
}

std::optional<std::string> Trust::signer(std::string_view bytes, std::string_view signature) const {
  if (signature.size() != kSignatureBytes) return std::nullopt;
  const auto found = std::find_if(signing_keys.begin(), signing_keys.end(),
                                  [&](const std::string& key) { return verify_one(key, bytes, signature); });
  return found == signing_keys.end() ? std::nullopt : std::optional(*found);
}

bool Trust::verifies(std::string_view bytes, std::string_view signature) const {
  return signer(bytes, signature).has_value();
}

}  // namespace meshauth::bundle
