#include "sidecar/nginx/trace.h"

#include <fmt/format.h>

#include <algorithm>

namespace meshauth::nginx {
namespace {

constexpr std::size_t kLength = 55;  // 00-<32>-<16>-<2>

bool is_hex(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

bool all_zero(std::string_view text) {
  return text.find_first_not_of('0') == std::string_view::npos;
}

bool is_valid(std::string_view text) {
  if (text.size() < kLength || text[2] != '-' || text[35] != '-' || text[52] != '-') return false;
  const std::string_view version = text.substr(0, 2), trace = text.substr(3, 32), parent = text.substr(36, 16),
                         flags = text.substr(53, 2);
  if (!is_hex(version) || !is_hex(trace) || !is_hex(parent) || !is_hex(flags) || version == "ff") return false;
  if (all_zero(trace) || all_zero(parent)) return false;
  if (version == "00") return text.size() == kLength;
  return text.size() == kLength || text[kLength] == '-';
}

}  // namespace

Trace trace_of(std::string_view header, const std::array<std::uint64_t, 3>& random) {
  if (is_valid(header)) {
    std::string passed =
        header.starts_with("00") ? std::string(header) : "00" + std::string(header.substr(2, kLength - 2));
    return {std::move(passed), std::string(header.substr(3, 32))};
  }
  // The lowest bit keeps an id from being all zero, which would be invalid.
  std::string id = fmt::format("{:016x}{:016x}", random[0], random[1] | 1);
  return {fmt::format("00-{}-{:016x}-00", id, random[2] | 1), id};
}

}  // namespace meshauth::nginx
