#include "cli/check/crd_fields.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

namespace meshauth::cli::check {

TEST_CASE("the fields of this release are known") {
  REQUIRE(our_fields().size() == 2);
  const Fields& policy = our_fields().at("accesspolicies.meshauth.dev");
  for (const char* name : {"spec.rules[].from[].identityProvider.name", "spec.mode", "status.conditions[].reason"}) {
    CAPTURE(name);
    CHECK(policy.contains(name));
  }
  const Fields& provider = our_fields().at("identityproviders.meshauth.dev");
  CHECK(provider.contains("spec.issuer"));
  CHECK(provider.contains("spec.allowedNamespaces.selector.matchLabels{}"));
}

TEST_CASE("what is no definition has no fields") {
  CHECK(fields_of(nlohmann::json()) == Fields{"spec", "status"});
  CHECK(fields_of(nlohmann::json::array({1})) == Fields{"spec", "status"});
}

}  // namespace meshauth::cli::check
