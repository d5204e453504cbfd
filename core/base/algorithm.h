// The signature algorithms that exist here: asymmetric only (RFC 7518 section 3, RFC 8037, RFC 9864).
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace meshauth {

enum class Algorithm : std::uint8_t { RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, EdDSA };

std::string_view algorithm_name(Algorithm algorithm) noexcept;

/// What settings may list: exact case; nullopt for any other spelling, also for RFC 9864's "Ed25519" and "Ed448".
/// Whoever names one curve would be given both: an AlgorithmSet knows EdDSA alone.
std::optional<Algorithm> algorithm_from_name(std::string_view name) noexcept;

/// What the member `alg` of a token's header or of a key may say.
struct Alg {
  Algorithm algorithm{};
  std::string_view curve;  ///< "Ed25519" or "Ed448" if that is its name (RFC 9864 section 2.2), EdDSA with one curve
};

/// The names above, and those two. Exact case; nullopt for any other spelling.
std::optional<Alg> alg_from_name(std::string_view name) noexcept;

class AlgorithmSet {
 public:
  constexpr AlgorithmSet() = default;
  constexpr AlgorithmSet(std::initializer_list<Algorithm> algorithms) {
    for (const Algorithm algorithm : algorithms) add(algorithm);
  }
  static constexpr AlgorithmSet all() {
    AlgorithmSet set;
    set.bits_ = 0x3ff;
    return set;
  }
  constexpr void add(Algorithm algorithm) { bits_ |= bit(algorithm); }
  constexpr bool contains(Algorithm algorithm) const { return (bits_ & bit(algorithm)) != 0; }
  constexpr bool empty() const { return bits_ == 0; }
  constexpr bool intersects(AlgorithmSet other) const { return (bits_ & other.bits_) != 0; }
  std::vector<std::string> names() const;

  friend constexpr bool operator==(AlgorithmSet, AlgorithmSet) = default;

 private:
  static constexpr std::uint16_t bit(Algorithm algorithm) {
    return static_cast<std::uint16_t>(1U << static_cast<unsigned>(algorithm));
  }
  std::uint16_t bits_ = 0;
};

}  // namespace meshauth
