#include "operator/http/url.h"

#include <algorithm>
#include <charconv>

#include "core/base/cidr.h"
#include "core/base/text.h"

namespace meshauth::http {
namespace {

constexpr std::size_t kMaxUrlBytes = 2048;
constexpr std::size_t kMaxHostBytes = 253;  // RFC 1035 section 2.3.4

std::uint16_t default_port(bool https) {
  return https ? 443 : 80;
}

/// Printable ASCII that RFC 3986 allows somewhere; a space, a quote or a control character must be percent-encoded.
bool is_url_character(char c) {
  return c > 0x20 && c < 0x7f && std::string_view("\"<>\\^`{|}").find(c) == std::string_view::npos;
}

bool is_host_name(std::string_view host) {
  if (host.empty() || host.size() > kMaxHostBytes) return false;
  return std::all_of(host.begin(), host.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
  });
}

/// Splits "host:port" or "[v6]:port".
Status parse_authority(std::string_view authority, Url& url) {
  std::string_view host = authority;
  std::string_view port;
  if (authority.starts_with('[')) {
    const auto end = authority.find(']');
    if (end == std::string_view::npos)
      return fail("the IPv6 address in {} has no closing bracket", in_quotes(authority));
    host = authority.substr(1, end - 1);
    const std::string_view rest = authority.substr(end + 1);
    if (!rest.empty() && (rest[0] != ':' || rest.size() == 1))
      return fail("{} is no host and port; write [address]:port", in_quotes(authority));
    if (!rest.empty()) port = rest.substr(1);
    const auto address = IpAddress::parse(host);
    if (!address || host.find(':') == std::string_view::npos)
      return fail("{} in brackets is no IPv6 address", in_quotes(host));
    url.host = to_lower(host);
  } else {
    if (const auto colon = authority.rfind(':'); colon != std::string_view::npos) {
      host = authority.substr(0, colon);
      port = authority.substr(colon + 1);
      if (port.empty()) return fail("{} ends with a colon and no port", in_quotes(authority));
    }
    url.host = to_lower(host);
    if (!is_host_name(url.host)) return fail("{} is no host name", in_quotes(host));
  }
  if (port.empty()) return {};
  unsigned number = 0;
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), number);
  if (error != std::errc() || end != port.data() + port.size() || number == 0 || number > 65535)
    return fail("{} is no port; 1 to 65535", in_quotes(port));
  url.port = static_cast<std::uint16_t>(number);
  return {};
}

}  // namespace

Result<Url> Url::parse(std::string_view text) {
  if (text.size() > kMaxUrlBytes) return fail("the URL is {} bytes long; at most {}", text.size(), kMaxUrlBytes);
  if (!std::all_of(text.begin(), text.end(), is_url_character))
    return fail("{} has characters that a URL must percent-encode", in_quotes(text));
  Url url;
  std::string_view rest = text;
  if (const std::string scheme = to_lower(text.substr(0, 8)); scheme.starts_with("https://")) {
    rest.remove_prefix(8);
  } else if (scheme.starts_with("http://")) {
    url.https = false;
    rest.remove_prefix(7);
  } else {
    return fail("{} is no URL; write https://host/path", in_quotes(text));
  }
  url.port = default_port(url.https);
  if (rest.find('#') != std::string_view::npos) return fail("{} has a fragment (#...); leave it out", in_quotes(text));

  const auto end = std::min(rest.find_first_of("/?"), rest.size());
  const std::string_view authority = rest.substr(0, end);
  // Not quoted: what stands before the @ may be a password.
  if (authority.find('@') != std::string_view::npos) return fail("the URL holds a user name or password; leave it out");
  if (Status parsed = parse_authority(authority, url); !parsed) return tl::unexpected(std::move(parsed.error()));
  const std::string_view target = rest.substr(end);
  url.target = target.starts_with('/') ? std::string(target) : "/" + std::string(target);
  return url;
}

Result<Url> Url::resolve(std::string_view reference) const {
  reference = reference.substr(0, reference.find('#'));
  const std::string lower = to_lower(reference.substr(0, 8));
  if (lower.starts_with("https://") || lower.starts_with("http://")) return parse(reference);
  if (reference.starts_with("//")) return parse((https ? "https:" : "http:") + std::string(reference));
  if (reference.starts_with('/')) return parse(origin() + std::string(reference));
  // "mailto:x" would otherwise read as a relative path (RFC 3986 section 4.2).
  if (reference.substr(0, reference.find_first_of("/?")).find(':') != std::string_view::npos)
    return fail("{} is neither http nor https", in_quotes(reference));
  const std::string path = target.substr(0, target.find('?'));
  if (reference.empty() || reference.starts_with('?')) return parse(origin() + path + std::string(reference));
  return parse(origin() + path.substr(0, path.rfind('/') + 1) + std::string(reference));
}

bool Url::same_origin(const Url& other) const noexcept {
  return https == other.https && host == other.host && port == other.port;
}

std::string Url::authority() const {
  std::string text = host.find(':') == std::string::npos ? host : "[" + host + "]";
  if (port != default_port(https)) text += ":" + std::to_string(port);
  return text;
}

std::string Url::origin() const {
  return (https ? "https://" : "http://") + authority();
}

}  // namespace meshauth::http
