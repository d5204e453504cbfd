// base64url and base64: what decodes is what its bytes encode to.
#include "core/base/base64.h"

#include "fuzz/check.h"

using namespace meshauth;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = fuzz::text_of(data, size);
  if (const auto bytes = base64url_decode(text)) FUZZ_CHECK(base64url_encode(*bytes) == text);
  if (const auto bytes = base64_decode(text)) FUZZ_CHECK(base64_encode(*bytes) == text);
  FUZZ_CHECK(base64url_decode(base64url_encode(text)) == text);
  FUZZ_CHECK(base64_decode(base64_encode(text)) == text);
  return 0;
}
