// Which addresses the operator may be sent to by a URL that somebody else wrote: not to the node's own services, not
// to the cloud's metadata service (server-side request forgery, CWE-918).
#pragma once

#include <string_view>

#include "core/base/cidr.h"

namespace meshauth::http {

/// "" if the address may be asked; else what it is: "a link-local address". An IPv4 address that an IPv6 one embeds
/// (mapped, compatible, NAT64 RFC 6052, 6to4 RFC 3056) is judged too. Private ranges are allowed: providers inside the
/// cluster are normal.
std::string_view why_refused(const IpAddress& address, bool allow_loopback) noexcept;

}  // namespace meshauth::http
