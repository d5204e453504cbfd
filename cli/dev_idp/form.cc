#include "cli/dev_idp/form.h"

#include <optional>

#include "core/base/text.h"

namespace meshauth::dev_idp {
namespace {

constexpr std::size_t kMaxFields = 64;

std::optional<int> hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return std::nullopt;
}

std::optional<std::string> decode(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+') {
      out += ' ';
    } else if (text[i] != '%') {
      out += text[i];
    } else {
      if (i + 2 >= text.size()) return std::nullopt;
      const auto high = hex_digit(text[i + 1]), low = hex_digit(text[i + 2]);
      if (!high || !low) return std::nullopt;
      out += static_cast<char>(*high * 16 + *low);
      i += 2;
    }
  }
  return out;
}

}  // namespace

Result<std::map<std::string, std::string>> parse_form(std::string_view text) {
  std::map<std::string, std::string> fields;
  if (text.empty()) return fields;
  for (const std::string_view pair : split(text, '&')) {
    const auto equals = std::min(pair.find('='), pair.size());
    const auto name = decode(pair.substr(0, equals));
    const auto value = decode(pair.substr(std::min(equals + 1, pair.size())));
    if (!name || !value || !valid_utf8(*name) || !valid_utf8(*value))
      return fail("{} is not percent-encoded UTF-8", in_quotes(pair));
    if (!fields.emplace(*name, *value).second) return fail("{} is there twice", in_quotes(*name));
    if (fields.size() > kMaxFields) return fail("there are more than {} fields", kMaxFields);
  }
  return fields;
}

}  // namespace meshauth::dev_idp
