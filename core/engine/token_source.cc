#include "core/engine/token_source.h"

#include <algorithm>
#include <array>

#include "core/base/text.h"
#include "core/jose/verifier.h"

namespace meshauth::engine {
namespace {

Reason check_token(std::string_view text) noexcept {
  if (text.size() <= jose::kMaxTokenBytes) return Reason::none;
  return is_token(text) ? Reason::token_too_large : Reason::token_malformed_source;
}

/// Does the text begin with the scheme as a word? What follows it, else nullopt.
std::optional<std::string_view> after_scheme(std::string_view text, std::string_view scheme) noexcept {
  if (text.size() < scheme.size() || !iequals(text.substr(0, scheme.size()), scheme)) return std::nullopt;
  const std::string_view rest = text.substr(scheme.size());
  if (!rest.empty() && rest.front() != ' ' && rest.front() != '\t') return std::nullopt;
  return rest;
}

/// What one place holds: no token, one, or a reason to refuse.
struct Found {
  std::optional<std::string_view> token;
  Reason reason = Reason::none;
};

Found in_scheme(std::string_view value, std::string_view scheme) {
  std::size_t parts = 0;
  std::optional<std::string_view> credentials;
  for (std::string_view rest = value;;) {
    const auto comma = rest.find(',');
    ++parts;
    if (auto after = after_scheme(trim(rest.substr(0, comma)), scheme); after && !credentials) credentials = after;
    if (comma == std::string_view::npos) break;
    rest.remove_prefix(comma + 1);
  }
  if (!credentials) return {};
  if (parts > 1) return {{}, Reason::token_multiple};
  std::string_view token = *credentials;
  while (!token.empty() && token.front() == ' ') token.remove_prefix(1);
  return {token, check_token(token)};
}

Found in_bare_header(std::string_view value) {
  if (value.find(',') != std::string_view::npos) return {{}, Reason::token_multiple};
  return {value, check_token(value)};
}

/// Does the text begin with the cookie's name and an equals sign?
bool begins_cookie(std::string_view text, std::string_view name) noexcept {
  const auto equals = text.find('=');
  return equals != std::string_view::npos && trim(text.substr(0, equals)) == name;
}

/// RFC 2109 section 4.2.2 let a comma stand between cookies, and some applications still read it so (RFC 6265 section
/// 4.2.1 does not).
bool hides_behind_comma(std::string_view pair, std::string_view name) noexcept {
  for (auto comma = pair.find(','); comma != std::string_view::npos; comma = pair.find(',')) {
    pair.remove_prefix(comma + 1);
    if (begins_cookie(pair, name)) return true;
  }
  return false;
}

Found in_cookies(std::string_view value, std::string_view name) {
  Found found;
  while (!value.empty()) {
    const auto end = value.find(';');
    const std::string_view pair = trim(value.substr(0, end));
    value = end == std::string_view::npos ? std::string_view() : value.substr(end + 1);
    if (hides_behind_comma(pair, name)) return {{}, Reason::token_malformed_source};
    if (!begins_cookie(pair, name)) continue;
    if (found.token) return {{}, Reason::token_multiple};
    found.token = trim(pair.substr(pair.find('=') + 1));
    found.reason = check_token(*found.token);
  }
  return found;
}

/// The tokens of one request so far: a second one anywhere is one too many.
struct Search {
  std::optional<Presented> presented;
  Reason reason = Reason::none;

  void add(const Found& found, std::size_t source) {
    if (!found.token && found.reason == Reason::none) return;
    if (presented || found.reason == Reason::token_multiple) {
      reason = Reason::token_multiple;
    } else if (reason == Reason::none) {
      reason = found.reason;
    }
    presented = Presented{found.token.value_or(""), source};
  }
};

}  // namespace

bool is_token(std::string_view text) noexcept {
  static constexpr auto kAllowed = [] {
    std::array<bool, 256> table{};
    for (const char c : std::string_view("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/=")) {
      table[static_cast<unsigned char>(c)] = true;
    }
    return table;
  }();
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return kAllowed[static_cast<unsigned char>(c)]; });
}

TokenSources::TokenSources(const std::vector<ProviderSettings>& providers, const ProviderMask& only) {
  for (std::size_t i = 0; i < providers.size(); ++i) {
    if (!only[i]) continue;
    for (TokenSource at : providers[i].token_sources) {
      at.header = to_lower(at.header);
      at.scheme = to_lower(at.scheme);
      auto source = std::find_if(sources_.begin(), sources_.end(), [&](const Source& s) { return s.at == at; });
      if (source == sources_.end()) {
        source = sources_.insert(source, {std::move(at), ProviderMask(providers.size())});
      }
      source->providers[i] = true;
    }
  }
  // A header alone holds a token only where none of its schemes is there: look for the schemes first.
  std::stable_partition(sources_.begin(), sources_.end(), [](const Source& s) { return !s.at.scheme.empty(); });
}

tl::expected<std::optional<Presented>, Reason> TokenSources::find(std::span<const Header> headers) const {
  Search search;
  for (std::size_t i = 0; i < sources_.size(); ++i) {
    const TokenSource& at = sources_[i].at;
    const std::string_view name = at.cookie.empty() ? std::string_view(at.header) : std::string_view("cookie");
    std::size_t lines = 0;
    const std::optional<Presented> before = search.presented;
    for (const Header& header : headers) {
      if (header.name != name) continue;
      ++lines;
      const std::string_view value = trim(header.value);
      if (!at.cookie.empty()) {
        search.add(in_cookies(value, at.cookie), i);
      } else if (!at.scheme.empty()) {
        search.add(in_scheme(value, at.scheme), i);
      } else if (!search.presented || sources_[search.presented->source].at.header != at.header) {
        search.add(in_bare_header(value), i);
      }
    }
    const bool found_here = search.presented && (!before || before->source != search.presented->source);
    if (found_here && lines > 1 && at.cookie.empty()) return tl::unexpected(Reason::token_multiple);
  }
  if (search.reason != Reason::none) return tl::unexpected(search.reason);
  return search.presented;
}

}  // namespace meshauth::engine
