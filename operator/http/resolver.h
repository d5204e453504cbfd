// Names to addresses, in bounded time.
#pragma once

#include <chrono>
#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "core/base/cidr.h"
#include "core/base/result.h"

namespace meshauth::http {

using Resolve = std::function<Result<std::vector<IpAddress>>(const std::string& host)>;

/// getaddrinfo(3): IPv4 and IPv6 as the system orders them. Blocks as long as the system's resolver likes.
Result<std::vector<IpAddress>> resolve_with_system(const std::string& host);

enum class ResolveEnd : std::uint8_t { Done, TimedOut, Cancelled };
struct Resolution {
  ResolveEnd end = ResolveEnd::Done;
  Result<std::vector<IpAddress>> addresses;
};

/// Runs `resolve` aside and stops waiting at the deadline or at a stop request: getaddrinfo cannot be interrupted. At
/// most 32 forgotten resolutions may still be running in the process; beyond that new ones fail at once.
Resolution resolve_until(const std::string& host, const Resolve& resolve,
                         std::chrono::steady_clock::time_point deadline, const std::stop_token& stop);

}  // namespace meshauth::http
