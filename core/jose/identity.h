// Claim mapping: what one provider's settings make of verified claims. Only for the .cc files of this room.
#pragma once

#include <simdjson.h>

#include "core/base/provider.h"
#include "core/jose/verifier.h"

namespace meshauth::jose {

/// subject and client: a scalar as text, empty where there is none; client: of the first path that gives one. scopes: a
/// string is split at spaces, a list gives its scalars as they are. groups, roles: the string, or the list's scalars.
Identity map_claims(const ClaimMappings& mappings, simdjson::dom::element claims, std::size_t provider);

}  // namespace meshauth::jose
