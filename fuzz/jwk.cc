// One key of an otherwise good set, alone and beside another of the same kid.
#include <string>

#include "fuzz/key_set_promises.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string jwk(meshauth::fuzz::text_of(data, size));
  meshauth::fuzz::check_key_set(R"({"keys":[)" + jwk + "]}");
  meshauth::fuzz::check_key_set(
      R"({"keys":[{"kid":"1","kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},)" + jwk +
      "]}");
  return 0;
}
