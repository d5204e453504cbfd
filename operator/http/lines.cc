#include "operator/http/lines.h"

namespace meshauth::http {
namespace {

bool deliver(std::string_view line, const std::function<bool(std::string_view)>& on_line) {
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line.empty() || on_line(line);
}

}  // namespace

LineSplitter::Outcome LineSplitter::feed(std::string_view bytes, const std::function<bool(std::string_view)>& on_line) {
  while (!bytes.empty()) {
    const std::size_t end = bytes.find('\n');
    const std::size_t length = end == std::string_view::npos ? bytes.size() : end;
    if (rest_.size() + length > max_line_) return Outcome::TooLong;
    if (end == std::string_view::npos) {
      rest_.append(bytes);
      return Outcome::More;
    }
    bool more = false;
    if (rest_.empty()) {
      more = deliver(bytes.substr(0, length), on_line);
    } else {
      rest_.append(bytes.substr(0, length));
      more = deliver(rest_, on_line);
      rest_.clear();
    }
    if (!more) return Outcome::Stopped;
    bytes.remove_prefix(length + 1);
  }
  return Outcome::More;
}

}  // namespace meshauth::http
