// W3C Trace Context (Recommendation of 2021-11-23, section 3.2): read from the client, or made where it is missing.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace meshauth::nginx {

struct Trace {
  std::string traceparent;  ///< what the upstream gets
  std::string trace_id;     ///< 32 hexadecimal digits
};

/// header: the client's `traceparent`, empty if it has none. One that is valid passes on as it is (of a version after
/// 00 the four known fields); else a new one is made of `random`, not sampled.
Trace trace_of(std::string_view header, const std::array<std::uint64_t, 3>& random);

}  // namespace meshauth::nginx
