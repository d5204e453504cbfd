// The operator in Kubernetes: objects from the API server, records into it.
#pragma once

#include <stop_token>

#include "operator/app/options.h"

namespace meshauth::app {

/// Runs until stopped, or until another operator has taken the lead. Errors: what could not be set up, and what to do.
Status run_in_cluster(const Options& options, const std::stop_token& stop);

}  // namespace meshauth::app
