// A provider whose every setting says something.
#pragma once

#include "core/base/provider.h"

namespace meshauth::bundle {

inline ProviderSettings full_settings() {
  ProviderSettings s;
  s.id = "shop/idp";
  s.issuer = "https://idp.example";
  s.issuer_aliases = {"idp.example"};
  s.audiences = {"a", "b"};
  s.audience_claim = {"aud"};
  s.algorithms = {Algorithm::RS256, Algorithm::EdDSA};
  s.token_types = {"at+jwt", ""};
  s.required_claims = {{{"a", "b.c"}, ClaimOperator::In, {"x"}}};
  s.clock_skew = Seconds(7);
  s.max_token_lifetime = Seconds(3600);
  s.token_sources = {{"authorization", "Bearer", ""}, {"", "", "session"}};
  s.mappings = {{"sub"}, {{"azp"}, {"client_id"}}, {{"scope"}}, {{"groups"}}, {{"realm_access", "roles"}}};
  s.forward_claims = {{{"email"}, "X-User-Email"}};
  s.forward_token = false;
  s.key_source = "source";
  s.max_stale = Seconds(60);
  return s;
}

}  // namespace meshauth::bundle
