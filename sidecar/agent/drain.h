// The pod is ending: a hook of the sidecar's container runs this program a second time, to tell the first.
#pragma once

#include <string>

#include "core/base/result.h"

namespace meshauth::agent {

/// Where the agent writes down its process id.
std::string pid_file(const std::string& work_dir);

/// Tells the agent that wrote this file. Errors: no such file, no process id in it, no such process.
Status ask_to_drain(const std::string& file);

}  // namespace meshauth::agent
