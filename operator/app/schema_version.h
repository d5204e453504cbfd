// Written by crds/schema_version.py.
#pragma once

namespace meshauth::app {

/// The least schema version of the resources' definitions that has every field this program enforces.
inline constexpr int kSchemaVersion = 2;

}  // namespace meshauth::app
