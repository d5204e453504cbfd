#include "operator/http/client.h"

#include "core/base/text.h"

namespace meshauth::http {

std::optional<std::string_view> find_header(const Headers& headers, std::string_view name) {
  for (const auto& [key, value] : headers) {
    if (iequals(key, name)) return value;
  }
  return std::nullopt;
}

std::string_view stream_end_name(StreamEnd end) noexcept {
  switch (end) {
    case StreamEnd::Closed:
      return "closed";
    case StreamEnd::Broken:
      return "broken";
    case StreamEnd::Idle:
      return "idle";
    case StreamEnd::LineTooLong:
      return "line too long";
    case StreamEnd::Stopped:
      return "stopped";
    case StreamEnd::Cancelled:
      return "cancelled";
    case StreamEnd::NotStreamed:
      return "not streamed";
  }
  return "";
}

}  // namespace meshauth::http
