// The caller of an offline question, as nginx would see it: its token stands where its provider's tokens stand, and
// counts where the bundle looks for them.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cli/resources.h"
#include "core/engine/snapshot.h"

namespace meshauth::cli {

/// Claims of a caller at most, as JSON.
constexpr std::size_t kClaimsBytes = 64 * 1024;

/// Who asks: nobody, a token, or claims that count as verified by one provider.
struct OfflineCaller {
  std::string token;
  std::string provider;  ///< of claims
  nlohmann::json claims;
};

using HeaderLines = std::vector<std::pair<std::string, std::string>>;  ///< names in lower case

/// The lines, and the caller's token where a provider of its issuer looks for it first; of claims, something that
/// stands for their token.
HeaderLines with_token(HeaderLines lines, const OfflineCaller& caller, engine::Snapshot& snapshot,
                       const Resources& resources);

/// What one view of the policies knows of the caller. It owns what the principal points to.
struct Known {
  Reason reason = Reason::none;  ///< not none: refused before any policy is asked
  std::string detail;
  std::vector<std::pair<std::string, jose::Identity>> identities;  ///< with the provider's id
  std::optional<JsonDoc> claims;

  policy::Principal principal() const;
};

/// headers: with_token's. Errors: a provider that is not there, claims that cannot be read.
Result<Known> known_caller(engine::Snapshot& snapshot, engine::View view, std::span<const engine::Header> headers,
                           const OfflineCaller& caller, const Resources& resources, double now);

}  // namespace meshauth::cli
