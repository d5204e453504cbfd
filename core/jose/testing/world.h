// A small world for tests of the verifier: one provider, one key per algorithm, and drafts of tokens to spoil. Never
// part of a program.
#pragma once

#include <doctest/doctest.h>

#include <functional>
#include <map>
#include <string>

#include "core/jose/testing/token_maker.h"
#include "core/jose/verifier.h"

namespace meshauth::jose::testing {

constexpr double kNow = 1000;

/// The text with one piece of it replaced; the piece must be there.
inline std::string edit(std::string text, std::string_view from, std::string_view to) {
  const auto at = text.find(from);
  REQUIRE_MESSAGE(at != std::string::npos, "nothing to edit: " << from << " in " << text);
  return text.replace(at, from.size(), to);
}

/// One key per algorithm, made once: "es256" has kid es256 and so on; "ed448" too.
inline const TestKey& key(const std::string& kid) {
  static std::map<std::string, TestKey> keys;
  const auto found = keys.find(kid);
  if (found != keys.end()) return found->second;
  const auto make = [&] {
    if (kid.starts_with("es256")) return TestKey::p256();
    if (kid.starts_with("es384")) return TestKey::p384();
    if (kid.starts_with("es512")) return TestKey::p521();
    if (kid.starts_with("ed25519")) return TestKey::ed25519();
    if (kid.starts_with("ed448")) return TestKey::ed448();
    return TestKey::rsa();
  };
  return keys.emplace(kid, make()).first->second;
}

inline KeySet keys_of(const std::vector<std::string>& jwks) {
  std::string json = R"({"keys":[)";
  for (const auto& jwk : jwks) json += (json.back() == '[' ? "" : ",") + jwk;
  auto set = parse_key_set(json + "]}");
  REQUIRE_MESSAGE(set, (set ? "" : set.error().message));
  return std::move(*set);
}

/// rsa, es256, es384, es512, ed25519, ed448, each with its kid and no alg.
inline KeySet world_keys() {
  std::vector<std::string> jwks;
  for (const std::string kid : {"rsa", "es256", "es384", "es512", "ed25519", "ed448"}) {
    jwks.push_back(key(kid).jwk({{"kid", kid}}));
  }
  return keys_of(jwks);
}

inline ProviderSettings world_provider(const std::string& id = "ns/main", const std::string& issuer = "https://idp") {
  ProviderSettings out;
  out.id = id;
  out.issuer = issuer;
  out.audiences = {"api", "other-api"};
  out.audience_claim = {"aud"};
  out.algorithms = AlgorithmSet::all();
  out.token_types = {"at+jwt", "jwt", ""};
  out.clock_skew = Seconds(0);
  out.mappings.subject = {"sub"};
  out.mappings.client = {{"azp"}, {"client_id"}};
  out.mappings.scopes = {{"scope"}, {"scp"}};
  out.mappings.groups = {{"groups"}};
  out.mappings.roles = {{"realm_access", "roles"}};
  out.key_source = "source";
  return out;
}

/// A token before it is signed; as it stands the world's provider accepts it at kNow.
struct Draft {
  std::string header = R"({"alg":"ES256","kid":"es256","typ":"JWT"})";
  std::string claims = R"({"iss":"https://idp","aud":"api","exp":2000,"iat":900,"sub":"alice"})";
  std::string signed_by = "es256";
  Algorithm signed_as = Algorithm::ES256;
  std::function<std::string(std::string)> spoil;  ///< the finished token
  double now = kNow;

  std::string token() const {
    std::string out = key(signed_by).token(signed_as, header, claims);
    return spoil ? spoil(std::move(out)) : out;
  }
};

inline Draft header(std::string_view from, std::string_view to, Draft draft = {}) {
  draft.header = edit(draft.header, from, to);
  return draft;
}
/// Further members at the header's end.
inline Draft header_plus(std::string_view members, Draft draft = {}) {
  draft.header.pop_back();
  draft.header += "," + std::string(members) + "}";
  return draft;
}
inline Draft claims(std::string_view from, std::string_view to, Draft draft = {}) {
  draft.claims = edit(draft.claims, from, to);
  return draft;
}
inline Draft claims_plus(std::string_view members, Draft draft = {}) {
  draft.claims.pop_back();
  draft.claims += "," + std::string(members) + "}";
  return draft;
}
inline Draft at(double now, Draft draft = {}) {
  draft.now = now;
  return draft;
}
inline Draft spoilt(std::function<std::string(std::string)> spoil, Draft draft = {}) {
  draft.spoil = std::move(spoil);
  return draft;
}

/// A verifier of one provider; its reason for a draft, none if accepted.
class World {
 public:
  explicit World(ProviderSettings provider = world_provider(), KeySet keys = world_keys())
      : verifier_({std::move(provider)}, {{"source", std::move(keys)}}) {}

  Reason reason(const Draft& draft) {
    const auto token = verifier_.verify(draft.token(), draft.now);
    if (token) return Reason::none;
    CHECK_FALSE(token.error().detail.empty());
    return token.error().reason;
  }
  VerifiedToken accepted(const Draft& draft) {
    auto token = verifier_.verify(draft.token(), draft.now);
    REQUIRE_MESSAGE(token, (token ? "" : token.error().detail));
    return std::move(*token);
  }
  Verifier& verifier() { return verifier_; }

 private:
  Verifier verifier_;
};

/// What a verifier of several providers says of a draft: the ids that vouch, or the reason's name.
inline std::string verdict(Verifier& verifier, const Draft& draft, const std::vector<bool>& only = {}) {
  const auto token = verifier.verify(draft.token(), draft.now, only);
  if (!token) return std::string(reason_name(token.error().reason));
  std::string ids;
  for (const Identity& identity : token->identities) {
    ids += (ids.empty() ? "" : " ") + verifier.providers()[identity.provider].id;
  }
  return ids;
}

}  // namespace meshauth::jose::testing
