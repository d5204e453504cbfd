// What the verifier refuses, an inspection refuses too: in some check that is told.
#include "core/jose/inspect.h"

#include <doctest/doctest.h>

#include "core/jose/testing/world.h"

using namespace meshauth;
using namespace meshauth::jose;
using namespace meshauth::jose::testing;

namespace {

std::vector<Draft> drafts() {
  const Draft unsigned_kid = header(R"("kid":"es256",)", "");
  Draft other = header("es256\"", "other\"");
  other.signed_by = "es256-other";
  Draft other_unnamed = unsigned_kid;
  other_unnamed.signed_by = "es256-other";
  std::vector<Draft> out{{}, unsigned_kid, other, other_unnamed};
  out.push_back(claims("https://idp", "https://old"));
  out.push_back(claims("https://idp", "https://nobody"));
  out.push_back(claims(R"("https://idp")", R"("https://t-1/","tid":"t-1")"));
  out.push_back(claims(R"("https://idp")", R"("https://t-1/","tid":"t-2")"));
  out.push_back(claims(R"("iss":"https://idp",)", ""));
  for (const char* exp : {"900", "1e400", "-1", "\"2000\""}) out.push_back(claims("2000", exp));
  out.push_back(claims("\"exp\":2000,", ""));
  out.push_back(claims("900", "5000"));
  out.push_back(claims(R"("api")", R"("x")"));
  out.push_back(claims(R"("api")", R"(["api",7])"));
  out.push_back(claims_plus(R"("nbf":1500)"));
  out.push_back(claims_plus(R"("iss":"https://idp")"));
  out.push_back(header("JWT", "logout+jwt"));
  out.push_back(header("ES256", "RS256"));
  out.push_back(header("\"es256\"", "\"x\""));
  out.push_back(header_plus(R"("crit":["exp"])"));
  out.push_back(spoilt([](std::string text) { return text.substr(0, text.size() - 4) + "AAAA"; }));
  out.push_back(spoilt([](std::string text) { return text + "."; }));
  out.push_back(spoilt([](std::string) { return std::string(20'000, 'a'); }));
  return out;
}

std::vector<KeySet> key_sets() {
  const auto mine = [](const std::string& issuer) {
    std::map<std::string, std::string> more{{"kid", "es256"}};
    if (!issuer.empty()) more["issuer"] = issuer;
    return key("es256").jwk(more);
  };
  const auto other = [](const std::string& issuer) {
    std::map<std::string, std::string> more{{"kid", "other"}};
    if (!issuer.empty()) more["issuer"] = issuer;
    return key("es256-other").jwk(more);
  };
  std::vector<KeySet> out{world_keys(), keys_of({}), keys_of({key("rsa").jwk({{"kid", "es256"}})})};
  for (const char* issuer : {"", "https://idp", "https://old", "https://nobody", "https://{tenantid}/"}) {
    out.push_back(keys_of({mine(issuer)}));
    out.push_back(keys_of({mine(issuer), other("")}));
    out.push_back(keys_of({mine(""), other(issuer)}));
    out.push_back(keys_of({mine(issuer), other("https://elsewhere")}));
  }
  out.push_back(keys_of({mine(""), key("es256-other").jwk({{"kid", "es256"}})}));
  return out;
}

}  // namespace

TEST_CASE("a check fails exactly where the verifier refuses") {
  std::size_t accepted = 0, refused = 0;
  for (const char* issuer : {"https://idp", "https://{tenantid}/"}) {
    for (const KeySet& keys : key_sets()) {
      const ProviderSettings provider = world_provider("ns/main", issuer);
      Verifier verifier({provider}, {{"source", keys}});
      for (const Draft& draft : drafts()) {
        const std::string token = draft.token();
        const auto verified = verifier.verify(token, draft.now);
        const Inspection inspection = inspect(token, provider, &keys, draft.now);
        CAPTURE(draft.header);
        CAPTURE(draft.claims);
        CAPTURE(to_json(keys));
        CAPTURE(std::string(reason_name(verified ? Reason::none : verified.error().reason)));
        CHECK((inspection.first_failure() == Reason::none) == verified.has_value());
        ++(verified ? accepted : refused);
      }
    }
  }
  CHECK(accepted > 20);
  CHECK(refused > 200);
}

TEST_CASE("a key bound to another issuer is told as such") {
  const KeySet keys = keys_of({key("es256").jwk({{"kid", "es256"}, {"issuer", "https://other"}})});
  const Inspection inspection = inspect(Draft{}.token(), world_provider(), &keys, kNow);
  CHECK(inspection.first_failure() == Reason::issuer_unknown);
  CHECK(inspection.checks.back().name == "signature");
  CHECK(inspection.checks.back().detail.find("bound to another issuer") != std::string::npos);
  CHECK(verify_signature(Draft{}.token(), keys));  // nobody's claims were asked for
}
