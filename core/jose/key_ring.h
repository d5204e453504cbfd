// The keys of one key source, ready to choose from. Only for the .cc files of this room.
#pragma once

#include <array>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/base/reason.h"
#include "core/jose/jws.h"
#include "core/jose/key_set.h"
#include "core/jose/signature.h"

namespace meshauth::jose {

/// Without a kid that many keys are tried (RFC 7515 has no bound; each costs a signature).
constexpr std::size_t kMaxKeysTried = 4;

/// Which keys may have signed a token; reason is none if there is at least one. Its memory is used again.
struct Selection {
  Reason reason = Reason::none;
  std::vector<std::size_t> keys;
};

class KeyRing {
 public:
  KeyRing(std::string source, KeySet set);

  const std::string& source() const { return source_; }
  const Jwk& jwk(std::size_t index) const { return set_.keys[index]; }

  /// Also where two keys have it, so that none is used.
  bool has(const std::string& kid) const { return by_kid_.contains(kid) || ambiguous_.contains(kid); }
  /// "a", "b" and 3 more: for a message.
  std::string some_kids() const;
  /// By kid: kid_unknown, kid_ambiguous, alg_key_mismatch. Without one, the keys that fit: kid_missing_no_key.
  void select(const Jws& jws, Selection& out) const;

  /// The same key under two names is one PublicKey: its number, for remembering what was already verified.
  std::size_t material(std::size_t index) const { return material_[index]; }
  bool verify(const Digests& digests, std::size_t index, const Jws& jws);

 private:
  /// By type, curve and the key's own alg, which the token's has to be letter for letter: RFC 8725 section 3.1 uses a
  /// key with exactly one algorithm, and to RFC 9864 "EdDSA" is another one than "Ed25519", even on that curve. A key
  /// without alg takes both.
  bool fits(std::size_t index, const Jws& jws) const;

  std::string source_;
  KeySet set_;
  std::set<std::string, std::less<>> ambiguous_;
  std::unordered_map<std::string, std::vector<std::size_t>> by_kid_;
  std::vector<AlgorithmSet> algorithms_;  ///< by key
  std::vector<std::size_t> material_;     ///< by key
  std::vector<PublicKey> public_keys_;
};

}  // namespace meshauth::jose
