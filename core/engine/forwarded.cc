#include "core/engine/forwarded.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/base/text.h"

namespace meshauth::engine {
namespace {

/// All cookies of the client but this one.
std::string client_cookies(std::span<const Header> headers, std::string_view without) {
  std::string out;
  for (const Header& header : headers) {
    if (!same_header(header.name, "cookie")) continue;
    std::string_view rest = header.value;
    while (!rest.empty()) {
      const auto end = rest.find(';');
      const std::string_view pair = trim(rest.substr(0, end));
      rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
      if (pair.empty() || trim(pair.substr(0, pair.find('='))) == without) continue;
      if (!out.empty()) out += "; ";
      out += pair;
    }
  }
  return out;
}

std::string token_header(const Outcome* outcome, std::string_view name, std::span<const Header> headers) {
  const TokenSource none;
  const TokenSource& at = outcome != nullptr ? outcome->presented_at : none;
  if (name == "cookie") return client_cookies(headers, at.cookie);
  if (!at.header.empty() && same_header(at.header, name)) return {};
  for (const Header& header : headers) {
    if (same_header(header.name, name) && !header.value.empty()) return std::string(header.value);
  }
  return {};
}

bool carries_tokens(const Snapshot* snapshot, std::string_view name) {
  if (name == "cookie" || same_header(name, "authorization") || same_header(name, "proxy-authorization")) return true;
  if (snapshot == nullptr) return false;
  const auto& sources = snapshot->sources(View::WithAudit).sources();
  return std::any_of(sources.begin(), sources.end(), [&](const auto& s) { return same_header(s.at.header, name); });
}

bool is_control(char c) noexcept {
  const auto byte = static_cast<unsigned char>(c);
  return byte < 0x20 || byte == 0x7f;
}

}  // namespace

bool same_header(std::string_view a, std::string_view b) noexcept {
  const auto fold = [](char c) { return c == '_' ? '-' : c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return a.size() == b.size() &&
         std::equal(a.begin(), a.end(), b.begin(), [&](char x, char y) { return fold(x) == fold(y); });
}

std::string harmless(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (is_control(c)) {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    } else {
      out += c;
    }
  }
  return out;
}

bool is_harmless(std::string_view text) noexcept {
  return std::none_of(text.begin(), text.end(), is_control);
}

std::string forwarded_value(const Snapshot* snapshot, const Outcome* outcome, std::string_view name,
                            std::span<const Header> headers) {
  if (const auto* principal = outcome != nullptr ? outcome->principal() : nullptr) {
    for (const auto& [header, value] : principal->headers) {
      if (same_header(header, name)) return harmless(value);
    }
  }
  return carries_tokens(snapshot, name) ? token_header(outcome, name, headers) : std::string();
}

std::string scope_text(const Outcome& outcome) {
  const auto* principal = outcome.principal();
  return principal == nullptr ? "" : harmless(principal->scopes);
}

}  // namespace meshauth::engine
