// Absolute URLs of servers that this project asks (RFC 3986), as far as it needs them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/result.h"

namespace meshauth::http {

/// scheme://host[:port]/target. No user information, no fragment, no characters that could end a request line or a
/// header early.
struct Url {
  bool https = true;
  std::string host;  ///< lower case; an IPv6 address without its brackets
  std::uint16_t port = 443;
  std::string target = "/";  ///< path and query, as written

  /// At most 2048 bytes, scheme http or https.
  static Result<Url> parse(std::string_view text);

  /// What a Location header of an answer to this URL means (RFC 9110 section 10.2.2): an absolute URL, "//host/x",
  /// "/x", "?x" or "x". A fragment is dropped.
  Result<Url> resolve(std::string_view reference) const;

  bool same_origin(const Url& other) const noexcept;

  /// https://host[:port], the port only where it is not the scheme's own.
  std::string origin() const;
  std::string text() const { return origin() + target; }

  /// host[:port] for the Host header, brackets around an IPv6 address.
  std::string authority() const;

  friend bool operator==(const Url&, const Url&) = default;
};

}  // namespace meshauth::http
