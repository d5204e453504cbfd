#include "core/render/plus_pattern.h"

#include <fmt/format.h>

#include "core/base/text.h"

namespace meshauth::render {
namespace {

constexpr std::string_view kPathCharacters =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._~!&'()*+,=:@-";
constexpr std::string_view kSegment = "[A-Za-z0-9._~!&'()*+,=:@-]";
constexpr std::string_view kEnd = R"((?:\?|\z))";  // of the path

bool is_variable(std::string_view segment) {
  return segment == "*" || (segment.starts_with('{') && segment.ends_with('}'));
}

}  // namespace

std::string escape_regex(std::string_view text) {
  constexpr std::string_view kSpecial = R"(\.[]{}()*+?^|)";
  std::string out;
  for (const char c : text) {
    if (c == '$') {
      out += R"(\x24)";  // nginx has no escape for it
      continue;
    }
    if (kSpecial.find(c) != std::string_view::npos) out += '\\';
    out += c;
  }
  return out;
}

std::string exact_key(std::string_view text) {
  return fmt::format(R"(~\A{}\z)", escape_regex(text));
}

std::string wildcard_key(std::string_view text) {
  if (text == "*") return R"(~(?s)\A.+\z)";  // a claim that is missing is empty
  const auto star = text.find('*');
  if (star == std::string_view::npos) return exact_key(text);
  return fmt::format(R"(~(?s)\A{}.*{}\z)", escape_regex(text.substr(0, star)), escape_regex(text.substr(star + 1)));
}

std::string scope_key(std::string_view scope) {
  return fmt::format(R"(~(?:\A| ){}(?: |\z))", escape_regex(scope));
}

std::optional<std::string> path_key(std::string_view pattern) {
  std::string out = R"(~\A)";
  auto segments = split(pattern.substr(1), '/');
  const bool any_rest = segments.back() == "**";
  if (any_rest) segments.pop_back();
  for (const auto segment : segments) {
    if (is_variable(segment)) {
      out += fmt::format("/{}+", kSegment);
      continue;
    }
    if (segment.find_first_not_of(kPathCharacters) != std::string_view::npos) return std::nullopt;
    out += '/' + escape_regex(segment);
  }
  if (any_rest) out += "(?:/[^?]*)?";
  out += kEnd;
  return out;
}

std::optional<std::string> host_key(std::string_view pattern) {
  if (pattern.starts_with('[')) return std::nullopt;
  if (!pattern.starts_with("*.")) return exact_key(pattern);
  return fmt::format(R"(~\A.+{}\z)", escape_regex(pattern.substr(1)));
}

std::string one_host_key() {
  constexpr std::string_view kLabel = "[a-z0-9_-]{1,63}";
  constexpr std::string_view kPort = R"((?:\d{0,4}|[1-5]\d{4}|6[0-4]\d{3}|65[0-4]\d{2}|655[0-2]\d|6553[0-5]))";
  return fmt::format(R"(~*\A(?=[^/]{{1,253}}/)((?:{0}\.)*{0})/\1\.?(?::{1})?\z)", kLabel, kPort);
}

std::string plain_path_key() {
  return fmt::format(R"(~\A(?=/)(?:/(?!\.\.?(?:[/?]|\z)){}+)*/?(?:\?[^#]*)?\z)", kSegment);
}

}  // namespace meshauth::render
