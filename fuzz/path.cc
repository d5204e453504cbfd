// The path of a request: what is accepted has one reading. The first byte says what --path-allow allows; the rest is
// the raw path, and is tried as a host too.
#include "core/policy/path.h"

#include <fmt/format.h>

#include "core/base/text.h"
#include "fuzz/check.h"

using namespace meshauth;

namespace {

/// Every byte that is not plainly data escaped: the other spelling of the same path.
std::string encoded(const policy::Path& path) {
  std::string out;
  for (const std::string& segment : path.segments) {
    out += '/';
    for (const char c : segment) {
      const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
      out += plain ? std::string(1, c) : fmt::format("%{:02x}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

void check_path(std::string_view raw, const policy::PathAllow& allow) {
  const auto path = policy::decode_path(raw, allow);
  if (!path) {
    FUZZ_CHECK(path.error() == Reason::path_ambiguous);
    return;
  }
  FUZZ_CHECK(!path->segments.empty());
  for (std::size_t i = 0; i < path->segments.size(); ++i) {
    const std::string& segment = path->segments[i];
    FUZZ_CHECK(segment != "." && segment != ".." && valid_utf8(segment));
    FUZZ_CHECK(allow.double_slash || !segment.empty() || i + 1 == path->segments.size());
    FUZZ_CHECK(allow.encoded_slash || segment.find('/') == std::string::npos);
    FUZZ_CHECK(segment.find_first_of(std::string_view("\\#?\0\x7f\n\r", 7)) == std::string::npos);
  }
  const auto again = policy::decode_path(encoded(*path), allow);
  FUZZ_CHECK(again && again->segments == path->segments);
  // What is allowed without a flag means the same with it.
  const auto strict = policy::decode_path(raw);
  FUZZ_CHECK(!strict || strict->segments == path->segments);
}

void check_host(std::string_view raw) {
  const auto host = policy::normalize_host(raw);
  if (!host) return;
  FUZZ_CHECK(policy::normalize_host(*host) == host);
  FUZZ_CHECK(to_lower(*host) == *host && !host->empty() && !host->ends_with('.'));
  FUZZ_CHECK(policy::normalize_host(*host + ":443") == host);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const policy::PathAllow allow{(data[0] & 1) != 0, (data[0] & 2) != 0, (data[0] & 4) != 0};
  const std::string_view raw = fuzz::text_of(data, size).substr(1);
  check_path(raw, allow);
  check_host(raw);
  return 0;
}
