// What an uninstalled release would leave behind, taken away.
#pragma once

#include <stop_token>

#include "operator/app/options.h"

namespace meshauth::app {

/// Deletes every ConfigMap with our label in every namespace (with --watch-namespace: in these and the operator's own),
/// Secret mesh-auth-keys and the Lease; what is gone already is well. Waits until no operator holds the Lease: it would
/// put back what it misses. Errors: the first that was met, after all else was tried.
Status remove_records(const Options& options, const std::stop_token& stop);

}  // namespace meshauth::app
