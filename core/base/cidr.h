// IP addresses and blocks of them.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace meshauth {

/// An IPv6 address, or an IPv4 one mapped into ::ffff:0:0/96 (RFC 4291 section 2.5.5.2), so that both spellings are
/// one.
struct IpAddress {
  std::array<std::uint8_t, 16> bytes{};

  static std::optional<IpAddress> parse(std::string_view text);
  bool is_v4() const noexcept;
  std::string text() const;
  friend bool operator==(const IpAddress&, const IpAddress&) = default;
};

/// A block in CIDR notation (RFC 4632); the host bits must be zero. An address alone is not a block.
struct Cidr {
  IpAddress base;
  std::uint8_t prefix = 128;  ///< of the 128 bits: 10.0.0.0/8 has 104

  static std::optional<Cidr> parse(std::string_view text);
  bool contains(const IpAddress& address) const noexcept;
  std::string text() const;
  friend bool operator==(const Cidr&, const Cidr&) = default;
};

}  // namespace meshauth
