#include "core/policy/path.h"

#include <algorithm>
#include <array>

#include "core/base/text.h"

namespace meshauth::policy {
namespace {

constexpr bool control(char c) {
  return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
}

constexpr int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

/// What means itself wherever it stands in a segment, but for dots: RFC 3986 section 2.3, and what most paths are.
constexpr auto kUnreserved = [] {
  std::array<bool, 256> table{};
  for (const char c : std::string_view("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_~"))
    table[static_cast<unsigned char>(c)] = true;
  return table;
}();

bool all_unreserved(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return kUnreserved[static_cast<unsigned char>(c)]; });
}

/// The segment with its escapes decoded once; false for what may not stand in it.
bool decode_segment(std::string_view raw, const PathAllow& allow, std::string& out) {
  out.reserve(raw.size());
  unsigned char bits = 0;
  for (std::size_t i = 0; i < raw.size(); ++i) {
    char c = raw[i];
    const bool escaped = c == '%';
    if (escaped) {
      const int high = i + 2 < raw.size() ? hex_digit(raw[i + 1]) : -1;
      const int low = high >= 0 ? hex_digit(raw[i + 2]) : -1;
      if (low < 0) return false;
      c = static_cast<char>(high << 4 | low);
      i += 2;
    } else if (c == ' ') {
      return false;  // RFC 9112 section 3.2: white space ends the target
    }
    if (control(c) || c == '\\' || c == '#' || c == '?') return false;
    if (c == ';' && !escaped && !allow.semicolon) return false;
    if (c == '/' && !allow.encoded_slash) return false;
    bits |= static_cast<unsigned char>(c);
    out += c;
  }
  return bits < 0x80 || valid_utf8(out);
}

/// Would some parser take a piece of the segment for a dot segment? Pieces end at a slash that is data here, and at the
/// parameters that some servers cut off ("..;a").
bool has_dots(std::string_view segment) {
  if (segment.find('.') == std::string_view::npos) return false;
  for (std::string_view piece : split(segment, '/')) {
    piece = piece.substr(0, piece.find(';'));
    if (piece == "." || piece == "..") return true;
  }
  return false;
}

}  // namespace

Result<PathAllow> parse_path_allow(std::string_view text) {
  PathAllow allow;
  if (text.empty()) return allow;
  for (const std::string_view word : split(text, ',')) {
    if (word == "encoded-slash") {
      allow.encoded_slash = true;
    } else if (word == "semicolon") {
      allow.semicolon = true;
    } else if (word == "double-slash") {
      allow.double_slash = true;
    } else {
      return fail("{} is not known; write encoded-slash, semicolon, double-slash, or several of them with commas",
                  in_quotes(word));
    }
  }
  return allow;
}

tl::expected<Path, Reason> decode_path(std::string_view raw, const PathAllow& allow) {
  const tl::unexpected<Reason> refused(Reason::path_ambiguous);
  if (!raw.starts_with('/')) return refused;
  tl::expected<Path, Reason> path;
  path->segments.reserve(static_cast<std::size_t>(std::count(raw.begin(), raw.end(), '/')));
  for (bool last = false; !last;) {
    raw.remove_prefix(1);
    const std::string_view piece = raw.substr(0, raw.find('/'));
    raw.remove_prefix(piece.size());
    last = raw.empty();
    std::string& segment = path->segments.emplace_back();
    if (all_unreserved(piece)) {
      segment = piece;
    } else if (!decode_segment(piece, allow, segment) || has_dots(segment)) {
      return refused;
    }
    if (segment.empty() && !last && !allow.double_slash) return refused;
  }
  return path;
}

std::string_view field_value(std::string_view raw) noexcept {
  constexpr std::string_view kBlanks = " \t";
  const auto first = raw.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return {};
  return raw.substr(first, raw.find_last_not_of(kBlanks) - first + 1);
}

}  // namespace meshauth::policy
