// A whole key set from outside.
#include "fuzz/key_set_promises.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  meshauth::fuzz::check_key_set(meshauth::fuzz::text_of(data, size));
  return 0;
}
