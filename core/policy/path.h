// The one decoding of a request's path, and the patterns of a policy matched against it.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "core/base/reason.h"
#include "core/base/result.h"

namespace meshauth::policy {

/// What `--path-allow` makes plain data inside a segment, never a separator.
struct PathAllow {
  bool encoded_slash = false;  ///< %2F
  bool semicolon = false;      ///< ;
  bool double_slash = false;   ///< empty segments
};

/// Reads "encoded-slash,semicolon,double-slash" (any of them, in any order).
Result<PathAllow> parse_path_allow(std::string_view text);

/// A decoded path: its segments after the first slash. "/" has one empty segment, "/a/" has "a" and "".
struct Path {
  std::vector<std::string> segments;
};

/// Decodes the raw path of a request target (before any '?') exactly once. path_ambiguous for what two parsers could
/// read differently: no leading slash, `//`, dot segments (also encoded), `;`, raw `#`, `\`, %5C %00 %23 %3F %2F,
/// control characters, a bad `%`, bad UTF-8.
tl::expected<Path, Reason> decode_path(std::string_view raw, const PathAllow& allow = {});

/// Host as the policy compares it: lower case, without port and trailing dot; nullopt if it is no host
/// (RFC 3986 section 3.2.2: a name of DNS characters, an IPv4 address, or an IPv6 one in brackets).
std::optional<std::string> normalize_host(std::string_view host);

/// A header's value without the blanks around it, which are no part of it (RFC 9110 section 5.5): nginx hands on a tab
/// that the application takes away.
std::string_view field_value(std::string_view raw) noexcept;

}  // namespace meshauth::policy
