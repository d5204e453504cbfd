#include "core/jose/inspect.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "core/jose/testing/world.h"

using namespace meshauth;
using namespace meshauth::jose;
using namespace meshauth::jose::testing;

namespace {

Inspection inspected(const Draft& draft, const ProviderSettings& provider = world_provider()) {
  const KeySet keys = world_keys();
  return inspect(draft.token(), provider, &keys, draft.now);
}

/// The checks with that result, by name.
std::string names(const Inspection& inspection, Check::Result result) {
  std::string out;
  for (const Check& check : inspection.checks) {
    if (check.result == result) out += (out.empty() ? "" : ", ") + check.name;
  }
  return out;
}

}  // namespace

TEST_CASE("a good token passes every check, in the verifier's order") {
  const Inspection inspection = inspected({});
  CHECK(names(inspection, Check::Result::passed) ==
        "form and header, payload, issuer, algorithm, type, times, audience, signature");
  CHECK(inspection.checks.size() == 8);
  CHECK(inspection.first_failure() == Reason::none);
  CHECK(inspection.header == Draft{}.header);
  CHECK(inspection.payload == Draft{}.claims);
}

TEST_CASE("what is wrong fails its own check and no other, for the reason that the verifier gives") {
  ProviderSettings strict = world_provider();
  strict.required_claims = {{{"tier"}, ClaimOperator::In, {"gold"}}};
  ProviderSettings rs256 = world_provider();
  rs256.algorithms = {Algorithm::RS256};
  Draft forged;
  forged.signed_by = "es256-other";
  const struct {
    std::string check;
    Draft draft;
    ProviderSettings provider;
  } cases[] = {
      {"issuer", claims("https://idp", "https://other"), world_provider()},
      {"issuer", claims(R"("iss":"https://idp",)", ""), world_provider()},
      {"algorithm", {}, rs256},
      {"type", header("JWT", "dpop+jwt"), world_provider()},
      {"times", at(2000), world_provider()},
      {"audience", claims("\"api\"", "\"another\""), world_provider()},
      {"required claims", {}, strict},
      {"signature", forged, world_provider()},
  };
  for (const auto& row : cases) {
    CAPTURE(row.check);
    const Inspection inspection = inspected(row.draft, row.provider);
    CHECK(names(inspection, Check::Result::failed) == row.check);
    CHECK(inspection.first_failure() == World(row.provider).reason(row.draft));
    CHECK(inspection.first_failure() != Reason::none);
  }
  CHECK(names(inspected(claims_plus(R"("tier":"gold")"), strict), Check::Result::passed).find("required claims") !=
        std::string::npos);
}

TEST_CASE("every check that fails is told, not only the first") {
  Draft draft = header("JWT", "x", claims("\"api\"", "\"another\"", at(3000)));
  CHECK(names(inspected(draft), Check::Result::failed) == "type, times, audience");
}

TEST_CASE("what was not given is not checked, and that is said") {
  ProviderSettings open = world_provider();
  open.issuer.clear();
  open.audiences.clear();
  const Inspection inspection = inspect(Draft{}.token(), open, nullptr, kNow);
  CHECK(names(inspection, Check::Result::skipped) == "issuer, audience, signature");
  CHECK(names(inspection, Check::Result::failed) == "");
}

TEST_CASE("a payload that is no JSON object is one failed check, and the signature is still looked at") {
  for (const std::string payload : {"[]", "{", R"({"a":1,"a":1})"}) {
    CAPTURE(payload);
    Draft draft;
    draft.claims = payload;
    const Inspection inspection = inspected(draft);
    CHECK(names(inspection, Check::Result::failed) == "payload");
    CHECK(names(inspection, Check::Result::passed) == "form and header, signature");
    CHECK(inspection.first_failure() == World().reason(draft));
  }
}

TEST_CASE("what can be decoded is shown, of a token of allowed size") {
  const KeySet keys = world_keys();
  const auto show = [&](const std::string& token) { return inspect(token, world_provider(), &keys, kNow); };
  const Inspection half = show(base64url_encode("not JSON") + ".!.x");
  CHECK(half.header == "not JSON");
  CHECK(half.payload == "");
  CHECK(half.first_failure() == Reason::base64_invalid);
  CHECK(half.checks.size() == 1);
  const Inspection large = show(base64url_encode("{}") + "." + std::string(kMaxTokenBytes, 'a') + ".x");
  CHECK(large.header == "");
  CHECK(large.first_failure() == Reason::token_too_large);
}
