// The part of an IdentityProvider that a checkpoint must know.
#pragma once

#include "core/model/identity_provider.h"
#include "core/model/reader.h"

namespace meshauth::model {

/// Fills provider.settings from the spec and the defaults of provider.profile, except key_source and max_stale.
void read_settings(const ObjectReader& spec, IdentityProvider& provider);

}  // namespace meshauth::model
