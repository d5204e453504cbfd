// Tokens with any claims that somebody asks for.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "cli/dev_idp/key_store.h"
#include "core/base/result.h"

namespace meshauth::dev_idp {

struct MintRequest {
  Algorithm algorithm = Algorithm::RS256;
  std::string kid;                                   ///< a published key; empty: the newest for the algorithm
  std::int64_t expires_in = 300;                     ///< seconds, may be negative
  nlohmann::json claims = nlohmann::json::object();  ///< laid over ours; a null removes one
  nlohmann::json header = nlohmann::json::object();  ///< laid over ours; a null removes one
};

/// JSON of POST /token; the error says which member is wrong.
Result<MintRequest> parse_mint_request(std::string_view json);

/// header {alg, kid, typ: JWT}, claims {iss, iat, exp, jti, sub: dev} with what was asked for laid over them, signed
/// with what the algorithm says, whatever the header claims.
Result<std::string> mint(const MintRequest& request, const KeyStore& keys, const std::string& issuer, std::int64_t now);

}  // namespace meshauth::dev_idp
