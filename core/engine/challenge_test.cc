#include "core/engine/challenge.h"

#include <doctest/doctest.h>

using namespace meshauth;
using namespace meshauth::engine;

namespace {

std::string challenge_of(Reason reason, std::vector<std::string> scopes = {}, std::string_view metadata = "") {
  Outcome outcome;
  outcome.reason = reason;
  outcome.missing_scopes = std::move(scopes);
  return challenge(outcome, metadata);
}

}  // namespace

TEST_CASE("challenges follow RFC 6750 and RFC 9728") {
  CHECK(challenge_of(Reason::token_missing) == R"(Bearer realm="mesh-auth")");
  CHECK(challenge_of(Reason::expired) == R"(Bearer realm="mesh-auth", error="invalid_token")");
  CHECK(challenge_of(Reason::token_missing, {}, "https://a/m") ==
        R"(Bearer realm="mesh-auth", resource_metadata="https://a/m")");
  CHECK(challenge_of(Reason::scope_insufficient, {"a", "b:c"}) ==
        R"(Bearer realm="mesh-auth", error="insufficient_scope", scope="a b:c")");
}

TEST_CASE("a scope that is no scope-token is left out, so that nothing leaves its quotes") {
  CHECK(challenge_of(Reason::scope_insufficient, {"a\"b", "c d", "e\\", "", "f\r\n", "\xc3\xa4", "ok"}) ==
        R"(Bearer realm="mesh-auth", error="insufficient_scope", scope="ok")");
}

TEST_CASE("every other refusal has none") {
  for (const Reason reason :
       {Reason::path_ambiguous, Reason::token_multiple, Reason::no_rule_matched, Reason::denied_by_rule,
        Reason::no_policy, Reason::no_bundle, Reason::keys_stale, Reason::internal, Reason::none}) {
    CAPTURE(reason_name(reason));
    CHECK(challenge_of(reason, {"a"}, "https://a/m").empty());
  }
}

TEST_CASE("a metadata URL is one that may stand in quotes, in a header and in nginx.conf") {
  CHECK(is_metadata_url("https://a.test/.well-known/oauth-protected-resource?a=b&c=d%20e"));
  CHECK(is_metadata_url("http://a.test"));
  CHECK(is_metadata_url("https://a/" + std::string(1024 - 10, 'x')));
  CHECK_FALSE(is_metadata_url("https://a/" + std::string(1024 - 9, 'x')));
  for (const std::string other : {"", "a.test", "ftp://a.test", "//a.test", "HTTPS://a.test", "https://", "http://?x",
                                  "https:///x", "https://:80/x", "https://@/", "http://#a.test"}) {
    CAPTURE(other);
    CHECK_FALSE(is_metadata_url(other));
  }
  for (const char c : std::string_view("\"\\<>^`{|}$ \t\r\n\x7f\x01\xc3")) {
    CAPTURE(static_cast<int>(c));
    CHECK_FALSE(is_metadata_url(std::string("https://a.test/") + c));
  }
}

TEST_CASE("a body says the code and nothing else") {
  CHECK(error_body(400, ErrorBody::Json) == "{\"code\":400,\"message\":\"Bad Request\"}\n");
  CHECK(error_body(401, ErrorBody::Plain) == "401 Unauthorized\n");
  CHECK(error_body(403, ErrorBody::Plain) == "403 Forbidden\n");
  CHECK(error_body(503, ErrorBody::Plain) == "503 Service Unavailable\n");
  CHECK(content_type(ErrorBody::Json) == "application/json");
}

TEST_CASE("a gRPC client gets the status that says the same") {
  CHECK(grpc_status(400) == "3");
  CHECK(grpc_status(401) == "16");
  CHECK(grpc_status(403) == "7");
  CHECK(grpc_status(503) == "14");
}
