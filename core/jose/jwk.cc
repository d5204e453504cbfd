#include "core/jose/jwk.h"

#include <openssl/core_names.h>

#include <algorithm>

#include "core/base/base64.h"
#include "core/base/digest.h"
#include "core/base/json_text.h"
#include "core/base/text.h"
#include "core/jose/curve.h"
#include "core/jose/edwards.h"
#include "core/jose/ossl.h"

namespace meshauth::jose {
namespace {

using simdjson::dom::element;
using simdjson::dom::object;

constexpr int kMinRsaBits = 2048;  // RFC 7518 section 3.3
constexpr int kMaxRsaBits = 8192;  // beyond it one verification costs milliseconds
constexpr std::uint64_t kMaxExponent = std::uint64_t{1} << 32;

constexpr std::string_view kSecretMembers[] = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"};

/// "" if the member is missing.
Result<std::string> text_member(object jwk, std::string_view name) {
  element value;
  if (jwk.at_key(name).get(value) != simdjson::SUCCESS) return std::string();
  std::string_view text;
  if (value.get(text) != simdjson::SUCCESS) return fail("member {} is not a string", name);
  return std::string(text);
}

Result<std::string> bytes_member(object jwk, std::string_view name) {
  std::string_view text;
  if (jwk.at_key(name).get(text) != simdjson::SUCCESS) return fail("member {} is missing or not a string", name);
  auto bytes = base64url_decode(text);
  if (!bytes || bytes->empty()) return fail("member {} is not base64url without padding", name);
  return std::move(*bytes);
}

/// A Base64urlUInt. Some providers write the sign byte of DER before it: one zero is dropped, more are refused.
Result<std::string> integer_member(object jwk, std::string_view name) {
  auto bytes = bytes_member(jwk, name);
  if (!bytes) return bytes;
  if (bytes->size() > 1 && bytes->front() == '\0') bytes->erase(0, 1);
  if (bytes->front() == '\0') return fail("member {} is zero or begins with zero bytes", name);
  return bytes;
}

int bit_length(std::string_view big_endian) {
  int bits = static_cast<int>(big_endian.size()) * 8;
  for (auto top = static_cast<unsigned char>(big_endian.front()); (top & 0x80) == 0; top <<= 1) --bits;
  return bits;
}

std::shared_ptr<EVP_PKEY> public_key(const char* type, OSSL_PARAM_BLD* builder) {
  const Ossl<OSSL_PARAM> params(OSSL_PARAM_BLD_to_param(builder));
  const Ossl<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr));
  EVP_PKEY* key = nullptr;
  const bool made = params && context && EVP_PKEY_fromdata_init(context.get()) == 1 &&
                    EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, params.get()) == 1;
  std::shared_ptr<EVP_PKEY> out(key, OsslFree());
  if (!made) {
    ERR_clear_error();
    return nullptr;
  }
  return out;
}

std::uint64_t to_uint64(std::string_view big_endian) {
  std::uint64_t value = 0;
  for (const char c : big_endian) value = value << 8 | static_cast<unsigned char>(c);
  return value;
}

Ossl<BIGNUM> to_bignum(std::string_view big_endian) {
  return Ossl<BIGNUM>(BN_bin2bn(bytes_of(big_endian), static_cast<int>(big_endian.size()), nullptr));
}

/// Public members in JSON, names sorted. `extra` are those that are no part of the thumbprint.
struct Members {
  std::vector<std::pair<std::string_view, std::string>> required, extra;

  static std::string json(std::vector<std::pair<std::string_view, std::string>> members) {
    std::sort(members.begin(), members.end());
    std::string out = "{";
    for (const auto& [name, value] : members) {
      if (out.size() > 1) out += ',';
      append_json_string(out, name);
      out += ':';
      append_json_string(out, value);
    }
    return out + '}';
  }
};

Status read_rsa(object jwk, Jwk& out, Members& members) {
  const auto n = integer_member(jwk, "n");
  if (!n) return tl::unexpected(n.error());
  const auto e = integer_member(jwk, "e");
  if (!e) return tl::unexpected(e.error());
  const int bits = bit_length(*n);
  if (bits < kMinRsaBits) return fail("RSA modulus of {} bits; at least {}", bits, kMinRsaBits);
  if (bits > kMaxRsaBits) return fail("RSA modulus of {} bits; at most {}", bits, kMaxRsaBits);
  if ((n->back() & 1) == 0) return fail("RSA modulus is even");
  if (e->size() > 5 || to_uint64(*e) > kMaxExponent) return fail("RSA exponent is larger than 2^32");
  if (to_uint64(*e) < 3 || (e->back() & 1) == 0)
    return fail("RSA exponent is {}; it must be odd and at least 3", to_uint64(*e));
  const Ossl<OSSL_PARAM_BLD> builder(OSSL_PARAM_BLD_new());
  const auto modulus = to_bignum(*n), exponent = to_bignum(*e);
  if (builder && modulus && exponent &&
      OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, modulus.get()) == 1 &&
      OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, exponent.get()) == 1) {
    out.key = public_key("RSA", builder.get());
  }
  if (!out.key) return fail("OpenSSL refuses this RSA key");
  members.required = {{"e", base64url_encode(*e)}, {"n", base64url_encode(*n)}};
  return {};
}

Status read_ec(object jwk, Jwk& out, Members& members) {
  const Curve* curve = curve_named(out.crv);
  if (curve == nullptr || curve->kty != "EC")
    return fail("EC curve {} is not P-256, P-384 or P-521", in_quotes(out.crv));
  const auto x = bytes_member(jwk, "x");
  if (!x) return tl::unexpected(x.error());
  const auto y = bytes_member(jwk, "y");
  if (!y) return tl::unexpected(y.error());
  if (x->size() != curve->bytes || y->size() != curve->bytes) {
    return fail("coordinates of {} and {} bytes; {} has exactly {}", x->size(), y->size(), curve->name, curve->bytes);
  }
  const std::string point = '\4' + *x + *y;  // SEC 1 section 2.3.3, uncompressed
  const Ossl<OSSL_PARAM_BLD> builder(OSSL_PARAM_BLD_new());
  if (builder &&
      OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, curve->openssl_name, 0) == 1 &&
      OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size()) == 1) {
    out.key = public_key("EC", builder.get());
  }
  if (!out.key) return fail("the point is not on curve {}", curve->name);
  members.required = {{"crv", out.crv}, {"x", base64url_encode(*x)}, {"y", base64url_encode(*y)}};
  return {};
}

Status read_okp(object jwk, Jwk& out, Members& members) {
  const Curve* curve = curve_named(out.crv);
  if (curve == nullptr || curve->kty != "OKP") return fail("OKP curve {} is not Ed25519 or Ed448", in_quotes(out.crv));
  const auto x = bytes_member(jwk, "x");
  if (!x) return tl::unexpected(x.error());
  if (x->size() != curve->bytes) return fail("x of {} bytes; {} has exactly {}", x->size(), curve->name, curve->bytes);
  const Point point = curve->name == "Ed448" ? judge_ed448(*x) : judge_ed25519(*x);
  if (point == Point::OffCurve) return fail("the point is not on curve {}", curve->name);
  if (point == Point::SmallOrder) return fail("the point is of small order on curve {}", curve->name);
  out.key.reset(EVP_PKEY_new_raw_public_key_ex(nullptr, curve->openssl_name, nullptr, bytes_of(*x), x->size()),
                OsslFree());
  if (!out.key) {
    ERR_clear_error();
    return fail("OpenSSL refuses this {} key", curve->name);
  }
  members.required = {{"crv", out.crv}, {"x", base64url_encode(*x)}};
  return {};
}

Status check_purpose(object jwk) {
  element value;
  if (jwk.at_key("use").get(value) == simdjson::SUCCESS) {
    std::string_view use;
    if (value.get(use) != simdjson::SUCCESS) return fail("member use is not a string");
    if (use != "sig") return fail("use is {}, not \"sig\"", in_quotes(use));
  }
  if (jwk.at_key("key_ops").get(value) == simdjson::SUCCESS) {
    simdjson::dom::array operations;
    if (value.get(operations) != simdjson::SUCCESS) return fail("member key_ops is not a list");
    const bool verifies = std::any_of(operations.begin(), operations.end(), [](element operation) {
      std::string_view name;
      return operation.get(name) == simdjson::SUCCESS && name == "verify";
    });
    if (!verifies) return fail("key_ops does not hold \"verify\"");
  }
  return {};
}

Status read_names(object jwk, Jwk& out) {
  const std::pair<std::string_view, std::string*> names[] = {
      {"kid", &out.kid}, {"kty", &out.kty}, {"crv", &out.crv}, {"alg", &out.alg}, {"issuer", &out.issuer}};
  for (const auto& [name, target] : names) {
    auto text = text_member(jwk, name);
    if (!text) return tl::unexpected(text.error());
    *target = std::move(*text);
  }
  if (out.kid.size() > kMaxKidBytes) return fail("kid of {} bytes; at most {}", out.kid.size(), kMaxKidBytes);
  return {};
}

Status read_key(object jwk, Jwk& out, Members& members) {
  if (out.kty == "RSA") {
    out.crv.clear();  // means nothing here
    return read_rsa(jwk, out, members);
  }
  if (out.kty == "EC") return read_ec(jwk, out, members);
  if (out.kty == "OKP") return read_okp(jwk, out, members);
  return fail("kty {} is not RSA, EC or OKP", in_quotes(out.kty));
}

}  // namespace

std::optional<std::string_view> secret_member(object jwk) {
  for (const std::string_view name : kSecretMembers) {
    if (jwk.at_key(name).error() == simdjson::SUCCESS) return name;
  }
  std::string_view kty;
  if (jwk.at_key("kty").get(kty) == simdjson::SUCCESS && kty == "oct") return "kty oct";
  return std::nullopt;
}

std::string kid_of(object jwk) {
  std::string_view kid;
  if (jwk.at_key("kid").get(kid) != simdjson::SUCCESS) return {};
  return std::string(utf8_prefix(kid, kMaxKidBytes));
}

Result<Jwk> parse_jwk(object jwk) {
  Jwk out;
  Members members;
  if (auto names = read_names(jwk, out); !names) return tl::unexpected(names.error());
  if (auto purpose = check_purpose(jwk); !purpose) return tl::unexpected(purpose.error());
  if (auto key = read_key(jwk, out, members); !key) return tl::unexpected(key.error());
  if (!out.alg.empty() && fitting_algorithms(out).empty()) {
    return fail("alg {} is no signature algorithm of this {} key", in_quotes(out.alg), out.kty);
  }
  members.required.emplace_back("kty", out.kty);
  out.thumbprint = base64url_encode(sha256(Members::json(members.required)));
  auto all = members.required;
  if (!out.kid.empty()) all.emplace_back("kid", out.kid);
  if (!out.alg.empty()) all.emplace_back("alg", out.alg);
  if (!out.issuer.empty()) all.emplace_back("issuer", out.issuer);
  out.json = Members::json(std::move(all));
  return out;
}

}  // namespace meshauth::jose
