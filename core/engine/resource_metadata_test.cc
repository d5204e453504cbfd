#include "core/engine/resource_metadata.h"

#include <doctest/doctest.h>

#include "core/bundle/documents.h"

namespace meshauth::engine {
namespace {

TEST_CASE("the resource's identifier is its metadata URL without the well-known part") {
  const auto root = protected_resource("https://app.test:8443/.well-known/oauth-protected-resource");
  REQUIRE(root);
  CHECK(root->identifier == "https://app.test:8443");
  CHECK(root->path == "/.well-known/oauth-protected-resource");
  const auto orders = protected_resource("https://app.test/.well-known/oauth-protected-resource/orders/v1");
  REQUIRE(orders);
  CHECK(orders->identifier == "https://app.test/orders/v1");
  CHECK(orders->path == "/.well-known/oauth-protected-resource/orders/v1");
}

TEST_CASE("what nginx could not find as it stands is not served") {
  for (const char* url :
       {"https://app.test", "https://app.test/", "https://app.test/metadata",
        "https://app.test/.well-known/oauth-protected-resources",
        "https://app.test/.well-known/oauth-protected-resource?a=b",
        "https://app.test/.well-known/oauth-protected-resource/../x",
        "https://app.test/.well-known/oauth-protected-resource//x",
        "https://app.test/.well-known/oauth-protected-resource/a%2fb",
        "https://app.test/.well-known/oauth-protected-resource/a;b", "app.test/.well-known/oauth-protected-resource"}) {
    CAPTURE(url);
    CHECK(!protected_resource(url));
  }
}

TEST_CASE("the providers are the authorization servers, each once; of many tenants none is named") {
  bundle::JwksFile file;
  for (const char* issuer :
       {"https://b.test/", "https://a.test", "https://a.test", "https://login.test/{tenantid}/v2.0"}) {
    ProviderSettings provider;
    provider.id = "shop/p" + std::to_string(file.providers.size());
    provider.issuer = issuer;
    provider.token_sources = {{"authorization", "Bearer", ""}};
    file.providers.push_back(provider);
  }
  const ProtectedResource resource{"https://app.test", "/.well-known/oauth-protected-resource"};
  const auto made = resource_metadata(resource, bundle::write_jwks(file));
  REQUIRE_MESSAGE(made, made.error().message);
  CHECK(*made == R"({"resource":"https://app.test","authorization_servers":["https://a.test","https://b.test/"],)"
                 R"("bearer_methods_supported":["header"]})"
                 "\n");
  CHECK(!resource_metadata(resource, "no JSON"));
}

}  // namespace
}  // namespace meshauth::engine
