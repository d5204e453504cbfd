#include "core/engine/challenge.h"

#include <fmt/format.h>

#include <algorithm>

namespace meshauth::engine {
namespace {

/// RFC 6749 section 3.3: scope-token.
bool is_scope(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte > 0x20 && byte < 0x7f && c != '"' && c != '\\';
  });
}

std::string scope_list(const std::vector<std::string>& scopes) {
  std::string out;
  for (const std::string& scope : scopes) {
    if (!is_scope(scope)) continue;
    if (!out.empty()) out += ' ';
    out += scope;
  }
  return out;
}

}  // namespace

std::string challenge(const Outcome& outcome, std::string_view resource_metadata) {
  const std::string_view error = reason_error_code(outcome.reason);
  if (outcome.status() != 401 && error.empty()) return {};
  std::string out = "Bearer realm=\"mesh-auth\"";
  if (!error.empty()) out += fmt::format(", error=\"{}\"", error);
  if (const std::string scopes = scope_list(outcome.missing_scopes); !scopes.empty()) {
    out += fmt::format(", scope=\"{}\"", scopes);
  }
  if (!resource_metadata.empty()) out += fmt::format(", resource_metadata=\"{}\"", resource_metadata);
  return out;
}

bool is_metadata_url(std::string_view text) noexcept {
  if (text.size() > 1024 || (!text.starts_with("https://") && !text.starts_with("http://"))) return false;
  const std::string_view host = text.substr(text.find("//") + 2);
  if (host.empty() || std::string_view("/?#:@").find(host.front()) != std::string_view::npos) return false;
  return std::all_of(text.begin(), text.end(), [](char c) {
    return c > 0x20 && c < 0x7f && std::string_view("\"\\<>^`{|}$").find(c) == std::string_view::npos;
  });
}

std::string_view phrase(int status) noexcept {
  switch (status) {
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 500:
      return "Internal Server Error";
    default:
      return "Service Unavailable";
  }
}

std::string_view grpc_status(int status) noexcept {
  switch (status) {
    case 400:
      return "3";
    case 401:
      return "16";
    case 403:
      return "7";
    default:
      return "14";
  }
}

std::string error_body(int status, ErrorBody form) {
  if (form == ErrorBody::Json) return fmt::format("{{\"code\":{},\"message\":\"{}\"}}\n", status, phrase(status));
  return fmt::format("{} {}\n", status, phrase(status));
}

std::string_view content_type(ErrorBody form) noexcept {
  return form == ErrorBody::Json ? "application/json" : "text/plain";
}

}  // namespace meshauth::engine
