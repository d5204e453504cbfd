// For tests: public keys in few words.
#pragma once

#include <openssl/evp.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/base/base64.h"
#include "core/jose/key_set.h"

namespace meshauth::jose::testing {

/// A public Ed25519 key as JWK text; the same seed gives the same key.
inline std::string ed25519_key(const std::string& kid, int seed) {
  const std::string secret(32, static_cast<char>(seed));
  EVP_PKEY* key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr,
                                               reinterpret_cast<const unsigned char*>(secret.data()), secret.size());
  std::string point(32, '\0');
  std::size_t size = point.size();
  EVP_PKEY_get_raw_public_key(key, reinterpret_cast<unsigned char*>(point.data()), &size);
  EVP_PKEY_free(key);
  return nlohmann::json{{"kty", "OKP"}, {"crv", "Ed25519"}, {"kid", kid}, {"x", base64url_encode(point)}}.dump();
}

inline KeySet key_set(const std::vector<std::string>& keys) {
  std::string text;
  for (const std::string& key : keys) text += (text.empty() ? "" : ",") + key;
  return parse_key_set("{\"keys\":[" + text + "]}").value();
}

}  // namespace meshauth::jose::testing
