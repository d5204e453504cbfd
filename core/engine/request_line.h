// The request line as nginx read it, and what nginx makes of its target.
#pragma once

#include <string>
#include <string_view>

namespace meshauth::engine {

struct RequestLine {
  std::string_view method, target;
};

/// "GET /a HTTP/1.1"; HTTP/0.9 has no version. Views into the line.
RequestLine split_request_line(std::string_view line) noexcept;

/// nginx hands the upstream its own unparsed URI: are these the bytes that are decided on? empty_path: the target is in
/// absolute-form without a path, where nginx puts in the slash ("http://host?query" has the unparsed URI "?query").
/// A target that is refused anyway, with its own reason, counts as delivered.
bool delivers(std::string_view target, std::string_view unparsed_uri, bool empty_path);

/// The path of a target as a log may hold it: as it was sent, without scheme, authority, query and fragment, which may
/// carry secrets. What is not printable ASCII is percent-encoded.
std::string loggable_path(std::string_view target);

}  // namespace meshauth::engine
