// ProviderSettings as jwks.json writes them. Every member is always written and always required: a reader that misses
// one refuses the file instead of guessing a default.
#pragma once

#include <simdjson.h>

#include <nlohmann/json_fwd.hpp>

#include "core/base/provider.h"
#include "core/base/result.h"

namespace meshauth::bundle {

nlohmann::json provider_to_json(const ProviderSettings& provider);
Result<ProviderSettings> provider_from_json(simdjson::dom::element value);

}  // namespace meshauth::bundle
