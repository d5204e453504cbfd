#include "operator/idp/key_fetch.h"

#include <doctest/doctest.h>

#include <deque>

#include "core/jose/testing/token_maker.h"

using namespace meshauth;
using namespace meshauth::idp;
using http::FetchError;
using http::FetchFault;
using http::FetchRequest;
using http::FetchResponse;
using jose::testing::key_set;
using jose::testing::TestKey;

namespace {

const std::string kDiscoveryUrl = "https://idp.example/.well-known/openid-configuration";
const std::string kKeysUrl = "https://idp.example/keys";
constexpr auto kNow = std::chrono::steady_clock::time_point(std::chrono::hours(1));

std::string one_key(const std::string& kid = "k1") {
  static const TestKey key = TestKey::p256();
  return key_set({key.jwk({{"kid", kid}})});
}

std::string document(const std::string& issuer = "https://idp.example", const std::string& keys = kKeysUrl) {
  return R"({"issuer":")" + issuer + R"(","jwks_uri":")" + keys + R"("})";
}

/// Plays answers in order, and keeps what was asked.
struct Script {
  std::deque<tl::expected<FetchResponse, FetchError>> answers;
  std::vector<FetchRequest> asked;

  Script& then(int status, std::string body = "", std::string etag = "") {
    FetchResponse response;
    response.status = status;
    response.body = std::move(body);
    response.etag = std::move(etag);
    answers.emplace_back(std::move(response));
    return *this;
  }
  Script& then(FetchFault fault) {
    answers.emplace_back(tl::unexpected(FetchError{fault, "scripted"}));
    return *this;
  }
  Visit visit(const SourceSpec& spec, SourceMemory memory = {}, std::chrono::steady_clock::time_point now = kNow) {
    Fetchers fetchers;
    fetchers.fetch = [this](const FetchRequest& request, const std::stop_token&) {
      asked.push_back(request);
      REQUIRE_FALSE(answers.empty());
      auto answer = std::move(answers.front());
      answers.pop_front();
      return answer;
    };
    return visit_source(spec, std::move(memory), now, fetchers, {});
  }
};

SourceSpec discovery_spec() {
  SourceSpec spec;
  spec.kind = SourceKind::Discovery;
  spec.url = kDiscoveryUrl;
  spec.ca_bundle = "CA";
  spec.issuers = {"https://idp.example"};
  return spec;
}

SourceSpec jwks_spec() {
  SourceSpec spec;
  spec.url = kKeysUrl;
  return spec;
}

std::string fault(const Visit& visit) {
  return visit.outcome ? "none" : std::string(source_fault_name(visit.outcome.error().fault));
}

}  // namespace

TEST_CASE("discovery leads to the keys, both asked with the source's CA bundle") {
  Script script;
  const Visit visit = script.then(200, document()).then(200, one_key(), "\"v1\"").visit(discovery_spec());
  REQUIRE_MESSAGE(visit.outcome, visit.outcome.error().message);
  CHECK(visit.outcome->keys->keys.at(0).kid == "k1");
  CHECK(visit.outcome->discovered_issuer == "https://idp.example");
  CHECK(visit.outcome->jwks_uri == kKeysUrl);
  CHECK(visit.outcome->etag == "\"v1\"");
  CHECK_FALSE(visit.outcome->not_modified);
  REQUIRE(script.asked.size() == 2);
  CHECK(script.asked[0].url == kDiscoveryUrl);
  CHECK(script.asked[0].ca_bundle == "CA");
  CHECK(script.asked[1].url == kKeysUrl);
  CHECK(script.asked[1].ca_bundle == "CA");
}

TEST_CASE("the issuer must be equal byte for byte, and its keys are not even asked for otherwise") {
  for (const char* issuer :
       {"https://idp.example/", "https://IDP.example", "https://idp.example.evil", "http://idp.example"}) {
    CAPTURE(issuer);
    Script script;
    const Visit visit = script.then(200, document(issuer)).visit(discovery_spec());
    CHECK(fault(visit) == "IssuerMismatch");
    CHECK(visit.outcome.error().in_discovery);
    CHECK(visit.outcome.error().message.find(issuer) != std::string::npos);
    CHECK(visit.outcome.error().message.find("\"https://idp.example\"") != std::string::npos);
    CHECK(script.asked.size() == 1);
  }
}

TEST_CASE("one provider of several naming the issuer is enough here; each compares for itself") {
  SourceSpec spec = discovery_spec();
  spec.issuers = {"https://other.example", "https://idp.example"};
  Script script;
  CHECK(fault(script.then(200, document()).then(200, one_key()).visit(spec)) == "none");
}

TEST_CASE("Entra's literal template is an issuer like any other") {
  SourceSpec spec = discovery_spec();
  spec.issuers = {"https://login.example/{tenantid}/v2.0"};
  Script script;
  CHECK(fault(script.then(200, document("https://login.example/{tenantid}/v2.0")).then(200, one_key()).visit(spec)) ==
        "none");
}

TEST_CASE("within refresh_interval the document is not read again, after it with its entity tag") {
  Script script;
  const SourceSpec spec = discovery_spec();
  const Visit first = script.then(200, document(), "\"d1\"").then(200, one_key(), "\"v1\"").visit(spec);
  script.asked.clear();
  const Visit second = script.then(304).visit(spec, first.memory, kNow + spec.refresh_interval - Seconds(1));
  REQUIRE(second.outcome);
  CHECK(second.outcome->discovered_issuer == "https://idp.example");
  REQUIRE(script.asked.size() == 1);
  CHECK(script.asked[0].url == kKeysUrl);
  script.asked.clear();
  const Visit third = script.then(304).then(304).visit(spec, second.memory, kNow + spec.refresh_interval);
  REQUIRE(third.outcome);
  REQUIRE(script.asked.size() == 2);
  CHECK(script.asked[0].if_none_match == "\"d1\"");
}

TEST_CASE("an unchanged key set is asked for by its entity tag and kept") {
  Script script;
  const Visit first = script.then(200, one_key(), "\"v1\"").visit(jwks_spec());
  const Visit second = script.then(304).visit(jwks_spec(), first.memory);
  REQUIRE(second.outcome);
  CHECK(script.asked[0].if_none_match.empty());
  CHECK(script.asked[1].if_none_match == "\"v1\"");
  CHECK(second.outcome->not_modified);
  CHECK(second.outcome->keys == first.outcome->keys);
  CHECK(second.outcome->etag == "\"v1\"");
}

TEST_CASE("the entity tag of one address is not used for another") {
  Script script;
  const SourceSpec spec = discovery_spec();
  const Visit first = script.then(200, document()).then(200, one_key(), "\"v1\"").visit(spec);
  const Visit second = script.then(200, document("https://idp.example", "https://idp.example/moved"))
                           .then(200, one_key("k2"))
                           .visit(spec, first.memory, kNow + spec.refresh_interval);
  REQUIRE(second.outcome);
  CHECK(script.asked[3].url == "https://idp.example/moved");
  CHECK(script.asked[3].if_none_match.empty());
}

TEST_CASE("a 304 nobody asked for is no answer") {
  Script script;
  CHECK(fault(script.then(304).visit(jwks_spec())) == "HttpStatus");
}

TEST_CASE("every failure keeps the keys and looks at the discovery document again next time") {
  Script script;
  const SourceSpec spec = discovery_spec();
  const Visit good = script.then(200, document()).then(200, one_key(), "\"v1\"").visit(spec);
  const Visit bad = script.then(500).visit(spec, good.memory);
  CHECK(fault(bad) == "HttpStatus");
  CHECK(bad.outcome.error().message == kKeysUrl + " answered 500, not 200");
  CHECK_FALSE(bad.outcome.error().in_discovery);
  const Visit worse = script.then(500).visit(spec, bad.memory);
  REQUIRE_FALSE(worse.outcome);
  CHECK(worse.outcome.error().in_discovery);
  CHECK(worse.memory.keys == good.memory.keys);
  CHECK(bad.memory.keys == good.memory.keys);
  CHECK(bad.memory.etag == "\"v1\"");
  script.asked.clear();
  const Visit again = script.then(200, document()).then(304).visit(spec, bad.memory);
  REQUIRE(again.outcome);
  CHECK(script.asked[0].url == kDiscoveryUrl);
  CHECK(again.outcome->keys == good.memory.keys);
}

TEST_CASE("each way a key set can be wrong has its name") {
  const TestKey rsa = TestKey::rsa(1024);
  const TestKey ec = TestKey::p256();
  struct Case {
    std::string body;
    const char* fault;
    const char* message;
  };
  for (const Case& c : {Case{"<html>down</html>", "NotJson", "refused"}, Case{"", "NotJson", "refused"},
                        Case{R"({"keys":{}})", "KeySetInvalid", "refused"}, Case{"{}", "KeySetInvalid", "refused"},
                        Case{R"({"keys":[]})", "NoUsableKeys", "it is empty"},
                        Case{key_set({rsa.jwk({{"kid", "small"}})}), "NoUsableKeys", "\"small\": "},
                        Case{key_set({ec.jwk({{"kid", "a"}, {"d", "AAAA"}})}), "SecretMaterial", "secret material"},
                        Case{R"({"keys":[{"kty":"oct","kid":"s","k":"AAAA"}]})", "SecretMaterial", "secret material"},
                        Case{R"({"keys":[{"kty":"oct","kid":"s"}]})", "SecretMaterial", "secret material"},
                        Case{R"({"keys":[],"keys":[]})", "NotJson", "refused"}}) {
    CAPTURE(c.body);
    Script script;
    const Visit visit = script.then(200, c.body).visit(jwks_spec());
    CHECK(fault(visit) == c.fault);
    REQUIRE_FALSE(visit.outcome);
    CAPTURE(visit.outcome.error().message);
    CHECK(visit.outcome.error().message.find(c.message) != std::string::npos);
    CHECK(visit.outcome.error().message.find(kKeysUrl) != std::string::npos);
    CHECK(visit.memory.keys == nullptr);
  }
}

TEST_CASE("a message about secret material does not repeat it") {
  Script script;
  const Visit visit =
      script.then(200, R"({"keys":[{"kty":"oct","kid":"s","k":"c2VjcmV0LXZhbHVl"}]})").visit(jwks_spec());
  REQUIRE_FALSE(visit.outcome);
  CHECK(visit.outcome.error().message.find("c2VjcmV0") == std::string::npos);
}

TEST_CASE("each fault of the fetch has its own name here") {
  struct Case {
    FetchFault fetch;
    const char* fault;
  };
  for (const Case& c :
       {Case{FetchFault::TimedOut, "Timeout"}, Case{FetchFault::CertificateRefused, "TlsFailed"},
        Case{FetchFault::TlsFailed, "TlsFailed"}, Case{FetchFault::BodyTooLarge, "TooLarge"},
        Case{FetchFault::HeaderTooLarge, "TooLarge"}, Case{FetchFault::RedirectRefused, "RedirectRefused"},
        Case{FetchFault::TooManyRedirects, "RedirectRefused"}, Case{FetchFault::AddressRefused, "AddressRefused"},
        Case{FetchFault::ResolveFailed, "ResolveFailed"}, Case{FetchFault::ConnectFailed, "ConnectFailed"},
        Case{FetchFault::HttpRefused, "UrlInvalid"}, Case{FetchFault::UrlInvalid, "UrlInvalid"},
        Case{FetchFault::CaInvalid, "CaInvalid"}, Case{FetchFault::ConnectionLost, "ResponseInvalid"},
        Case{FetchFault::ResponseInvalid, "ResponseInvalid"}, Case{FetchFault::EncodingRefused, "ResponseInvalid"},
        Case{FetchFault::Internal, "Internal"}}) {
    CAPTURE(http::fetch_fault_name(c.fetch));
    Script script;
    const Visit visit = script.then(c.fetch).visit(jwks_spec());
    CHECK(fault(visit) == c.fault);
    CHECK_FALSE(visit.cancelled);
  }
  Script script;
  CHECK(script.then(FetchFault::Cancelled).visit(jwks_spec()).cancelled);
}

TEST_CASE("the cluster's keys come from the API client alone") {
  SourceSpec spec;
  spec.kind = SourceKind::ClusterKeys;
  Script script;
  CHECK(fault(script.visit(spec)) == "ClusterFailed");
  Fetchers fetchers;
  Result<std::string> answer = one_key("cluster");
  fetchers.cluster_keys = [&](const std::stop_token&) { return answer; };
  const Visit good = visit_source(spec, {}, kNow, fetchers, {});
  REQUIRE(good.outcome);
  CHECK(good.outcome->keys->keys.at(0).kid == "cluster");
  answer = fail("403 forbidden");
  const Visit bad = visit_source(spec, good.memory, kNow, fetchers, {});
  CHECK(fault(bad) == "ClusterFailed");
  CHECK(bad.outcome.error().message.find("403 forbidden") != std::string::npos);
  CHECK(bad.memory.keys == good.memory.keys);
  CHECK(script.asked.empty());
}
