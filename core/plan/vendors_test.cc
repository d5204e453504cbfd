// What the vendors publish, and what their pages say, against the profiles.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "core/model/profiles.h"
#include "core/plan/testing/vendor.h"

namespace meshauth::plan {
namespace {

using testing::kVendors;
using testing::Vendor;

std::string flip_slash(std::string issuer) {
  if (issuer.ends_with('/')) {
    issuer.pop_back();
  } else {
    issuer += '/';
  }
  return issuer;
}

std::string path_text(const ClaimPath& path) {
  return fmt::format("`[{}]`", fmt::join(path, ", "));
}

std::string texts(const std::vector<std::string>& values) {
  std::vector<std::string> out;
  for (const std::string& value : values) out.push_back(value.empty() ? "none" : "`" + value + "`");
  return fmt::format("{}", fmt::join(out, ", "));
}

std::string paths(const std::vector<ClaimPath>& list, const char* between) {
  std::vector<std::string> out;
  for (const ClaimPath& path : list) out.push_back(path_text(path));
  return fmt::format("{}", fmt::join(out, between));
}

/// The table that each page shows.
std::string profile_table(const model::ProfileDefaults& defaults) {
  std::string out = "| the profile sets | to |\n|---|---|\n";
  const auto row = [&](std::string_view name, const std::string& value) {
    out += fmt::format("| {} | {} |\n", name, value.empty() ? "nothing" : value);
  };
  std::string required;
  for (const ClaimCondition& one : defaults.required_claims) {
    required += fmt::format("`{}` {} {}", fmt::join(one.path, "."), claim_operator_name(one.op), texts(one.values));
  }
  if (!defaults.issuer_aliases.empty()) row("`issuerAliases`", texts(defaults.issuer_aliases));
  row("`audienceClaim`", path_text(defaults.audience_claim));
  row("`tokenTypes`", texts(defaults.token_types));
  row("`requiredClaims`", required);
  row("subject", path_text(defaults.mappings.subject));
  row("client", paths(defaults.mappings.client, ", else "));
  row("scopes", paths(defaults.mappings.scopes, ", "));
  row("groups", paths(defaults.mappings.groups, ", "));
  row("roles", paths(defaults.mappings.roles, ", "));
  return out;
}

}  // namespace

TEST_CASE("a discovery document is its vendor's if it names the issuer of the manifest, byte for byte") {
  struct Case {
    std::string vendor, url;
  };
  for (const Case& c : {Case{"okta", "https://dev-1.okta.com/oauth2/default/.well-known/openid-configuration"},
                        Case{"auth0", "https://example.eu.auth0.com/.well-known/openid-configuration"},
                        Case{"cognito",
                             "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_AbCdEfGhI/.well-known/"
                             "openid-configuration"},
                        Case{"keycloak", "https://sso.example.com/realms/shop/.well-known/openid-configuration"},
                        Case{"google", "https://accounts.google.com/.well-known/openid-configuration"},
                        Case{"dex", "https://dex.example.com/dex/.well-known/openid-configuration"}}) {
    CAPTURE(c.vendor);
    const Vendor vendor(c.vendor);
    const auto provider = vendor.parsed();
    const std::string issuer = vendor.discovery["issuer"];
    CHECK(std::get<model::Discovery>(provider.keys).url == c.url);
    CHECK_FALSE(foreign_issuer(provider, issuer));
    CHECK(foreign_issuer(provider, flip_slash(issuer)));
    CHECK(foreign_issuer(provider, "http" + issuer.substr(5)));
    CHECK(vendor.discovery["jwks_uri"].get<std::string>().starts_with("https://"));
  }
}

TEST_CASE("Entra: the documents of a tenant, of common with its template, and of version 1.0") {
  const std::string login = "https://login.microsoftonline.com/", tenant = "aaaabbbb-0000-4ccc-8111-dddd2222eeee";
  const auto url = [](const model::IdentityProvider& provider) {
    return std::get<model::Discovery>(provider.keys).url;
  };

  Vendor one("entra");
  one.with_documents(".tenant");
  CHECK(url(one.parsed()) == login + tenant + "/v2.0/.well-known/openid-configuration");
  CHECK_FALSE(foreign_issuer(one.parsed(), one.discovery["issuer"]));

  Vendor many("entra");
  CHECK(foreign_issuer(many.parsed(), many.discovery["issuer"]));  // the template is no tenant
  many.provider = many.manifest("IdentityProvider", 1);
  CHECK(url(many.parsed()) == login + "common/v2.0/.well-known/openid-configuration");
  CHECK_FALSE(foreign_issuer(many.parsed(), many.discovery["issuer"]));
  CHECK(foreign_issuer(many.parsed(), one.discovery["issuer"]));

  Vendor old("entra");
  old.with_documents(".v1").with_spec(R"({"issuer": "https://sts.windows.net/)" + tenant + R"(/"})");
  CHECK(url(old.parsed()) == login + tenant + "/.well-known/openid-configuration");
  CHECK_FALSE(foreign_issuer(old.parsed(), old.discovery["issuer"]));
  CHECK(foreign_issuer(old.parsed(), flip_slash(old.discovery["issuer"])));
}

TEST_CASE("Kubernetes: the API server itself gives the keys, and its document has the manifest's issuer") {
  const Vendor vendor("kubernetes");
  CHECK(std::holds_alternative<model::ClusterKeys>(vendor.parsed().keys));
  CHECK(vendor.discovery["issuer"] == vendor.parsed().settings.issuer);
}

TEST_CASE("of each vendor's key set the signing keys are used, and the others are named with the reason") {
  struct Case {
    std::string vendor, file;
    std::size_t usable;
    std::vector<std::string> skipped;
  };
  for (const Case& c :
       {Case{"okta", "jwks", 2, {}}, Case{"auth0", "jwks", 2, {}}, Case{"cognito", "jwks", 2, {}},
        Case{"entra", "jwks", 3, {}}, Case{"entra", "jwks.tenant", 2, {}}, Case{"entra", "jwks.v1", 2, {}},
        Case{"keycloak", "jwks", 1, {"use is \"enc\", not \"sig\""}}, Case{"google", "jwks", 2, {}},
        Case{"kubernetes", "jwks", 2, {}}, Case{"dex", "jwks", 3, {}}, Case{"dex", "jwks.rotated", 3, {}}}) {
    CAPTURE(c.vendor);
    CAPTURE(c.file);
    const auto set = jose::parse_key_set(Vendor(c.vendor).document(c.file).dump());
    REQUIRE(set);
    CHECK(set->keys.size() == c.usable);
    CHECK(set->ambiguous_kids.empty());
    REQUIRE(set->skipped.size() == c.skipped.size());
    for (std::size_t i = 0; i < c.skipped.size(); ++i) CHECK(set->skipped[i].reason == c.skipped[i]);
  }
}

TEST_CASE("keys are bound to algorithm and issuer where the vendor says so, and only there") {
  for (const std::string& name : kVendors) {
    CAPTURE(name);
    const auto set = jose::parse_key_set(Vendor(name).jwks.dump());
    REQUIRE(set);
    for (const jose::Jwk& key : set->keys) {
      CHECK_FALSE(key.kid.empty());
      CHECK(key.alg.empty() == (name == "entra"));
      CHECK(key.issuer.empty() == (name != "entra"));
      CHECK(key.fits(Algorithm::PS256) == (name == "entra"));
    }
  }
}

TEST_CASE("the manifests of each page are valid, and its providers are those in examples/providers") {
  for (const std::string& name : kVendors) {
    CAPTURE(name);
    std::size_t providers = 0, policies = 0;
    for (const std::string& block : model::testing::yaml_blocks(testing::vendor_page(name))) {
      for (const auto& object : model::testing::read_yaml(block)) {
        if (object.value("kind", "") == "AccessPolicy") {
          const auto policy = model::parse_access_policy(object);
          CHECK_MESSAGE(policy, (policy ? "" : model::to_message(policy.error())));
          ++policies;
          continue;
        }
        const auto provider = model::parse_identity_provider(object);
        REQUIRE_MESSAGE(provider, (provider ? "" : model::to_message(provider.error())));
        CHECK(model::profile_name(provider->profile) == name);
        const std::string file = name == "kubernetes" ? name : provider->meta.name;
        CHECK(block == model::testing::read_text(std::filesystem::path(MESH_AUTH_SOURCE_DIR) / "examples/providers" /
                                                 (file + ".yaml")));
        ++providers;
      }
    }
    CHECK(providers >= 1);
    CHECK(policies == 1);
  }
}

TEST_CASE("each page shows what its profile sets") {
  for (const std::string& name : kVendors) {
    CAPTURE(name);
    const auto provider = Vendor(name).parsed();
    const std::string table = profile_table(model::defaults_of(provider.profile, provider.settings.issuer));
    CAPTURE(table);
    CHECK(testing::vendor_page(name).find("\n" + table + "\n") != std::string::npos);
  }
}

TEST_CASE("every form of a fixture has a public source") {
  for (const std::string& name : kVendors) {
    const std::string source = model::testing::read_text(testing::vendor_folder(name) / "SOURCE");
    CAPTURE(name);
    CHECK(source.find("https://") != std::string::npos);
    for (const auto& entry : std::filesystem::directory_iterator(testing::vendor_folder(name))) {
      const std::string file = entry.path().filename().string();
      CAPTURE(file);
      if (file != "SOURCE") CHECK(source.find("\n" + file + ": ") != std::string::npos);
    }
  }
}

}  // namespace meshauth::plan
