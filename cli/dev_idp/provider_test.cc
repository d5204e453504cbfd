#include "cli/dev_idp/provider.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "core/base/base64.h"
#include "core/base/text.h"
#include "core/jose/verifier.h"

using namespace meshauth;
using namespace meshauth::dev_idp;
using nlohmann::json;

namespace {

constexpr std::int64_t kNow = 1'800'000'000;

Provider provider(const std::string& issuer = "https://idp.test") {
  auto keys = KeyStore::open("");
  REQUIRE(keys);
  return {issuer, std::move(*keys), "CA PEM", [] { return kNow; }};
}

Ask get(const std::string& target) {
  Ask ask;
  ask.method = "GET";
  ask.target = target;
  return ask;
}

Ask post(const std::string& target, const std::string& body = "", const std::string& type = "application/json") {
  Ask ask;
  ask.method = "POST";
  ask.target = target;
  ask.body = body;
  ask.content_type = type;
  return ask;
}

const std::string kForm = "application/x-www-form-urlencoded";

std::string token_of(Provider& idp, const std::string& body) {
  const Answer answer = idp.answer(post("/token", body));
  REQUIRE_MESSAGE(answer.status == 200, answer.body);
  return json::parse(answer.body).at("access_token");
}

json part(const std::string& token, std::size_t index) {
  return json::parse(*base64url_decode(split(token, '.').at(index)));
}

/// What a sidecar that trusts this provider would say.
Reason judge(Provider& idp, const std::string& token, double now = kNow) {
  ProviderSettings settings;
  settings.id = "ns/dev";
  settings.issuer = idp.issuer();
  settings.audiences = {"api"};
  settings.audience_claim = {"aud"};
  settings.algorithms = AlgorithmSet::all();
  settings.token_types = {"at+jwt", "jwt", ""};
  settings.mappings.subject = {"sub"};
  settings.key_source = "source";
  auto keys = jose::parse_key_set(idp.answer(get("/keys")).body);
  REQUIRE_MESSAGE(keys, keys.error().message);
  std::map<std::string, jose::KeySet> sets;
  sets.emplace("source", std::move(*keys));
  jose::Verifier verifier({settings}, std::move(sets));
  const auto verified = verifier.verify(token, now);
  return verified ? Reason::none : verified.error().reason;
}

}  // namespace

TEST_CASE("a token of every algorithm is verified by the real verifier, and a changed one is not") {
  Provider idp = provider();
  for (const char* algorithm : {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "EdDSA"}) {
    CAPTURE(algorithm);
    const std::string token = token_of(idp, R"({"claims":{"aud":"api"},"alg":")" + std::string(algorithm) + R"("})");
    CHECK(part(token, 0).at("alg") == algorithm);
    CHECK(reason_name(judge(idp, token)) == "");
    std::string changed = token;
    changed[changed.rfind('.') + 5] = changed[changed.rfind('.') + 5] == 'A' ? 'B' : 'A';
    CHECK(judge(idp, changed) == Reason::signature_invalid);
  }
}

TEST_CASE("claims are laid over the provider's own, and a null removes one") {
  Provider idp = provider();
  const json claims = part(
      token_of(
          idp,
          R"({"claims":{"sub":"alice","groups":["a","b"],"nested":{"x":1},"jti":null,"iss":"other"},"expiresIn":-5})"),
      1);
  CHECK(claims == json{{"iss", "other"},
                       {"sub", "alice"},
                       {"iat", kNow},
                       {"exp", kNow - 5},
                       {"groups", {"a", "b"}},
                       {"nested", {{"x", 1}}}});
}

TEST_CASE("the header can be made wrong, and the kid chosen") {
  Provider idp = provider();
  const json header = part(token_of(idp, R"({"header":{"typ":null,"crit":["x"],"kid":"nobody"}})"), 0);
  CHECK(header == json{{"alg", "RS256"}, {"crit", {"x"}}, {"kid", "nobody"}});
  const json keys = json::parse(idp.answer(get("/keys")).body).at("keys");
  const std::string kid = keys.at(1).at("kid");
  CHECK(part(token_of(idp, R"({"alg":"ES256","kid":")" + kid + R"("})"), 0).at("kid") == kid);
}

TEST_CASE("a wrong request for a token is refused with the member that is wrong") {
  Provider idp = provider();
  struct Case {
    const char* body;
    const char* message;
  };
  for (const Case& c : {Case{"{", "JSON"}, Case{"[]", "object"}, Case{R"({"claims":[]})", "claims must be"},
                        Case{R"({"alg":"HS256"})", "alg must be"}, Case{R"({"alg":"ES512"})", "no key here"},
                        Case{R"({"kid":"nobody"})", "no published key"}, Case{R"({"expiresIn":"x"})", "expiresIn"},
                        Case{R"({"expiresIn":1e99})", "expiresIn"}, Case{R"({"expiresIn":9000000000})", "ten years"},
                        Case{R"({"claim":{}})", "unknown"}, Case{R"({"alg":"RS256","alg":"ES256"})", "twice"}}) {
    CAPTURE(c.body);
    const Answer answer = idp.answer(post("/token", c.body));
    CHECK(answer.status == 400);
    CHECK(json::parse(answer.body).at("error_description").get<std::string>().find(c.message) != std::string::npos);
  }
  std::string deep = R"({"claims":{"a":)";
  for (int i = 0; i < 1000; ++i) deep += '[';
  for (int i = 0; i < 1000; ++i) deep += ']';
  CHECK(idp.answer(post("/token", deep + "}}")).status == 400);
  CHECK(idp.answer(get("/token")).status == 405);
}

TEST_CASE("client credentials as OAuth writes them") {
  Provider idp = provider();
  const Answer answer =
      idp.answer(post("/token", "grant_type=client_credentials&client_id=me&client_secret=x&scope=a+b%3Ac&audience=api",
                      kForm + "; charset=utf-8"));
  REQUIRE_MESSAGE(answer.status == 200, answer.body);
  const json body = json::parse(answer.body);
  CHECK(body.at("scope") == "a b:c");
  CHECK(body.at("token_type") == "Bearer");
  const std::string token = body.at("access_token");
  CHECK(part(token, 0).at("typ") == "at+jwt");
  const json claims = part(token, 1);
  CHECK(claims.at("sub") == "me");
  CHECK(claims.at("client_id") == "me");
  CHECK(claims.at("scope") == "a b:c");
  CHECK(claims.at("aud") == "api");
  CHECK(judge(idp, token) == Reason::none);
  Ask basic = post("/token", "grant_type=client_credentials&resource=api", kForm);
  basic.authorization = "Basic " + base64_encode("robot:secret");
  const Answer robot = idp.answer(basic);
  REQUIRE(robot.status == 200);
  CHECK(part(json::parse(robot.body).at("access_token"), 1).at("sub") == "robot");
}

TEST_CASE("wrong forms are refused as RFC 6749 says") {
  Provider idp = provider();
  struct Case {
    const char* form;
    int status;
    const char* error;
  };
  for (const Case& c : {Case{"grant_type=password&client_id=me", 400, "unsupported_grant_type"},
                        Case{"client_id=me", 400, "unsupported_grant_type"},
                        Case{"grant_type=client_credentials", 401, "invalid_client"},
                        Case{"grant_type=client_credentials&client_id=a&client_id=b", 400, "invalid_request"},
                        Case{"grant_type=client_credentials&client_id=%zz", 400, "invalid_request"},
                        Case{"grant_type=client_credentials&client_id=%ff", 400, "invalid_request"},
                        Case{"grant_type=client_credentials&client_id=a&username=b", 400, "invalid_request"}}) {
    CAPTURE(c.form);
    const Answer answer = idp.answer(post("/token", c.form, kForm));
    CHECK(answer.status == c.status);
    CHECK(json::parse(answer.body).at("error") == c.error);
  }
}

TEST_CASE("after a rotation old and new tokens are right until the old keys are dropped") {
  Provider idp = provider();
  const std::string body = R"({"claims":{"aud":"api"}})";
  const std::string before = token_of(idp, body);
  CHECK(idp.answer(post("/rotate")).status == 200);
  const std::string after = token_of(idp, body);
  CHECK(part(before, 0).at("kid") != part(after, 0).at("kid"));
  CHECK(judge(idp, before) == Reason::none);
  CHECK(judge(idp, after) == Reason::none);
  const json rotated = json::parse(idp.answer(post("/rotate?drop=old")).body);
  CHECK(rotated.at("published").size() == 3);
  CHECK(judge(idp, after) == Reason::kid_unknown);
  CHECK(judge(idp, token_of(idp, body)) == Reason::none);
  CHECK(idp.answer(post("/rotate?drop=new")).status == 400);
  CHECK(idp.answer(post("/rotate?x=1")).status == 400);
}

TEST_CASE("each way to fail is one that an operator sees, and off ends it") {
  Provider idp = provider();
  const std::string good_keys = idp.answer(get("/keys")).body;
  const auto fail_with = [&](const std::string& mode) {
    CHECK(idp.answer(post("/fail?mode=" + mode)).status == 200);
    return idp.answer(get("/keys"));
  };
  CHECK(fail_with("down").manner == Answer::Manner::Hang);
  CHECK(fail_with("html").content_type == "text/html");
  CHECK(fail_with("500").status == 500);
  CHECK(fail_with("slow").manner == Answer::Manner::Drip);
  CHECK(fail_with("big").manner == Answer::Manner::Flood);
  const auto leaked = jose::parse_key_set(fail_with("secret").body);
  REQUIRE_FALSE(leaked);
  CHECK(leaked.error().message.find("secret material") != std::string::npos);
  CHECK(fail_with("issuer").body == good_keys);
  CHECK(json::parse(idp.answer(get("/.well-known/openid-configuration")).body).at("issuer") != "https://idp.test");
  token_of(idp, "{}");  // only the documents fail
  CHECK(fail_with("off").body == good_keys);
  CHECK(idp.answer(post("/fail?mode=maybe")).status == 400);
  CHECK(idp.answer(post("/fail")).status == 400);
}

TEST_CASE("documents have an entity tag that changes with them") {
  Provider idp = provider();
  const Answer first = idp.answer(get("/keys"));
  Ask again = get("/keys");
  again.if_none_match = first.etag;
  CHECK(idp.answer(again).status == 304);
  CHECK(idp.answer(again).body.empty());
  idp.answer(post("/rotate"));
  CHECK(idp.answer(again).status == 200);
}

TEST_CASE("an issuer with a path has its documents below it") {
  Provider idp = provider("https://idp.test/realms/dev");
  const Answer document = idp.answer(get("/realms/dev/.well-known/openid-configuration"));
  REQUIRE(document.status == 200);
  CHECK(json::parse(document.body).at("issuer") == "https://idp.test/realms/dev");
  CHECK(json::parse(document.body).at("jwks_uri") == "https://idp.test/realms/dev/keys");
  CHECK(idp.answer(get("/realms/dev/keys")).status == 200);
  CHECK(idp.answer(post("/rotate")).status == 200);
  // A slash at the end belongs to the issuer, byte for byte, and not to the paths.
  Provider slash = provider("https://idp.test/");
  const json served = json::parse(slash.answer(get("/.well-known/openid-configuration")).body);
  CHECK(served.at("issuer") == "https://idp.test/");
  CHECK(served.at("jwks_uri") == "https://idp.test/keys");
}

TEST_CASE("what is not there is 404, and the index says loudly what this is") {
  Provider idp = provider();
  CHECK(idp.answer(get("/authorize")).status == 404);
  CHECK(idp.answer(post("/keys")).status == 405);
  CHECK(idp.answer(get("/")).body.find("DEVELOPMENT ONLY") != std::string::npos);
  CHECK(idp.answer(get("/ca.pem")).body == "CA PEM");
}

TEST_CASE("no answer holds a private key") {
  Provider idp = provider();
  const json set = json::parse(idp.answer(get("/keys")).body);
  for (const json& key : set.at("keys")) {
    for (const char* member : {"d", "p", "q", "dp", "dq", "qi", "k"}) CHECK_FALSE(key.contains(member));
  }
}
