#include "core/base/algorithm.h"

namespace meshauth {
namespace {
constexpr std::string_view kNames[] = {"RS256", "RS384", "RS512", "PS256", "PS384",
                                       "PS512", "ES256", "ES384", "ES512", "EdDSA"};
}  // namespace

std::string_view algorithm_name(Algorithm algorithm) noexcept {
  return kNames[static_cast<std::size_t>(algorithm)];
}

std::optional<Algorithm> algorithm_from_name(std::string_view name) noexcept {
  for (std::size_t i = 0; i < std::size(kNames); ++i) {
    if (kNames[i] == name) return static_cast<Algorithm>(i);
  }
  return std::nullopt;
}

std::optional<Alg> alg_from_name(std::string_view name) noexcept {
  for (const std::string_view curve : {"Ed25519", "Ed448"}) {
    if (curve == name) return Alg{Algorithm::EdDSA, curve};
  }
  const auto algorithm = algorithm_from_name(name);
  if (!algorithm) return std::nullopt;
  return Alg{*algorithm, {}};
}

std::vector<std::string> AlgorithmSet::names() const {
  std::vector<std::string> out;
  for (std::size_t i = 0; i < std::size(kNames); ++i) {
    if (contains(static_cast<Algorithm>(i))) out.emplace_back(kNames[i]);
  }
  return out;
}

}  // namespace meshauth
