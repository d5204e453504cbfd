#include "cli/dev_idp/minting.h"

#include <openssl/rand.h>

#include <array>

#include "core/base/base64.h"
#include "core/base/json_doc.h"
#include "core/base/text.h"

namespace meshauth::dev_idp {
namespace {

using nlohmann::json;

constexpr JsonLimits kLimits{.bytes = 64 * 1024, .depth = 32};
constexpr std::int64_t kMostSeconds = 10LL * 365 * 24 * 3600;

std::string random_id() {
  std::array<unsigned char, 12> bytes{};
  RAND_bytes(bytes.data(), static_cast<int>(bytes.size()));
  return base64url_encode({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

void lay_over(json& under, const json& over) {
  for (const auto& [name, value] : over.items()) {
    if (value.is_null()) {
      under.erase(name);
    } else {
      under[name] = value;
    }
  }
}

Status read_member(MintRequest& request, const std::string& name, const json& value) {
  if (name == "claims" || name == "header") {
    if (!value.is_object()) return fail("{} must be an object", name);
    (name == "claims" ? request.claims : request.header) = value;
    return {};
  }
  if (name == "alg") {
    const auto algorithm = value.is_string() ? algorithm_from_name(value.get<std::string>()) : std::nullopt;
    if (!algorithm) return fail("alg must be one of RS256 RS384 RS512 PS256 PS384 PS512 ES256 EdDSA");
    request.algorithm = *algorithm;
    return {};
  }
  if (name == "kid") {
    if (!value.is_string()) return fail("kid must be a string");
    request.kid = value.get<std::string>();
    return {};
  }
  if (name == "expiresIn") {
    if (!value.is_number_integer()) return fail("expiresIn must be a whole number of seconds");
    const auto seconds = value.get<double>();
    if (seconds < -static_cast<double>(kMostSeconds) || seconds > static_cast<double>(kMostSeconds))
      return fail("expiresIn must be within ten years");
    request.expires_in = value.get<std::int64_t>();
    return {};
  }
  return fail("{} is unknown; there are claims, header, alg, kid, expiresIn", in_quotes(name));
}

}  // namespace

Result<MintRequest> parse_mint_request(std::string_view text) {
  MintRequest request;
  if (text.empty()) return request;
  // The strict reader first: nlohmann has no limit of depth, and keeps the last of two members with one name.
  if (const auto strict = JsonDoc::parse(text, kLimits); !strict)
    return fail("the body is refused: {}", json_fault(strict.error()));
  const json body = json::parse(text);
  if (!body.is_object()) return fail("the body must be an object");
  for (const auto& [name, value] : body.items()) {
    if (Status read = read_member(request, name, value); !read) return tl::unexpected(std::move(read.error()));
  }
  return request;
}

Result<std::string> mint(const MintRequest& request, const KeyStore& keys, const std::string& issuer,
                         std::int64_t now) {
  const SigningKey* key = keys.find(request.kid, request.algorithm);
  if (key == nullptr) {
    return request.kid.empty() ? fail("no key here signs with {}", algorithm_name(request.algorithm))
                               : fail("no published key has kid {}; to name an unknown one in a token, use header",
                                      in_quotes(request.kid));
  }
  if (!key->can_sign(request.algorithm))
    return fail("the key {} does not sign with {}", key->kid(), algorithm_name(request.algorithm));
  json header = {{"alg", algorithm_name(request.algorithm)}, {"kid", key->kid()}, {"typ", "JWT"}};
  json claims = {
      {"iss", issuer}, {"sub", "dev"}, {"iat", now}, {"exp", now + request.expires_in}, {"jti", random_id()}};
  lay_over(header, request.header);
  lay_over(claims, request.claims);
  const std::string input = base64url_encode(header.dump()) + "." + base64url_encode(claims.dump());
  return input + "." + base64url_encode(key->sign(request.algorithm, input));
}

}  // namespace meshauth::dev_idp
