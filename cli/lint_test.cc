#include <doctest/doctest.h>

#include "cli/commands.h"
#include "cli/testing/manifests.h"
#include "cli/testing/run.h"

using namespace meshauth::cli;
using namespace meshauth::cli::testing;

namespace {

Outcome lint(const std::string& manifests) {
  const TempFolder folder;
  return run(add_lint, {"lint", "-f", folder.file("x.yaml", manifests)});
}

std::string policy_with(const std::string& rule, const std::string& more = "") {
  return "apiVersion: meshauth.dev/v1alpha1\nkind: AccessPolicy\nmetadata: {name: p, namespace: shop}\nspec:\n  "
         "rules:\n  - " +
         rule + "\n---\n" + more;
}

bool says(const Outcome& outcome, const std::string& text) {
  return outcome.err.find(text) != std::string::npos;
}

}  // namespace

TEST_CASE("lint: what is right says so, exit 0") {
  const Outcome outcome = lint(kShop);
  CHECK(outcome.code == 0);
  CHECK(outcome.err.empty());
  CHECK(outcome.out == "1 providers and 2 policies read, 0 errors, 0 warnings\n");
}

TEST_CASE("lint: a provider that is not there or not shared is an error that says what it does") {
  const Outcome missing = lint(policy_with("{name: a, action: Deny, from: [{identityProvider: {name: nobody}}]}"));
  CHECK(missing.code == 1);
  CHECK(says(missing, "spec.rules[0].from[0].identityProvider: there is no IdentityProvider shop/nobody"));
  CHECK(says(missing, "matches every caller"));
  const std::string idp =
      "apiVersion: meshauth.dev/v1alpha1\nkind: IdentityProvider\nmetadata: {name: idp, namespace: auth}\nspec: "
      "{issuer: 'https://x', audiences: [a], allowedNamespaces: {from: Selector, selector: {matchLabels: {team: "
      "a}}}}\n---\n";
  const std::string rule = "{name: a, action: Allow, from: [{identityProvider: {name: idp, namespace: auth}}]}";
  const Outcome unshared = lint(policy_with(rule, idp));
  CHECK(unshared.code == 1);
  CHECK(says(unshared, "does not share itself with namespace shop"));
  CHECK(says(unshared, "matches nobody"));
  CHECK(lint(policy_with(rule, idp + "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop, labels: {team: a}}\n"))
            .code == 0);
}

TEST_CASE("lint: what the operator would refuse is an error") {
  const Outcome outcome = lint(policy_with("{name: a, action: Allow}"));
  CHECK(outcome.code == 1);
  CHECK(says(outcome, "AccessPolicy shop/p: spec.rules[0].from: missing"));
  CHECK(says(lint("apiVersion: meshauth.dev/v1alpha1\nkind: AccessPolicies\nmetadata: {name: x}\n"),
             "is not known in meshauth.dev"));
  CHECK(says(lint("kind: AccessPolicy\n"), "no apiVersion"));
}

TEST_CASE("lint: what can never match, or cannot be meant, is a warning and exit 0") {
  const auto warned = [](const std::string& rule, const std::string& text) {
    CAPTURE(rule);
    const Outcome outcome = lint(policy_with(rule));
    CAPTURE(outcome.err);
    CHECK(outcome.code == 0);
    CHECK(says(outcome, text));
  };
  warned("{name: a, action: Deny, to: [{methods: [GET], notMethods: [GET, PUT]}]}",
         "can never match: every one of its methods");
  warned("{name: a, action: Deny, to: [{paths: [/a], notPaths: [/**]}]}", "notPaths holds /**");
  warned("{name: a, action: Deny, to: [{paths: ['/a;b']}]}", "semicolon");
  warned("{name: a, action: Deny, to: [{paths: ['/u/{id}']}], when: [{pathVariable: id, equalsClaim: [sub]}]}",
         "names no provider");
}

TEST_CASE("lint: an inline key set without a usable key is an error") {
  const std::string head =
      "apiVersion: meshauth.dev/v1alpha1\nkind: IdentityProvider\nmetadata: {name: idp, namespace: auth}\nspec: "
      "{issuer: 'https://x', audiences: [a], jwks: {inline: ";
  CHECK(says(lint(head + "'{\"keys\": []}'}}\n"), "holds no key that can verify"));
  CHECK(lint(head + "'{\"keys\": []}'}}\n").code == 1);
}
