// Tokens that must be refused, written from the RFCs and from the public history of JWT libraries: each with the reason
// that must be given, and a twin one edit away that must be accepted. Never part of a program.
#pragma once

#include <string>
#include <vector>

#include "core/jose/testing/world.h"

namespace meshauth::jose::testing {

struct Hostile {
  std::string id;
  std::string source;  ///< RFC and section, or CVE
  Reason reason;
  Draft hostile;
  Draft twin;
  std::string world = "plain";  ///< whose settings and keys: see make_world
};

using HostileList = std::vector<Hostile>;

/// plain: world_provider and world_keys. rs256: only RS256 allowed. strict: lifetime, typ and claims are limited.
/// tenants: Entra's template issuer. bound: keys with an alg of their own. ambiguous: one kid, two keys. nameless: keys
/// without kid. few: one ES256 key.
inline World make_world(const std::string& name) {
  ProviderSettings provider = world_provider();
  if (name == "rs256") {
    provider.algorithms = {Algorithm::RS256};
  } else if (name == "strict") {
    provider.max_token_lifetime = Seconds(1200);
    provider.token_types = {"at+jwt"};
    provider.required_claims = {{{"token_use"}, ClaimOperator::In, {"access"}}};
  } else if (name == "tenants") {
    provider = world_provider("ns/entra", "https://login/{tenantid}/v2.0");
    provider.required_claims = {{{"tid"}, ClaimOperator::In, {"t-1"}}};
    return World(provider, keys_of({key("es256").jwk({{"kid", "es256"}, {"issuer", "https://login/{tenantid}/v2.0"}}),
                                    key("es256-9").jwk({{"kid", "foreign"}, {"issuer", "https://login/t-9/v2.0"}})}));
  } else if (name == "bound") {
    return World(provider,
                 keys_of({key("rsa").jwk({{"kid", "rsa"}, {"alg", "RS256"}}), key("es256").jwk({{"kid", "es256"}})}));
  } else if (name == "ambiguous") {
    return World(provider, keys_of({key("es256").jwk({{"kid", "twice"}}), key("es256-1").jwk({{"kid", "twice"}}),
                                    key("es256").jwk({{"kid", "es256"}})}));
  } else if (name == "nameless") {
    return World(provider, keys_of({key("es256").jwk(), key("es256-1").jwk(), key("rsa").jwk()}));
  } else if (name == "few") {
    return World(provider, keys_of({key("es256").jwk({{"kid", "es256"}})}));
  }
  return World(provider);
}

/// A token signed by a key of the world: kid is its name.
inline Draft signed_by(const std::string& kid, const std::string& alg, Algorithm as, Draft draft = {}) {
  draft.header = R"({"alg":")" + alg + R"(","kid":")" + kid + R"(","typ":"JWT"})";
  draft.signed_by = kid;
  draft.signed_as = as;
  return draft;
}

HostileList hostile_algorithms();
HostileList hostile_forms();
HostileList hostile_json();
HostileList hostile_keys();
HostileList hostile_claims();
HostileList hostile_signatures();

}  // namespace meshauth::jose::testing
