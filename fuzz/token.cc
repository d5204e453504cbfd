// A token from outside. Nobody has the private keys, so nothing may ever be accepted. The input is tried as a token,
// and as header LF payload LF signature, encoded, so that the fuzzer need not learn base64.
#include <algorithm>
#include <sstream>
#include <string>

#include "cli/token_report.h"
#include "core/base/base64.h"
#include "core/base/text.h"
#include "core/jose/inspect.h"
#include "core/jose/verifier.h"
#include "fuzz/check.h"

using namespace meshauth;

namespace {

constexpr std::string_view kKeys = R"({"keys":[
{"kty":"EC","crv":"P-256","kid":"ec","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"},
{"kty":"OKP","crv":"Ed25519","kid":"ed","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},
{"kty":"RSA","kid":"rsa","e":"AQAB","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"}]})";

ProviderSettings provider(const std::string& id, const std::string& issuer) {
  ProviderSettings out;
  out.id = id;
  out.issuer = issuer;
  out.audiences = {"api"};
  out.audience_claim = {"aud"};
  out.algorithms = AlgorithmSet::all();
  out.token_types = {"at+jwt", "jwt", ""};
  out.mappings.subject = {"sub"};
  out.key_source = "source";
  return out;
}

struct World {
  jose::KeySet keys = *jose::parse_key_set(kKeys);
  ProviderSettings plain = provider("ns/a", "joe");
  jose::Verifier verifier{{plain, provider("ns/b", "https://idp/{tenantid}/v2.0")}, {{"source", keys}}};
};

void check(std::string_view token) {
  static World world;
  const auto verified = world.verifier.verify(token, 1000);
  FUZZ_CHECK(!verified);
  FUZZ_CHECK(verified.error().reason >= Reason::token_too_large &&
             verified.error().reason <= Reason::signature_invalid);
  FUZZ_CHECK(!verified.error().detail.empty() && valid_utf8(verified.error().detail));
  const jose::Inspection inspection = jose::inspect(token, world.plain, &world.keys, 1000);
  FUZZ_CHECK(inspection.first_failure() != Reason::none);
  std::ostringstream shown;
  cli::print_inspection(inspection, 1000, shown);
  const std::string text = shown.str();
  const auto controls = [](char c) { return (static_cast<unsigned char>(c) < ' ' && c != '\n') || c == '\x7f'; };
  FUZZ_CHECK(valid_utf8(text) && std::none_of(text.begin(), text.end(), controls));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input = fuzz::text_of(data, size);
  check(input);
  const auto pieces = split(input, '\n');
  if (pieces.size() != 3) return 0;
  check(base64url_encode(pieces[0]) + "." + base64url_encode(pieces[1]) + "." + base64url_encode(pieces[2]));
  return 0;
}
