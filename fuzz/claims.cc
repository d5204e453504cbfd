// A payload as it comes out of a token whose form is right: reading, comparing, mapping.
#include "core/jose/claims.h"

#include <string>

#include "core/jose/identity.h"
#include "fuzz/check.h"

using namespace meshauth;

namespace {

ProviderSettings provider() {
  ProviderSettings out;
  out.id = "ns/p";
  out.issuer = "https://idp/{tenantid}/v2.0";
  out.audiences = {"api"};
  out.audience_claim = {"aud"};
  out.algorithms = AlgorithmSet::all();
  out.token_types = {"jwt", ""};
  out.max_token_lifetime = Seconds(3600);
  for (const ClaimOperator op :
       {ClaimOperator::In, ClaimOperator::NotIn, ClaimOperator::Exists, ClaimOperator::NotExists,
        ClaimOperator::Contains, ClaimOperator::Prefix, ClaimOperator::Suffix}) {
    out.required_claims.push_back({{"a"}, op, {"x", ""}});
  }
  out.mappings = {{"sub"}, {{"azp"}, {"client_id"}}, {{"scope"}, {"scp"}}, {{"groups"}}, {{"realm_access", "roles"}}};
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const ProviderSettings settings = provider();
  const auto doc = JsonDoc::parse(fuzz::text_of(data, size));
  if (!doc || !doc->root().is_object()) return 0;
  for (const ClaimCondition& condition : settings.required_claims) holds(condition, doc->root());
  const jose::Identity identity = jose::map_claims(settings.mappings, doc->root(), 0);
  for (const std::string& scope : identity.scopes) FUZZ_CHECK(scope.size() <= size);
  const auto claims = jose::read_claims(doc->root());
  if (!claims) return 0;
  jose::issuer_matches(settings.issuer, *claims);
  for (const double now : {0.0, 1000.0, 1e15}) {
    FUZZ_CHECK(jose::next_change(settings, *claims, now) > now);
    const auto failed = jose::check_claims(settings, jose::Jws{}, *claims, now);
    if (failed) FUZZ_CHECK(failed->reason != Reason::none && !failed->detail.empty());
    if (!failed) FUZZ_CHECK(claims->dates.exp && claims->dates.invalid.empty());
  }
  return 0;
}
