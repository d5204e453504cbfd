// Durations as the resources write them: "30s", "5m", "24h", "1h30m".
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "core/base/result.h"

namespace meshauth {

using Seconds = std::chrono::seconds;

/// Reads a sequence of whole numbers with the units h, m, s, largest unit first, each at most once. At most 8760h
/// (a year), whole seconds only.
Result<Seconds> parse_duration(std::string_view text);

/// The shortest spelling that parse_duration reads back: 90s is "1m30s", 0 is "0s".
std::string format_duration(Seconds duration);

/// RFC 3339 in UTC with a `Z`, whole seconds; what Kubernetes writes in a metav1.Time.
std::string format_time(std::chrono::sys_seconds time);
Result<std::chrono::sys_seconds> parse_time(std::string_view text);

}  // namespace meshauth
