// A whole file within a bound.
#pragma once

#include <string>

#include "core/base/result.h"

namespace meshauth::kube {

/// Errors name the path and the system's reason, or the limit.
Result<std::string> read_file(const std::string& path, std::size_t max_bytes);

}  // namespace meshauth::kube
