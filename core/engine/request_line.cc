#include "core/engine/request_line.h"

#include <algorithm>

#include "core/engine/request.h"

namespace meshauth::engine {

RequestLine split_request_line(std::string_view line) noexcept {
  const auto method_end = std::min(line.find(' '), line.size());
  RequestLine out{line.substr(0, method_end), {}};
  line.remove_prefix(method_end);
  while (line.starts_with(' ')) line.remove_prefix(1);
  out.target = line.substr(0, line.find(' '));
  return out;
}

bool delivers(std::string_view target, std::string_view unparsed_uri, bool empty_path) {
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

}  // namespace meshauth::engine
