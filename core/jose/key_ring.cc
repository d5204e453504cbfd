#include "core/jose/key_ring.h"

#include "core/base/text.h"

namespace meshauth::jose {

KeyRing::KeyRing(std::string source, KeySet set) : source_(std::move(source)), set_(std::move(set)) {
  ambiguous_.insert(set_.ambiguous_kids.begin(), set_.ambiguous_kids.end());
  std::unordered_map<std::string, std::size_t> by_thumbprint;
  for (std::size_t i = 0; i < set_.keys.size(); ++i) {
    const Jwk& jwk = set_.keys[i];
    algorithms_.push_back(fitting_algorithms(jwk));
    if (!jwk.kid.empty()) by_kid_[jwk.kid].push_back(i);
    const auto [at, added] = by_thumbprint.try_emplace(jwk.thumbprint, public_keys_.size());
    if (added) public_keys_.emplace_back(jwk);
    material_.push_back(at->second);
  }
}

std::string KeyRing::some_kids() const {
  constexpr std::size_t kShown = 4;
  std::string out;
  std::size_t named = 0;
  for (const Jwk& jwk : set_.keys) {
    if (jwk.kid.empty() || ++named > kShown) continue;
    out += (out.empty() ? "" : ", ") + in_quotes(jwk.kid, 64);
  }
  if (named > kShown) out += fmt::format(" and {} more", named - kShown);
  return out.empty() ? "none" : out;
}

bool KeyRing::fits(std::size_t index, const Jws& jws) const {
  const Jwk& jwk = set_.keys[index];
  if (!algorithms_[index].contains(jws.algorithm)) return false;
  return (jws.curve.empty() || jws.curve == jwk.crv) && (jwk.alg.empty() || jwk.alg == jws.alg());
}

void KeyRing::select(const Jws& jws, Selection& out) const {
  out.reason = Reason::none;
  out.keys.clear();
  if (!jws.kid) {
    for (std::size_t i = 0; i < set_.keys.size(); ++i) {
      if (fits(i, jws)) out.keys.push_back(i);
    }
    if (out.keys.empty()) out.reason = Reason::kid_missing_no_key;
    return;
  }
  if (ambiguous_.contains(*jws.kid)) {
    out.reason = Reason::kid_ambiguous;
    return;
  }
  const auto found = by_kid_.find(*jws.kid);
  if (found == by_kid_.end()) {
    out.reason = Reason::kid_unknown;
    return;
  }
  for (const std::size_t i : found->second) {
    if (fits(i, jws)) out.keys.push_back(i);
  }
  if (out.keys.empty()) out.reason = Reason::alg_key_mismatch;
}

bool KeyRing::verify(const Digests& digests, std::size_t index, const Jws& jws) {
  return public_keys_[material_[index]].verify(digests, jws.algorithm, jws.signing_input, jws.signature);
}

}  // namespace meshauth::jose
