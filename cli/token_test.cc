#include <doctest/doctest.h>

#include "cli/commands.h"
#include "cli/testing/run.h"
#include "core/jose/testing/world.h"

using namespace meshauth;
using namespace meshauth::cli;
using namespace meshauth::cli::testing;
using namespace meshauth::jose::testing;

namespace {

/// A folder with the key set of one ES256 key, and a good token.
class Token {
 public:
  Token() : jwks_(folder_.file("jwks.json", key_set({key("es256").jwk({{"kid", "es256"}})}))) {}

  Outcome verify(const Draft& draft, std::vector<std::string> more = {"--issuer", "https://idp", "--audience", "api"}) {
    std::vector<std::string> arguments{"token", "verify", "--jwks", jwks_, "--now", "1000"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run(add_token, arguments, draft.token() + "\n");
  }
  Outcome call(const std::vector<std::string>& arguments, const std::string& input = "") {
    return run(add_token, arguments, input);
  }
  const std::string& jwks() const { return jwks_; }
  const TempFolder& folder() const { return folder_; }

 private:
  TempFolder folder_;
  std::string jwks_;
};

}  // namespace

TEST_CASE("token verify: a good token, exit 0 and the claims as JSON") {
  const Outcome outcome = Token().verify({});
  CHECK(outcome.code == 0);
  CHECK(outcome.out == Draft{}.claims + "\n");
  CHECK(outcome.err == "");
}

TEST_CASE("token verify: a bad token, exit 1 and the reason's name alone on the last line of stderr") {
  Token token;
  const std::pair<Draft, std::string> cases[] = {
      {claims("2000", "900"), "expired"},
      {claims(R"("api")", R"("x")"), "audience_mismatch"},
      {claims("https://idp", "https://other"), "issuer_unknown"},
      {header("ES256", "HS256"), "alg_not_allowed"},
      {header("\"es256\"", "\"x\""), "kid_unknown"},
      {header("JWT", "logout+jwt"), "typ_not_allowed"},
      {spoilt([](std::string text) { return text + "."; }), "token_segments"},
      {spoilt([](std::string text) { return " " + text; }), "base64_invalid"},
      {spoilt([](std::string text) { return text + "\n"; }), "base64_invalid"},
      {spoilt([](std::string) { return std::string(20000, 'a'); }), "token_too_large"},
      {spoilt([](std::string) { return std::string(); }), "token_segments"},
  };
  for (const auto& [draft, reason] : cases) {
    CAPTURE(reason);
    const Outcome outcome = token.verify(draft);
    CHECK(outcome.code == 1);
    CHECK(outcome.last_line() == reason);
    CHECK(outcome.out == "");
  }
}

TEST_CASE("token verify: issuer, audiences and algorithms are those of the flags") {
  Token token;
  CHECK(token.verify({}, {"--issuer", "https://idp", "--audience", "x", "--audience", "api"}).code == 0);
  CHECK(token.verify({}, {"--issuer", "https://idp/", "--audience", "api"}).last_line() == "issuer_unknown");
  const std::vector<std::string> flags{"--issuer", "https://idp", "--audience", "api", "--algorithm"};
  const auto with = [&](const std::string& algorithm) {
    auto all = flags;
    all.push_back(algorithm);
    return token.verify({}, all);
  };
  CHECK(with("ES256").code == 0);
  CHECK(with("RS256").last_line() == "alg_not_allowed");
  for (const std::string name : {"HS256", "none", "es256", ""}) {
    CAPTURE(name);
    CHECK(with(name).code == 2);
  }
  for (const std::string name : {"Ed25519", "Ed448"}) {  // EdDSA is both, so that one alone cannot be allowed
    CAPTURE(name);
    CHECK(with(name).code == 2);
    CHECK(with(name).err.find("EdDSA allows Ed25519 and Ed448") != std::string::npos);
  }
}

TEST_CASE("token verify: --now is the time, with the skew of a provider that sets none") {
  Token token;
  const auto at_time = [&](const std::string& now) {
    return token
        .call({"token", "verify", "--jwks", token.jwks(), "--issuer", "https://idp", "--audience", "api", "--now", now},
              Draft{}.token())
        .last_line();
  };
  CHECK(at_time("2029") == "");
  CHECK(at_time("2030") == "expired");
  CHECK(at_time("870") == "");
  CHECK(at_time("869.5") == "issued_in_future");
  CHECK(token
            .call({"token", "verify", "--jwks", token.jwks(), "--issuer", "https://idp", "--audience", "api"},
                  Draft{}.token())
            .last_line() == "expired");  // the clock
}

TEST_CASE("token verify --signature-only: the payload's bytes and no claim") {
  Token token;
  Draft draft;
  draft.claims = std::string("not JSON \0\n\r\n", 13);
  const Outcome outcome = token.verify(draft, {"--signature-only"});
  CHECK(outcome.code == 0);
  CHECK(outcome.out == draft.claims);
  CHECK(token.verify(claims("2000", "1"), {"--signature-only"}).code == 0);
  Draft forged;
  forged.signed_by = "es256-other";
  CHECK(token.verify(forged, {"--signature-only"}).code == 1);
  CHECK(token.verify(forged, {"--signature-only"}).last_line() == "signature_invalid");
  CHECK(token.verify({}, {"--signature-only", "--algorithm", "RS256"}).last_line() == "alg_not_allowed");
}

TEST_CASE("token verify: the token from a file, from -, from the standard input") {
  Token token;
  const std::string text = Draft{}.token();
  const std::string file = token.folder().file("token", text + "\r\n");
  CHECK(token.call({"token", "verify", "--jwks", token.jwks(), "--signature-only", "--token-file", file}).code == 0);
  CHECK(token.call({"token", "verify", "--jwks", token.jwks(), "--signature-only", "--token-file", "-"}, text).code ==
        0);
  CHECK(token.call({"token", "verify", "--jwks", token.jwks(), "--signature-only", "-"}, text).code == 0);
  CHECK(token.call({"token", "verify", "--jwks", token.jwks(), "--signature-only"}, text).code == 0);
  const std::string jwks = key_set({key("es256").jwk({{"kid", "es256"}})});
  CHECK(token.call({"token", "verify", "--jwks", "-", "--signature-only", "--token-file", file}, jwks).code == 0);
}

TEST_CASE("token verify: wrong usage and key sets without a usable key, exit 2 and a message") {
  Token token;
  const std::string text = Draft{}.token();
  const auto& folder = token.folder();
  const std::vector<std::vector<std::string>> cases = {
      {"token"},
      {"token", "sign"},
      {"token", "verify"},
      {"token", "verify", "--jwks", token.jwks()},
      {"token", "verify", "--jwks", token.jwks(), "--issuer", "https://idp"},
      {"token", "verify", "--jwks", token.jwks(), "--audience", "api"},
      {"token", "verify", "--jwks", token.jwks(), "--signature-only", "--bogus"},
      {"token", "verify", "--jwks", token.jwks(), "--signature-only", "--now", "soon"},
      {"token", "verify", "--jwks", token.jwks(), "--signature-only", "--now", "-5"},
      {"token", "verify", "--jwks", token.jwks(), "--signature-only", "--token-file", "/does/not/exist"},
      {"token", "verify", "--jwks", token.jwks(), "--signature-only", "--token-file", "/"},
      {"token", "verify", "--jwks", token.jwks(), "--signature-only", text},
      {"token", "verify", "--jwks", token.jwks(), "--signature-only", "--token-file", token.jwks(), "-"},
      {"token", "verify", "--jwks", "-", "--signature-only"},
      {"token", "verify", "--jwks", "/does/not/exist", "--signature-only"},
      {"token", "verify", "--jwks", folder.file("html", "<html>"), "--signature-only"},
      {"token", "verify", "--jwks", folder.file("empty", R"({"keys":[]})"), "--signature-only"},
      {"token", "verify", "--jwks", folder.file("enc", key_set({key("rsa").jwk({{"use", "enc"}})})),
       "--signature-only"},
      {"token", "verify", "--jwks", folder.file("oct", R"({"keys":[{"kty":"oct","k":"AA"}]})"), "--signature-only"},
      {"token", "inspect", "--now", "x"},
  };
  for (const auto& arguments : cases) {
    CAPTURE(arguments.back());
    const Outcome outcome = token.call(arguments, text);
    CHECK(outcome.code == 2);
    CHECK(outcome.out == "");
    CHECK(outcome.err != "");
    CHECK(outcome.err.find(text) == std::string::npos);
  }
}

TEST_CASE("token verify: keys that are not used are named, and an ambiguous kid is the token's fault") {
  Token token;
  const std::string mixed = token.folder().file(
      "mixed", key_set({key("es256").jwk({{"kid", "es256"}}), key("rsa").jwk({{"kid", "cipher"}, {"use", "enc"}})}));
  const Outcome outcome = token.call({"token", "verify", "--jwks", mixed, "--signature-only"}, Draft{}.token());
  CHECK(outcome.code == 0);
  CHECK(outcome.err.find("cipher") != std::string::npos);
  const std::string twice = token.folder().file(
      "twice", key_set({key("es256").jwk({{"kid", "es256"}}), key("es256-1").jwk({{"kid", "es256"}})}));
  const Outcome ambiguous = token.call({"token", "verify", "--jwks", twice, "--signature-only"}, Draft{}.token());
  CHECK(ambiguous.code == 1);
  CHECK(ambiguous.last_line() == "kid_ambiguous");
}

TEST_CASE("token inspect shows what the token says and every check that fails") {
  Token token;
  const std::vector<std::string> arguments{"token",         "inspect",    "--jwks", token.jwks(), "--issuer",
                                           "https://other", "--audience", "api",    "--now",      "1000"};
  const Outcome outcome = token.call(arguments, claims("2000", "500").token());
  CHECK(outcome.code == 1);
  CHECK(outcome.last_line() == "issuer_unknown");
  for (const std::string part : {"\"sub\": \"alice\"", "\"kid\": \"es256\"", "FAIL  issuer", "(issuer_unknown)",
                                 "FAIL  times", "(expired)", "ok    audience", "ok    signature",
                                 "exp 1970-01-01T00:08:20Z (8m20s ago)", "iat 1970-01-01T00:15:00Z (1m40s ago)"}) {
    CAPTURE(part);
    CHECK(outcome.out.find(part) != std::string::npos);
  }
}

TEST_CASE("token inspect without keys, issuer and audience checks the rest and says what it did not check") {
  const Outcome outcome = Token().call({"token", "inspect", "--now", "1000"}, Draft{}.token());
  CHECK(outcome.code == 0);
  CHECK(outcome.err == "");
  CHECK(outcome.out.find("-     signature: no key set was given") != std::string::npos);
  CHECK(outcome.out.find("-     issuer") != std::string::npos);
  CHECK(outcome.out.find("-     audience") != std::string::npos);
  CHECK(outcome.out.find("FAIL") == std::string::npos);
}

TEST_CASE("token inspect shows garbage harmlessly") {
  Token token;
  const auto inspected = [&](const std::string& text) {
    return token.call({"token", "inspect", "--now", "1000"}, text);
  };
  CHECK(inspected("garbage").last_line() == "token_segments");
  const std::string escape = base64url_encode("\x1b[2J\x07not json");
  const Outcome outcome = inspected(escape + "." + escape + ".");
  CHECK(outcome.last_line() == "json_invalid");
  CHECK(outcome.out.find('\x1b') == std::string::npos);
  CHECK(outcome.out.find("\\x1b[2J") != std::string::npos);
  const Outcome c1 = inspected(claims("alice",
                                      "\xc2\x9b"
                                      "2J")
                                   .token());  // a control character of ISO 6429 in UTF-8
  CHECK(c1.out.find("\xc2\x9b") == std::string::npos);
  CHECK(c1.out.find("\\u009b2J") != std::string::npos);
  CHECK(inspected(std::string(20000, 'a')).last_line() == "token_too_large");
}

TEST_CASE("token inspect shows numbers that no double holds") {
  Token token;
  for (const std::string number : {"1e400", "-1e400", "1e-999", "18446744073709551616"}) {
    CAPTURE(number);
    const Outcome outcome = token.call({"token", "inspect", "--now", "1000"},
                                       claims_plus("\"x\":" + number, header_plus("\"x\":" + number)).token());
    CHECK(outcome.code == 0);
    CHECK(outcome.err == "");
    CHECK(outcome.out.find("\"x\": ") != std::string::npos);
  }
}

TEST_CASE("help and version are answers, not errors") {
  CHECK(run(add_token, {"--version"}).code == 0);
  CHECK(run(add_token, {"--version"}).out.find(MESH_AUTH_VERSION) != std::string::npos);
  CHECK(run(add_token, {"token", "verify", "--help"}).code == 0);
  CHECK(run(add_token, {}).code == 2);
}
