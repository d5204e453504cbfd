// What the operator takes from each vendor's documents: fixtures of core/plan/testdata/vendors, whose SOURCE names the
// public page of each form, fetched as the profile's own defaults say.
#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include "core/model/identity_provider.h"
#include "operator/idp/key_fetch.h"

namespace meshauth::idp {
namespace {

using Texts = std::vector<std::string>;

const std::string kLogin = "https://login.microsoftonline.com/";
const std::string kTenant = "aaaabbbb-0000-4ccc-8111-dddd2222eeee";

struct VendorCase {
  std::string profile, suffix;  ///< fixtures discovery<suffix>.json and jwks<suffix>.json
  std::string issuer;           ///< spec.issuer
  std::string url, document_issuer, jwks_uri;
  Texts kids;
  std::map<std::string, std::string> skipped = {};  ///< reason by kid
};

const VendorCase kCases[] = {
    {"okta",
     "",
     "https://dev-1.okta.com/oauth2/default",
     "https://dev-1.okta.com/oauth2/default/.well-known/openid-configuration",
     "https://dev-1.okta.com/oauth2/default",
     "https://dev-1.okta.com/oauth2/default/v1/keys",
     {"IQ31acx-tc0KmS8fo89387rSBcAtwm8tWasJ-MLz8NQ", "69F5c8Gr2fRfpIULyEa0MWkotPSUgO6puHwpiWeYe0k"}},
    // The issuer ends with a slash, which the document's URL does not repeat.
    {"auth0",
     "",
     "https://example.eu.auth0.com/",
     "https://example.eu.auth0.com/.well-known/openid-configuration",
     "https://example.eu.auth0.com/",
     "https://example.eu.auth0.com/.well-known/jwks.json",
     {"2MTpSyvIURptneLdQicLE", "OdFlOOD6sTWap-rY8RdcN"}},
    {"cognito",
     "",
     "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_AbCdEfGhI",
     "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_AbCdEfGhI/.well-known/openid-configuration",
     "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_AbCdEfGhI",
     "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_AbCdEfGhI/.well-known/jwks.json",
     {"MXNt+A82WVj7BGSVk4mqnjOa/IA0XK9R4tWOYgd7HZM=", "CksVEgYzTmLL1yo/wiLmz4nA59DaxdcIE/4n2yTprw0="}},
    // One tenant, version 2.0.
    {"entra",
     ".tenant",
     kLogin + kTenant + "/v2.0",
     kLogin + kTenant + "/v2.0/.well-known/openid-configuration",
     kLogin + kTenant + "/v2.0",
     kLogin + kTenant + "/discovery/v2.0/keys",
     {"jMhFwQn1xiNdSRwForw5CqtEjo0", "Y3guAtOFNvswql464WbQOIH0Ojs"}},
    // Many tenants: the issuer is a template, literally so in the document of common.
    {"entra",
     "",
     kLogin + "{tenantid}/v2.0",
     kLogin + "common/v2.0/.well-known/openid-configuration",
     kLogin + "{tenantid}/v2.0",
     kLogin + "common/discovery/v2.0/keys",
     {"jMhFwQn1xiNdSRwForw5CqtEjo0", "Y3guAtOFNvswql464WbQOIH0Ojs", "Gr195zKHxXOgMl7YD6e5Ewg6qwg"}},
    // Version 1.0: another issuer than the host that describes it.
    {"entra",
     ".v1",
     "https://sts.windows.net/" + kTenant + "/",
     kLogin + kTenant + "/.well-known/openid-configuration",
     "https://sts.windows.net/" + kTenant + "/",
     kLogin + "common/discovery/keys",
     {"jMhFwQn1xiNdSRwForw5CqtEjo0", "Y3guAtOFNvswql464WbQOIH0Ojs"}},
    {"keycloak",
     "",
     "https://sso.example.com/realms/shop",
     "https://sso.example.com/realms/shop/.well-known/openid-configuration",
     "https://sso.example.com/realms/shop",
     "https://sso.example.com/realms/shop/protocol/openid-connect/certs",
     {"A4Oil7oylAj1hAStr3tbOjwW8LdWkoSTDVYrIIXX3HI"},
     {{"iZoZt8bC9I8FXaNe-FBqvTSDUk6mZSYcpXDo5OsCRz0", "use is \"enc\", not \"sig\""}}},
    // The keys are at another host than the issuer.
    {"google",
     "",
     "https://accounts.google.com",
     "https://accounts.google.com/.well-known/openid-configuration",
     "https://accounts.google.com",
     "https://www.googleapis.com/oauth2/v3/certs",
     {"476cca5402763b19d888769094380f7bf9fcd53c", "4f3af23efe272ed0e5fe0dc5a88f22ec743b1717"}},
    // The issuer has a path, below which the document is.
    {"dex",
     "",
     "https://dex.example.com/dex",
     "https://dex.example.com/dex/.well-known/openid-configuration",
     "https://dex.example.com/dex",
     "https://dex.example.com/dex/keys",
     {"136196e5417eec1e3687d3403567faceebc6620e", "3b5e89025a9f95c5c6e48e3ea030fc7740fd36a3",
      "e095e9ac9f5afa77bc2f976dfb3b050353a5b39f"}},
};

std::string fixture(const std::string& vendor, const std::string& file) {
  const auto path =
      std::filesystem::path(MESH_AUTH_SOURCE_DIR) / "core/plan/testdata/vendors" / vendor / (file + ".json");
  std::ifstream in(path, std::ios::binary);
  REQUIRE_MESSAGE(in.good(), path.string());
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

/// A provider of that profile as little as may be said about it.
model::IdentityProvider least_provider(const std::string& profile, const std::string& issuer) {
  nlohmann::json spec = {{"profile", profile}, {"issuer", issuer}, {"audiences", {"api"}}};
  if (issuer.find('{') != std::string::npos)
    spec["requiredClaims"] = {{{"path", {"tid"}}, {"operator", "In"}, {"values", {kTenant}}}};
  auto provider = model::parse_identity_provider({{"apiVersion", "meshauth.dev/v1alpha1"},
                                                  {"kind", "IdentityProvider"},
                                                  {"metadata", {{"name", profile}, {"namespace", "auth"}}},
                                                  {"spec", spec}});
  REQUIRE_MESSAGE(provider, (provider ? "" : model::to_message(provider.error())));
  return std::move(*provider);
}

/// Has documents at some URLs, 404 at all others.
struct Web {
  std::map<std::string, std::string> documents;
  Texts asked;

  Visit visit(const SourceSpec& spec) {
    Fetchers fetchers;
    fetchers.fetch = [this](const http::FetchRequest& request, const std::stop_token&) {
      asked.push_back(request.url);
      http::FetchResponse response;
      const auto found = documents.find(request.url);
      response.status = found == documents.end() ? 404 : 200;
      if (found != documents.end()) response.body = found->second;
      return tl::expected<http::FetchResponse, http::FetchError>(std::move(response));
    };
    return visit_source(spec, {}, std::chrono::steady_clock::time_point(std::chrono::hours(1)), fetchers, {});
  }
};

SourceSpec spec_of(const VendorCase& c) {
  const auto provider = least_provider(c.profile, c.issuer);
  SourceSpec spec;
  spec.kind = SourceKind::Discovery;
  spec.url = std::get<model::Discovery>(provider.keys).url;
  spec.issuers = {provider.settings.issuer};
  return spec;
}

Web web_of(const VendorCase& c) {
  return {{{c.url, fixture(c.profile, "discovery" + c.suffix)}, {c.jwks_uri, fixture(c.profile, "jwks" + c.suffix)}},
          {}};
}

Texts kids_of(const jose::KeySet& set) {
  Texts out;
  for (const jose::Jwk& key : set.keys) out.push_back(key.kid);
  return out;
}

std::map<std::string, std::string> skipped_of(const jose::KeySet& set) {
  std::map<std::string, std::string> out;
  for (const jose::SkippedKey& key : set.skipped) out[key.kid] = key.reason;
  return out;
}

}  // namespace

TEST_CASE(
    "each vendor's documents, found by the profile alone: issuer, place of the keys, the keys, those passed over") {
  for (const VendorCase& c : kCases) {
    CAPTURE(c.profile);
    CAPTURE(c.suffix);
    Web web = web_of(c);
    const Visit visit = web.visit(spec_of(c));
    REQUIRE_MESSAGE(visit.outcome, (visit.outcome ? "" : visit.outcome.error().message));
    CHECK(web.asked == Texts{c.url, c.jwks_uri});
    CHECK(visit.outcome->discovered_issuer == c.document_issuer);
    CHECK(visit.outcome->jwks_uri == c.jwks_uri);
    CHECK(kids_of(*visit.outcome->keys) == c.kids);
    CHECK(skipped_of(*visit.outcome->keys) == c.skipped);
    CHECK(visit.outcome->keys->ambiguous_kids.empty());
  }
}

TEST_CASE("no vendor's document passes for another issuer, and its keys are not asked for then") {
  for (const VendorCase& theirs : kCases) {
    CAPTURE(theirs.profile);
    CAPTURE(theirs.suffix);
    for (const VendorCase& ours : kCases) {
      if (ours.issuer == theirs.issuer) continue;
      CAPTURE(ours.issuer);
      Web web = web_of(theirs);
      SourceSpec spec = spec_of(ours);
      spec.url = theirs.url;
      const Visit visit = web.visit(spec);
      REQUIRE_FALSE(visit.outcome);
      CHECK(visit.outcome.error().fault == SourceFault::IssuerMismatch);
      CHECK(visit.outcome.error().message.find(theirs.document_issuer) != std::string::npos);
      CHECK(web.asked == Texts{theirs.url});
    }
  }
}

TEST_CASE("Dex rotates: the next visit has the new key and not the one that left") {
  const VendorCase& dex = kCases[std::size(kCases) - 1];
  Web web = web_of(dex);
  web.documents[dex.jwks_uri] = fixture("dex", "jwks.rotated");
  const Visit visit = web.visit(spec_of(dex));
  REQUIRE(visit.outcome);
  CHECK(kids_of(*visit.outcome->keys) == Texts{"428b05fbe6c56140d01f17570a550fc0f187a714", dex.kids[0], dex.kids[1]});
}

TEST_CASE("Kubernetes: the keys come from the connected API server, whatever its document names as their place") {
  const auto document = parse_discovery(fixture("kubernetes", "discovery"));
  REQUIRE(document);
  CHECK(document->issuer == "https://kubernetes.default.svc.cluster.local");
  CHECK(document->jwks_uri == "https://10.0.0.1:6443/openid/v1/jwks");
  CHECK(std::holds_alternative<model::ClusterKeys>(least_provider("kubernetes", document->issuer).keys));

  SourceSpec spec;
  spec.kind = SourceKind::ClusterKeys;
  Fetchers fetchers;
  fetchers.cluster_keys = [](const std::stop_token&) -> Result<std::string> { return fixture("kubernetes", "jwks"); };
  const Visit visit = visit_source(spec, {}, {}, fetchers, {});  // a fetch of a URL would be a call of nothing
  REQUIRE(visit.outcome);
  CHECK(kids_of(*visit.outcome->keys) ==
        Texts{"HSf79yjOAWNQgBmMDLZVWQFSDU-RPffqJ-mdbHyeTQ0", "MOR9y9e9DxA18CDXtM7Z0lOso_cxwbDpw29utOVzPNs"});
  CHECK(visit.outcome->keys->skipped.empty());
  CHECK(visit.outcome->jwks_uri.empty());
}

}  // namespace meshauth::idp
