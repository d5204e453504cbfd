// One HTTP request as the engine sees it, whoever received it: nginx, the agent, the command line.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "core/base/cidr.h"
#include "core/base/reason.h"

namespace meshauth::engine {

/// One field line as the client sent it. Nothing here is joined, folded or dropped.
struct Header {
  std::string_view name;  ///< lower case
  std::string_view value;
};

/// Views: whoever made it keeps the bytes alive.
struct HttpRequest {
  std::string_view method;
  std::string_view target;  ///< as in the request line: origin-form ("/a?b") or absolute-form ("http://host/a?b")
  std::span<const Header> headers;
  IpAddress peer;          ///< the TCP peer; all zero where there is none (a unix socket)
  std::uint16_t port = 0;  ///< the application's, which `ports` of a rule means
};

constexpr std::size_t kMaxHeaderValueBytes = 32 * 1024;  ///< of one field line
constexpr std::size_t kMaxHeaderBytes = 128 * 1024;      ///< of all names and values

/// header_too_large, or none.
Reason check_header_sizes(std::span<const Header> headers) noexcept;

/// A request target in its parts (RFC 9112 section 3.2).
struct Target {
  std::string_view path;                      ///< with its leading slash, raw; "/" where the absolute-form has none
  std::string_view query;                     ///< after '?', raw
  std::optional<std::string_view> authority;  ///< absolute-form only
};

/// path_ambiguous: neither origin-form nor absolute-form of http or https, or a '#' anywhere.
tl::expected<Target, Reason> split_target(std::string_view raw);

/// The one host that this request is for, normalized; "" where the client named none (HTTP/1.0).
/// host_mismatch: more than one Host, one that is no host, or another one than the absolute-form's authority.
tl::expected<std::string, Reason> decided_host(const Target& target, std::span<const Header> headers);

/// A CORS preflight (Fetch, "CORS-preflight fetch"): OPTIONS with Origin and Access-Control-Request-Method.
bool is_preflight(const HttpRequest& request) noexcept;

}  // namespace meshauth::engine
