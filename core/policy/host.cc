#include <algorithm>
#include <charconv>

#include "core/base/cidr.h"
#include "core/base/text.h"
#include "core/policy/path.h"

namespace meshauth::policy {
namespace {

constexpr std::size_t kMostHost = 253;  // RFC 1035 section 2.3.4
constexpr std::size_t kMostLabel = 63;

/// "" or ":" and up to five digits, at most 65535. RFC 3986 section 3.2.3 allows no digits at all.
bool valid_port(std::string_view text) {
  if (text.empty()) return true;
  if (text.front() != ':' || text.size() > 6) return false;
  text.remove_prefix(1);
  unsigned port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  return text.empty() || (error == std::errc() && end == text.data() + text.size() && port <= 65535);
}

bool valid_label(std::string_view label) {
  const auto known = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_'; };
  return !label.empty() && label.size() <= kMostLabel && std::all_of(label.begin(), label.end(), known);
}

}  // namespace

std::optional<std::string> normalize_host(std::string_view host) {
  if (host.starts_with('[')) {
    const auto end = host.find(']');
    if (end == std::string_view::npos || !valid_port(host.substr(end + 1))) return std::nullopt;
    const std::string_view inside = host.substr(1, end - 1);
    const auto address = inside.find(':') == std::string_view::npos ? std::nullopt : IpAddress::parse(inside);
    if (!address) return std::nullopt;
    return "[" + address->text() + "]";
  }
  const auto colon = host.find(':');
  if (colon != std::string_view::npos && !valid_port(host.substr(colon))) return std::nullopt;
  std::string name = to_lower(host.substr(0, colon));
  if (name.ends_with('.')) name.pop_back();
  if (name.size() > kMostHost) return std::nullopt;
  for (std::string_view rest = name;;) {
    const auto dot = rest.find('.');
    if (!valid_label(rest.substr(0, dot))) return std::nullopt;
    if (dot == std::string_view::npos) return name;
    rest.remove_prefix(dot + 1);
  }
}

}  // namespace meshauth::policy
