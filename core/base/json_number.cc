#include "core/base/json_number.h"

#include <algorithm>
#include <charconv>
#include <cstdint>

namespace meshauth {
namespace {

constexpr std::string_view kNumberCharacters = "0123456789+-.eE";
constexpr std::string_view kLargest = "1.7976931348623157e308";

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

std::size_t digits_at(std::string_view text, std::size_t at) {
  std::size_t end = at;
  while (end < text.size() && is_digit(text[end])) ++end;
  return end - at;
}

/// number = [ minus ] int [ frac ] [ exp ], and nothing else.
bool is_number(std::string_view text, bool& whole) {
  std::size_t at = text.starts_with('-') ? 1 : 0;
  const std::size_t integer = digits_at(text, at);
  if (integer == 0 || (integer > 1 && text[at] == '0')) return false;
  at += integer;
  whole = at == text.size();
  if (at < text.size() && text[at] == '.') {
    const std::size_t fraction = digits_at(text, ++at);
    if (fraction == 0) return false;
    at += fraction;
  }
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    ++at;
    if (at < text.size() && (text[at] == '+' || text[at] == '-')) ++at;
    const std::size_t exponent = digits_at(text, at);
    if (exponent == 0) return false;
    at += exponent;
  }
  return at == text.size();
}

template <class Number>
bool holds(std::string_view text) {
  Number value{};
  return std::from_chars(text.data(), text.data() + text.size(), value).ec == std::errc();
}

/// from_chars says "out of range" both where a double is too small to hold the number and where it is too large: the
/// place of the first digit that is no zero and the exponent together say which.
bool is_tiny(std::string_view text) {
  const std::string_view digits = text.substr(0, text.find_first_of("eE"));
  std::string_view power = text.substr(std::min(digits.size() + 1, text.size()));
  if (power.starts_with('+')) power.remove_prefix(1);
  int exponent = 0;
  if (std::from_chars(power.data(), power.data() + power.size(), exponent).ec == std::errc::result_out_of_range) {
    return power.starts_with('-');  // more than any digits make up for
  }
  const auto point = static_cast<std::int64_t>(std::min(digits.find('.'), digits.size()));
  const auto first = static_cast<std::int64_t>(std::min(digits.find_first_of("123456789"), digits.size()));
  return exponent + point < first;
}

void append_number(std::string& out, std::string_view text) {
  bool whole = false;
  if (!is_number(text, whole) || (whole && (holds<std::int64_t>(text) || holds<std::uint64_t>(text))) ||
      (!whole && holds<double>(text))) {
    out += text;
  } else if (holds<double>(text)) {
    out += text;
    out += ".0";
  } else if (is_tiny(text)) {
    out += "0.0";
  } else {
    if (text.starts_with('-')) out += '-';
    out += kLargest;
  }
}

/// The end of the string that begins at `at`, behind its closing quote.
std::size_t string_end(std::string_view json, std::size_t at) {
  for (++at; at < json.size(); ++at) {
    if (json[at] == '\\') {
      ++at;
    } else if (json[at] == '"') {
      return at + 1;
    }
  }
  return json.size();
}

}  // namespace

std::string with_representable_numbers(std::string_view json) {
  std::string out;
  out.reserve(json.size() + 64);
  for (std::size_t at = 0; at < json.size();) {
    const char c = json[at];
    if (c == '"') {
      const std::size_t end = string_end(json, at);
      out += json.substr(at, end - at);
      at = end;
    } else if (c == '-' || is_digit(c)) {
      const std::size_t end = std::min(json.find_first_not_of(kNumberCharacters, at), json.size());
      append_number(out, json.substr(at, end - at));
      at = end;
    } else {
      out += c;
      ++at;
    }
  }
  return out;
}

}  // namespace meshauth
