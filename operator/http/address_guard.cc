#include "operator/http/address_guard.h"

#include <algorithm>
#include <array>
#include <optional>

namespace meshauth::http {
namespace {

struct Range {
  std::array<std::uint8_t, 16> base;
  unsigned bits;
  std::string_view what;
};

constexpr Range v4(std::uint8_t a, std::uint8_t b, std::uint8_t c, std::uint8_t d, unsigned bits,
                   std::string_view what) {
  return {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d}, 96 + bits, what};
}

constexpr std::string_view kMetadata = "a cloud's metadata service";
constexpr std::string_view kLoopback = "a loopback address";

constexpr std::array kRefused = {
    v4(169, 254, 169, 254, 32, kMetadata),  // AWS, Azure, Google, OpenStack
    v4(169, 254, 0, 0, 16, "a link-local address"),
    v4(100, 100, 100, 200, 32, kMetadata),  // Alibaba
    v4(192, 0, 0, 192, 32, kMetadata),      // Oracle
    v4(168, 63, 129, 16, 32, kMetadata),    // Azure's host
    v4(0, 0, 0, 0, 8, "an unspecified address"),
    v4(224, 0, 0, 0, 4, "a multicast address"),
    v4(255, 255, 255, 255, 32, "the broadcast address"),
    v4(240, 0, 0, 0, 4, "a reserved address"),
    Range{{}, 128, "an unspecified address"},
    Range{{0xfe, 0x80}, 10, "a link-local address"},
    Range{{0xfe, 0xc0}, 10, "a site-local address"},
    Range{{0xff}, 8, "a multicast address"},
    Range{{0xfd, 0x00, 0x0e, 0xc2}, 32, kMetadata},                                          // AWS
    Range{{0xfd, 0x20, 0, 0xce, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x02, 0x54}, 128, kMetadata},  // Google
};
constexpr std::array kLoopbacks = {
    v4(127, 0, 0, 0, 8, kLoopback),
    Range{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, 128, kLoopback},
};

bool within(const IpAddress& address, const Range& range) noexcept {
  for (unsigned bit = 0; bit < range.bits; bit += 8) {
    const unsigned count = std::min(8U, range.bits - bit);
    const auto mask = static_cast<std::uint8_t>(0xff << (8 - count));
    if (((address.bytes[bit / 8] ^ range.base[bit / 8]) & mask) != 0) return false;
  }
  return true;
}

/// The IPv4 address that a translator or tunnel would reach for this IPv6 one.
std::optional<IpAddress> embedded_v4(const IpAddress& address) noexcept {
  constexpr Range kNat64{{0x00, 0x64, 0xff, 0x9b}, 96, ""};
  constexpr Range kCompatible{{}, 96, ""};  // ::a.b.c.d, RFC 4291 section 2.5.5.1
  constexpr Range k6to4{{0x20, 0x02}, 16, ""};
  std::size_t at = 0;
  if (within(address, kNat64) || within(address, kCompatible)) {
    at = 12;
  } else if (within(address, k6to4)) {
    at = 2;
  } else {
    return std::nullopt;
  }
  IpAddress v4{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}};
  std::copy_n(address.bytes.begin() + static_cast<std::ptrdiff_t>(at), 4, v4.bytes.begin() + 12);
  return v4;
}

}  // namespace

std::string_view why_refused(const IpAddress& address, bool allow_loopback) noexcept {
  for (const Range& range : kLoopbacks) {
    if (within(address, range)) return allow_loopback ? "" : range.what;
  }
  for (const Range& range : kRefused) {
    if (within(address, range)) return range.what;
  }
  if (const auto v4 = embedded_v4(address)) return why_refused(*v4, allow_loopback);
  return "";
}

}  // namespace meshauth::http
