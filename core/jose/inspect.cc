#include "core/jose/inspect.h"

#include "core/base/base64.h"
#include "core/base/text.h"
#include "core/jose/claims.h"

namespace meshauth::jose {
namespace {

using enum Check::Result;

Check check_of(std::string name, std::optional<Failure> failure) {
  if (!failure) return {std::move(name), passed, Reason::none, ""};
  return {std::move(name), failed, failure->reason, std::move(failure->detail)};
}

Check check_of(std::string name, const Refusal& refusal) {
  return {std::move(name), failed, refusal.reason, refusal.detail};
}

Check skipped_check(std::string name, std::string detail) {
  return {std::move(name), skipped, Reason::none, std::move(detail)};
}

/// What can be decoded is shown, however wrong the rest is.
void show(std::string_view token, Inspection& out) {
  if (token.size() > kMaxTokenBytes) return;
  const auto segments = split(token, '.');
  if (!segments.empty()) out.header = base64url_decode(segments[0]).value_or("");
  if (segments.size() > 1) out.payload = base64url_decode(segments[1]).value_or("");
}

void check_provider(const Jws& jws, const TokenClaims& claims, const ProviderSettings& provider, double now,
                    std::vector<Check>& out) {
  if (provider.issuer.empty()) {
    out.push_back(skipped_check("issuer", "no issuer was given to compare with"));
  } else if (issuer_matches(provider.issuer, claims)) {
    out.push_back(check_of("issuer", std::nullopt));
  } else {
    out.push_back({"issuer", failed, Reason::issuer_unknown,
                   fmt::format("iss is {}, not {}", in_quotes(claims.issuer), in_quotes(provider.issuer))});
  }
  out.push_back(check_of("algorithm", check_algorithm(provider, jws)));
  out.push_back(check_of("type", check_type(provider, jws)));
  out.push_back(check_of("times", check_times(provider, claims.dates, now)));
  out.push_back(provider.audiences.empty() ? skipped_check("audience", "no audience was given to compare with")
                                           : check_of("audience", check_audience(provider, claims.root)));
  if (!provider.required_claims.empty())
    out.push_back(check_of("required claims", check_required(provider, claims.root)));
}

/// Of a payload without claims the signature alone counts.
Check check_signature(std::string_view token, const KeySet& keys, const ProviderSettings& provider,
                      const TokenClaims* claims) {
  std::function<bool(const Jwk&)> counts;
  if (claims != nullptr) counts = [&](const Jwk& key) { return may_sign(key, provider, *claims); };
  const auto verified = verify_signature(token, keys, AlgorithmSet::all(), counts);
  return verified ? check_of("signature", std::nullopt) : check_of("signature", verified.error());
}

tl::expected<JsonDoc, Check> read_payload(const Jws& jws) {
  auto doc = JsonDoc::parse(jws.payload, {.bytes = kMaxTokenBytes, .depth = 32});
  if (!doc) {
    return tl::unexpected(Check{"payload", failed, doc.error().reason,
                                fmt::format("the payload is refused: {}", json_fault(doc.error()))});
  }
  if (!doc->root().is_object()) {
    return tl::unexpected(Check{"payload", failed, Reason::json_invalid, "the payload is no JSON object"});
  }
  return std::move(*doc);
}

}  // namespace

Reason Inspection::first_failure() const {
  for (const Check& check : checks) {
    if (check.result == failed) return check.reason;
  }
  return Reason::none;
}

Inspection inspect(std::string_view token, const ProviderSettings& provider, const KeySet* keys, double now) {
  Inspection out;
  show(token, out);
  JsonReader reader;
  Jws jws;
  if (const auto read = read_jws(token, reader, jws); !read) {
    out.checks.push_back(check_of("form and header", read.error()));
    return out;
  }
  out.checks.push_back(check_of("form and header", std::nullopt));
  const auto doc = read_payload(jws);
  out.checks.push_back(doc ? check_of("payload", std::nullopt) : doc.error());
  std::optional<TokenClaims> claims;
  if (doc) {
    if (const auto read = read_claims(doc->root())) {
      claims = *read;
      check_provider(jws, *claims, provider, now, out.checks);
    } else {
      out.checks.push_back(check_of("issuer", read.error()));
    }
  }
  out.checks.push_back(keys == nullptr ? skipped_check("signature", "no key set was given")
                                       : check_signature(token, *keys, provider, claims ? &*claims : nullptr));
  return out;
}

}  // namespace meshauth::jose
