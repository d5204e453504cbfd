// For tests: a vendor's documents (testdata/vendors/NAME) and the manifests of its page (docs/providers/NAME.md), put
// together as the operator does, and asked as a checkpoint asks. Tests that include it link yaml-cpp.
#pragma once

#include <doctest/doctest.h>

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/bundle/documents.h"
#include "core/jose/testing/token_maker.h"
#include "core/jose/verifier.h"
#include "core/model/testing/manifests.h"
#include "core/plan/workload_plan.h"
#include "core/policy/engine.h"

namespace meshauth::plan::testing {

using jose::testing::TestKey;
using nlohmann::json;

inline const std::vector<std::string> kVendors = {"okta",     "auth0",  "cognito",    "entra",
                                                  "keycloak", "google", "kubernetes", "dex"};

inline std::filesystem::path vendor_folder(const std::string& vendor) {
  return std::filesystem::path(MESH_AUTH_SOURCE_DIR) / "core/plan/testdata/vendors" / vendor;
}

inline std::string vendor_page(const std::string& vendor) {
  return model::testing::read_text(std::filesystem::path(MESH_AUTH_SOURCE_DIR) / "docs/providers" / (vendor + ".md"));
}

/// The private half that a test has for a kid of a fixture: of the same type, never that of the fixture.
inline const TestKey& private_key(const std::string& kid, const std::string& kty) {
  static const std::vector<TestKey> rsa = {TestKey::rsa(), TestKey::rsa(), TestKey::rsa(), TestKey::rsa()};
  static const TestKey ec = TestKey::p256();
  static std::map<std::string, const TestKey*> known;
  const TestKey*& key = known[kid];
  if (key == nullptr) key = kty == "EC" ? &ec : &rsa[known.size() % rsa.size()];
  return *key;
}

/// A vendor's set with the keys of the test in place of its own; everything else stays.
inline jose::KeySet signable(json set) {
  for (json& jwk : set["keys"]) {
    const TestKey& key = private_key(jwk["kid"], jwk["kty"]);
    for (const char* name : {"n", "e", "x", "y"}) {
      if (jwk.contains(name)) jwk[name] = key.member(name);
    }
  }
  auto keys = jose::parse_key_set(set.dump());
  REQUIRE_MESSAGE(keys, (keys ? "" : keys.error().message));
  return std::move(*keys);
}

/// The patch of one claim: claim("iss", "\"x\"").
inline std::string claim(const std::string& name, const std::string& json_value) {
  return R"({"claims": {")" + name + "\": " + json_value + "}}";
}
inline std::string header(const std::string& name, const std::string& json_value) {
  return R"({"header": {")" + name + "\": " + json_value + "}}";
}

struct Vendor {
  std::string name;
  json discovery, jwks, provider;

  explicit Vendor(std::string vendor)
      : name(std::move(vendor)),
        discovery(document("discovery")),
        jwks(document("jwks")),
        provider(manifest("IdentityProvider", 0)) {}

  json document(const std::string& file) const {
    const auto path = vendor_folder(name) / (file + ".json");
    auto out = json::parse(model::testing::read_text(path), nullptr, false);
    REQUIRE_MESSAGE(!out.is_discarded(), path.string());
    return out;
  }

  /// The page's nth manifest of that kind.
  json manifest(const std::string& kind, std::size_t n) const {
    for (const std::string& block : model::testing::yaml_blocks(vendor_page(name))) {
      for (json& object : model::testing::read_yaml(block)) {
        if (object.value("kind", "") == kind && n-- == 0) return std::move(object);
      }
    }
    FAIL("the page of " << name << " has no such " << kind);
    return {};
  }

  /// RFC 7396, on the spec of the provider.
  Vendor& with_spec(const std::string& patch) {
    provider["spec"].merge_patch(json::parse(patch));
    return *this;
  }
  Vendor& with_documents(const std::string& suffix) {
    discovery = document("discovery" + suffix);
    jwks = document("jwks" + suffix);
    return *this;
  }

  model::IdentityProvider parsed() const {
    auto out = model::parse_identity_provider(provider);
    REQUIRE_MESSAGE(out, (out ? "" : model::to_message(out.error())));
    return std::move(*out);
  }

  /// A token of the fixture after an RFC 7396 patch of {"header", "claims"}, signed for the kid in its header.
  std::string token(const std::string& file, const std::string& patch = "{}") const {
    json draft = document(file);
    draft.merge_patch(json::parse(patch));
    const std::string kid = draft["header"].value("kid", ""), alg = draft["header"].value("alg", "");
    const TestKey& key = private_key(kid, alg.starts_with("ES") ? "EC" : "RSA");
    return key.token(algorithm_from_name(alg).value_or(Algorithm::RS256), draft["header"].dump(),
                     draft["claims"].dump());
  }
};

/// A minute after the tokens of the fixtures were made.
constexpr double kVendorNow = 1795600060;

/// What a sidecar of workload shop/orders makes of the vendor's tokens: everything comes out of its bundle.
class Checkpoint {
 public:
  explicit Checkpoint(const Vendor& vendor) : verifier_({}, {}) {
    const auto provider = std::make_shared<const model::IdentityProvider>(vendor.parsed());
    auto policy = model::parse_access_policy(vendor.manifest("AccessPolicy", 0));
    REQUIRE_MESSAGE(policy, (policy ? "" : model::to_message(policy.error())));
    WorkloadView view;
    view.ns = "shop";
    view.name = "orders";
    view.policies = {{policy->meta, std::make_shared<const model::AccessPolicy>(*policy), {}}};
    view.provider = [&](const std::string& id) -> std::optional<HeldProvider> {
      if (id != provider->meta.id()) return std::nullopt;
      return HeldProvider{provider->meta, provider, {}};
    };
    view.namespace_labels = [](const std::string&) { return std::map<std::string, std::string>(); };
    view.keys = [&](const std::string&) { return SourceKeys{signable(vendor.jwks), vendor.discovery["issuer"]}; };
    const auto plan = plan_workload(view, {"mesh-auth-system", model::Action::Deny, ""});
    REQUIRE_MESSAGE(plan, (plan ? "" : plan.error().message));
    auto keys = bundle::read_jwks(plan->files.at("jwks.json"));
    auto compiled = policy::from_json(plan->files.at("policy.json"));
    REQUIRE(keys);
    REQUIRE(compiled);
    verifier_ = jose::Verifier(std::move(keys->providers), std::move(keys->sources));
    engine_ = std::make_unique<policy::Engine>(std::move(*compiled));
  }

  /// none: accepted.
  Reason reason(const std::string& token, double now = kVendorNow) {
    const auto verified = verifier_.verify(token, now);
    return verified ? Reason::none : verified.error().reason;
  }

  jose::Identity identity(const std::string& token) {
    auto verified = verifier_.verify(token, kVendorNow);
    REQUIRE_MESSAGE(verified, (verified ? "" : verified.error().detail));
    REQUIRE(verified->identities.size() == 1);
    return std::move(verified->identities[0]);
  }

  /// none: allowed. The reason of the token comes before that of the policies.
  Reason decide(const std::string& token, const std::string& method, const std::string& target) {
    const auto verified = verifier_.verify(token, kVendorNow);
    if (!verified) return verified.error().reason;
    policy::Principal principal;
    for (const jose::Identity& one : verified->identities) {
      principal.identities.push_back(
          {verifier_.providers()[one.provider].id, one.subject, one.client, &one.scopes, &one.groups, &one.roles});
    }
    principal.claims = verified->claims;
    const auto path = policy::decode_path(target);
    REQUIRE(path);
    policy::Request request;
    request.method = method;
    request.path = &*path;
    request.headers = [](std::string_view) { return std::vector<std::string_view>(); };
    return engine_->decide(principal, request).enforced.reason;
  }

 private:
  jose::Verifier verifier_;
  std::unique_ptr<policy::Engine> engine_;
};

}  // namespace meshauth::plan::testing
