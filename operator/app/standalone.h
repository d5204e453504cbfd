// Standalone: the operator over a folder of manifests, no cluster at all.
#pragma once

#include <stop_token>

#include "operator/app/options.h"

namespace meshauth::app {

/// Runs until stopped. Errors: what could not be set up.
Status run_standalone(const Options& options, const std::stop_token& stop);

}  // namespace meshauth::app
