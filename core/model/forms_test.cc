// Each form is the same language as the pattern, and has the same bounds, as its field in crds/.
#include "core/model/forms.h"

#include <doctest/doctest.h>
#include <re2/re2.h>
#include <yaml-cpp/yaml.h>

#include <map>
#include <random>
#include <string>
#include <vector>

namespace meshauth::model {
namespace {

/// The schema of a field: "spec.rules.[].name", "[]" for a list's items and "{}" for a map's values.
YAML::Node schema_of(const std::string& crd, const std::string& field) {
  YAML::Node file = YAML::LoadFile(std::string(MESH_AUTH_SOURCE_DIR) + "/crds/meshauth.dev_" + crd + ".yaml");
  YAML::Node node = YAML::Clone(file["spec"]["versions"][0]["schema"]["openAPIV3Schema"]);
  std::string name;
  for (std::size_t i = 0; i <= field.size(); ++i) {
    if (i < field.size() && field[i] != '.') {
      name += field[i];
      continue;
    }
    node.reset(name == "[]" ? node["items"] : name == "{}" ? node["additionalProperties"] : node["properties"][name]);
    name.clear();
  }
  return node;
}

struct Row {
  const Form* form;
  const char* crd;
  const char* field;
  std::vector<std::string> seeds;  ///< texts that are mutated
  bool narrower = false;           ///< the model refuses more: what a pattern cannot say
};

const std::vector<Row>& rows() {
  static const std::vector<Row> kRows{
      {&kDnsLabel, "accesspolicies", "spec.workloads.[]", {"orders", "a-b-c", "0", "-a"}},
      {&kDnsLabel, "accesspolicies", "spec.rules.[].name", {"read-own", "a"}},
      {&kDnsLabel, "accesspolicies", "spec.rules.[].from.[].identityProvider.namespace", {"auth", "a.b"}},
      {&kDnsSubdomain, "accesspolicies", "spec.rules.[].from.[].identityProvider.name", {"okta", "a.b-c.d", "a..b"}},
      {&kSubject, "accesspolicies", "spec.rules.[].from.[].subjects.[]", {"alice", "svc:*", "*:*", "ünï*"}},
      {&kNoStar, "accesspolicies", "spec.rules.[].from.[].clients.[]", {"web", "a b", "*"}},
      {&kNoStar, "accesspolicies", "spec.rules.[].from.[].groups.all.[]", {"/staff/eu", "g*"}},
      {&kNoStar, "accesspolicies", "spec.rules.[].from.[].roles.any.[]", {"owner"}},
      {&kScope,
       "accesspolicies",
       "spec.rules.[].from.[].scopes.all.[]",
       {"orders:read", "a b", "a\"b", "a\\b", "ü", "~!#"}},
      {&kText, "accesspolicies", "spec.rules.[].from.[].claims.[].values.[]", {"gold", "ü"}},
      {&kText, "accesspolicies", "spec.rules.[].from.[].claims.[].path.[]", {"https://x.example/y"}},
      {&kMethod, "accesspolicies", "spec.rules.[].to.[].methods.[]", {"GET", "M-SEARCH", "get", "-A"}},
      {&kPathPattern,
       "accesspolicies",
       "spec.rules.[].to.[].paths.[]",
       {"/", "/**", "/users/{id}/orders/**", "/a/*/c/", "/a/./b", "/..", "/...", "/.a", "/{_x9}", "/a;b", "/a/**/",
        "/{a b}", "//", "/ü"}},
      {&kPathPattern, "accesspolicies", "spec.rules.[].to.[].notPaths.[]", {"/a/**", "/{id}"}},
      {&kHostPattern,
       "accesspolicies",
       "spec.rules.[].to.[].hosts.[]",
       {"a.example.com", "*.example.com", "[2001:db8::1]", "[::]", "*", "a_b", "A", "[zz]"},
       true},
      {&kVariable, "accesspolicies", "spec.rules.[].when.[].pathVariable", {"id", "_a9", "9a", "a-b"}},
      {&kHeaderName, "accesspolicies", "spec.rules.[].when.[].header", {"X-Tenant", "-", "a_b"}},
      {&kCidr,
       "accesspolicies",
       "spec.rules.[].when.[].sourceIPs.[]",
       {"10.0.0.0/8", "2001:db8::/32", "0.0.0.0/0", "::/0", "255.255.255.255/32", "10.0.0.1/08"},
       true},
      {&kIssuer,
       "identityproviders",
       "spec.issuer",
       {"https://dev-1.okta.com/oauth2/default", "https://x", "https://[::1]:8443/a",
        "https://login.microsoftonline.com/{tenantid}/v2.0", "https://a.b:99999/", "http://x", "https://x?y",
        "https://u@x/"}},
      {&kIssuerAlias, "identityproviders", "spec.issuerAliases.[]", {"accounts.google.com", "a{b", "a|~z"}},
      {&kUrl,
       "identityproviders",
       "spec.discovery.url",
       {"https://x/.well-known/openid-configuration?a=b", "https://x", "https://x#y", "https://ü/", "https://x?y z",
        "https://u@x/"}},
      {&kUrl, "identityproviders", "spec.jwks.uri", {"https://login.example.com/keys"}},
      {&kAudience, "identityproviders", "spec.audiences.[]", {"api://orders", "a b", "a\x01", "ü"}},
      {&kTokenType, "identityproviders", "spec.tokenTypes.[]", {"at+jwt", "application/at+jwt", "JWT", "a/b/c", "/a"}},
      {&kLabelKey,
       "identityproviders",
       "spec.allowedNamespaces.selector.matchExpressions.[].key",
       {"team", "example.com/team", "a/b/c", "A_b.c"}},
      {&kLabelValue, "identityproviders", "spec.allowedNamespaces.selector.matchLabels.{}", {"", "a", "a_b.c-D", "-"}},
      {&kLabelValue, "identityproviders", "spec.allowedNamespaces.selector.matchExpressions.[].values.[]", {"x"}},
      {&kHeaderName, "identityproviders", "spec.tokenSources.[].header", {"Authorization"}},
      {&kToken, "identityproviders", "spec.tokenSources.[].scheme", {"Bearer", "a b", "!#$%&'*+.^_`|~-"}},
      {&kToken, "identityproviders", "spec.tokenSources.[].cookie", {"session", "a;b"}},
      {&kForwardHeader,
       "identityproviders",
       "spec.forward.claims.[].header",
       {"X-User-Email", "a--b", "9a", "a-", "-a"}},
      {&kText, "identityproviders", "spec.audienceClaim.[]", {"aud"}},
      {&kInlineJwks, "identityproviders", "spec.jwks.inline", {"{\"keys\": []}", " {} ", "{", "[]"}, true},
      {&kCaBundle, "identityproviders", "spec.tls.caBundle", {"-----BEGIN CERTIFICATE-----\n", "x"}, true},
  };
  return kRows;
}

/// A text near the seed: characters taken out, doubled, replaced or put in.
std::string mutated(std::mt19937_64& random, std::string text) {
  static const std::vector<std::string> kPieces{"/",  ".", "..", "*",  "**", "{",  "}",    "-",       "_",    ":",  "a",
                                                "Z",  "0", "9",  " ",  "\t", "\n", "\r",   "\x7f",    "\x01", "\v", "?",
                                                "#",  "%", "\\", "\"", ";",  ",",  "@",    "[",       "]",    "+",  "ü",
                                                "//", "|", "~",  "1",  "f",  "g",  "{id}", "https://"};
  for (std::size_t i = 1 + random() % 3; i > 0; --i) {
    // Only between whole characters: the API server knows no other text.
    std::vector<std::size_t> bounds;
    for (std::size_t at = 0; at <= text.size(); ++at) {
      if (at == text.size() || (static_cast<unsigned char>(text[at]) & 0xc0) != 0x80) bounds.push_back(at);
    }
    const std::size_t at = random() % bounds.size();
    const std::string& piece = kPieces[random() % kPieces.size()];
    const bool remove = random() % 3 == 0 && at + 1 < bounds.size();
    if (remove) {
      text.erase(bounds[at], bounds[at + 1] - bounds[at]);
    } else {
      text.insert(bounds[at], piece);
    }
  }
  return text;
}

}  // namespace

TEST_CASE("lengths are those of the schema") {
  for (const Row& row : rows()) {
    CAPTURE(std::string(row.field));
    const YAML::Node schema = schema_of(row.crd, row.field);
    REQUIRE(schema["maxLength"]);
    CHECK(row.form->most == schema["maxLength"].as<std::size_t>());
    CHECK(row.form->least == (schema["minLength"] ? schema["minLength"].as<std::size_t>() : 0));
  }
}

TEST_CASE("forms and patterns accept the same texts") {
  std::mt19937_64 random(7);
  for (const Row& row : rows()) {
    CAPTURE(std::string(row.field));
    const YAML::Node schema = schema_of(row.crd, row.field);
    const std::string pattern = schema["pattern"] ? schema["pattern"].as<std::string>() : "";
    if (!row.narrower) CHECK(pattern.empty() == (row.form->valid == nullptr));
    const RE2 regex(pattern, RE2::Quiet);
    REQUIRE(regex.ok());
    std::size_t accepted = 0, refused = 0;
    for (int i = 0; i < 3000; ++i) {
      const std::string& seed = row.seeds[static_cast<std::size_t>(i) % row.seeds.size()];
      const std::string text = i < static_cast<int>(row.seeds.size()) ? seed : mutated(random, seed);
      if (code_points(text) < row.form->least || code_points(text) > row.form->most) continue;
      const bool schema_accepts = RE2::PartialMatch(text, regex), model_accepts = fits(*row.form, text);
      ++(model_accepts ? accepted : refused);
      if (schema_accepts == model_accepts || (row.narrower && schema_accepts)) continue;
      CAPTURE(text);
      CHECK(schema_accepts == model_accepts);
    }
    CHECK(accepted >= 20);
    if (row.form->valid != nullptr) CHECK(refused >= 20);
  }
}

TEST_CASE("characters are counted, not bytes") {
  CHECK(code_points("") == 0);
  CHECK(code_points("a\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80") == 4);
  std::string longest;
  for (int i = 0; i < 256; ++i) longest += "\xc3\xbc";
  CHECK(fits(kText, longest));
  CHECK_FALSE(fits(kText, longest + "a"));
}

TEST_CASE("what a pattern cannot say of a host, a network and a key set is refused all the same") {
  CHECK_FALSE(fits(kHostPattern, "[:::]"));
  CHECK_FALSE(fits(kHostPattern, "[12345]"));
  CHECK_FALSE(fits(kCidr, "10.0.0.1/8"));
  CHECK_FALSE(fits(kCidr, "2001:db8::1/32"));
  CHECK_FALSE(fits(kCidr, "1::2::3/64"));
  CHECK_FALSE(fits(kInlineJwks, R"({"keys": [{"kty": "RSA", "d" : "x"}]})"));
  CHECK_FALSE(fits(kInlineJwks, "{\"k\"\n:1}"));
  CHECK(fits(kInlineJwks, R"({"keys": [{"kid": "d", "kty": "k"}]})"));
  CHECK_FALSE(fits(kCaBundle, "-----BEGIN CERTIFICATE-----\n-----BEGIN RSA PRIVATE KEY-----\n"));
}

}  // namespace meshauth::model
