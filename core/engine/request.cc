#include "core/engine/request.h"

#include <algorithm>

#include "core/base/text.h"
#include "core/policy/path.h"

namespace meshauth::engine {
namespace {

struct HostPort {
  std::string host;
  std::string_view port;  ///< without the colon; "" is the scheme's default

  friend bool operator==(const HostPort&, const HostPort&) = default;
};

/// nullopt if it is no host, or what follows the host is no port.
std::optional<HostPort> read_host(std::string_view text) {
  auto host = policy::normalize_host(text);
  if (!host) return std::nullopt;
  const auto bracket = text.rfind(']');
  const auto colon = text.find(':', bracket == std::string_view::npos ? 0 : bracket);
  std::string_view port = colon == std::string_view::npos ? std::string_view() : text.substr(colon + 1);
  if (port == "80" || port == "443") port = {};  // no scheme is known behind a proxy: either default is "no port"
  return HostPort{std::move(*host), port};
}

bool has_header(std::span<const Header> headers, std::string_view name) noexcept {
  return std::any_of(headers.begin(), headers.end(), [&](const Header& header) { return header.name == name; });
}

}  // namespace

Reason check_header_sizes(std::span<const Header> headers) noexcept {
  std::size_t total = 0;
  for (const Header& header : headers) {
    if (header.value.size() > kMaxHeaderValueBytes) return Reason::header_too_large;
    total += header.name.size() + header.value.size();
    if (total > kMaxHeaderBytes) return Reason::header_too_large;
  }
  return Reason::none;
}

tl::expected<Target, Reason> split_target(std::string_view raw) {
  if (raw.empty() || raw.find('#') != std::string_view::npos) return tl::unexpected(Reason::path_ambiguous);
  Target target;
  std::string_view rest = raw;
  if (raw.front() != '/') {
    const auto scheme_end = raw.find("://");
    if (scheme_end == std::string_view::npos) return tl::unexpected(Reason::path_ambiguous);
    const std::string_view scheme = raw.substr(0, scheme_end);
    if (!iequals(scheme, "http") && !iequals(scheme, "https")) return tl::unexpected(Reason::path_ambiguous);
    rest = raw.substr(scheme_end + 3);
    const auto authority_end = std::min(rest.find_first_of("/?"), rest.size());
    target.authority = rest.substr(0, authority_end);
    rest.remove_prefix(authority_end);
  }
  const auto question = rest.find('?');
  target.path = rest.substr(0, question);
  if (target.path.empty()) target.path = "/";
  if (question != std::string_view::npos) target.query = rest.substr(question + 1);
  return target;
}

tl::expected<std::string, Reason> decided_host(const Target& target, std::span<const Header> headers) {
  const auto mismatch = tl::unexpected(Reason::host_mismatch);
  std::optional<HostPort> decided;
  if (target.authority) {
    decided = read_host(*target.authority);
    if (!decided) return mismatch;
  }
  bool seen = false;
  for (const Header& header : headers) {
    if (header.name != "host") continue;
    if (seen) return mismatch;
    seen = true;
    auto host = read_host(header.value);
    if (!host || (decided && *decided != *host)) return mismatch;
    decided = std::move(host);
  }
  return decided ? std::move(decided->host) : std::string();
}

bool is_preflight(const HttpRequest& request) noexcept {
  return request.method == "OPTIONS" && has_header(request.headers, "origin") &&
         has_header(request.headers, "access-control-request-method");
}

}  // namespace meshauth::engine
