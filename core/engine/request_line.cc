#include "core/engine/request_line.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/engine/request.h"

namespace meshauth::engine {

RequestLine split_request_line(std::string_view line) noexcept {
  std::size_t method_end = 0;  // a method is short
  while (method_end < line.size() && line[method_end] != ' ') ++method_end;
  RequestLine out{line.substr(0, method_end), {}};
  line.remove_prefix(method_end);
  while (line.starts_with(' ')) line.remove_prefix(1);
  out.target = line.substr(0, line.find(' '));
  return out;
}

bool delivers(std::string_view target, std::string_view unparsed_uri, bool empty_path) {
  // The usual request, whose URI nginx left where it was.
  if (target.data() == unparsed_uri.data() && target.size() == unparsed_uri.size() && target.starts_with('/'))
    return true;
  const auto parts = split_target(target);
  if (!parts) return true;
  if (empty_path) {
    if (parts->path != "/") return false;
  } else if (!unparsed_uri.starts_with(parts->path)) {
    return false;
  } else {
    unparsed_uri.remove_prefix(parts->path.size());
  }
  if (!unparsed_uri.starts_with('?')) return unparsed_uri.empty() && parts->query.empty();
  return unparsed_uri.substr(1) == parts->query;
}

std::string loggable_path(std::string_view target) {
  // Of any scheme, and of targets that split_target refuses too: refusals are logged.
  if (const auto scheme_end = target.find("://"); !target.starts_with('/') && scheme_end < target.find_first_of("?#")) {
    target.remove_prefix(scheme_end + 3);
    target.remove_prefix(std::min(target.find_first_of("/?#"), target.size()));
    if (!target.starts_with('/')) return "/";
  }
  std::string out;
  for (const char c : target.substr(0, target.find_first_of("?#"))) {
    if (c > ' ' && c < '\x7f') {
      out += c;
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

}  // namespace meshauth::engine
