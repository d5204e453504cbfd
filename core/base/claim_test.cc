#include "core/base/claim.h"

#include <doctest/doctest.h>

#include "core/base/json_doc.h"

using namespace meshauth;

namespace {

const JsonDoc& claims() {
  static const auto doc = JsonDoc::parse(R"({
    "tier": "gold", "empty": "", "n": 7, "big": 18446744073709551615, "neg": -3, "half": 0.5, "yes": true, "no": false,
    "nothing": null, "groups": ["a", "b", 3, true, null, {"x": 1}, ["y"]], "none": [],
    "kubernetes.io": {"namespace": "shop", "pod": {"name": "p-1"}},
    "https://example.com/roles": ["admin"], "realm_access": {"roles": ["r1", "r2"]},
    "a": {"": {"b": "odd"}}, "a/b": "slash", "a~b": "tilde", "é": "accent"})");
  return *doc;
}

bool ask(ClaimPath path, ClaimOperator op, std::vector<std::string> values = {}) {
  return holds({std::move(path), op, std::move(values)}, claims().root());
}

}  // namespace

TEST_CASE("a path is a list of exact names, never split") {
  const auto text = [](const ClaimPath& path) {
    const auto claim = find_claim(claims().root(), path);
    return claim ? claim_text(*claim).value_or("(no text)") : "(missing)";
  };
  CHECK(text({"tier"}) == "gold");
  CHECK(text({"kubernetes.io", "namespace"}) == "shop");
  CHECK(text({"kubernetes.io", "pod", "name"}) == "p-1");
  CHECK(text({"kubernetes.io.namespace"}) == "(missing)");
  CHECK(text({"kubernetes", "io"}) == "(missing)");
  CHECK(text({"a", "", "b"}) == "odd");
  CHECK(text({"a/b"}) == "slash");
  CHECK(text({"a~b"}) == "tilde");
  CHECK(text({"é"}) == "accent");
  CHECK(text({"Tier"}) == "(missing)");
  CHECK(text({"tier", "x"}) == "(missing)");
  CHECK(text({"groups", "0"}) == "(missing)");
  CHECK(text({"nothing"}) == "(no text)");
  CHECK(text({"nothing", "x"}) == "(missing)");
  CHECK(text({}) == "(no text)");
}

TEST_CASE("scalars have one text") {
  const std::pair<std::string, std::string> cases[] = {
      {"n", "7"},   {"big", "18446744073709551615"}, {"neg", "-3"}, {"half", "0.5"}, {"yes", "true"}, {"no", "false"},
      {"empty", ""}};
  for (const auto& [name, text] : cases) {
    CAPTURE(name);
    CHECK(claim_text(*find_claim(claims().root(), {name})) == text);
    CHECK(claim_texts(*find_claim(claims().root(), {name})) == std::vector<std::string>{text});
  }
  for (const std::string name : {"nothing", "groups", "a"}) {
    CHECK_FALSE(claim_text(*find_claim(claims().root(), {name})));
  }
  CHECK(claim_texts(*find_claim(claims().root(), {"groups"})) == std::vector<std::string>{"a", "b", "3", "true"});
  CHECK(claim_texts(*find_claim(claims().root(), {"nothing"})).empty());
  CHECK(claim_texts(*find_claim(claims().root(), {"a"})).empty());
}

TEST_CASE("In, NotIn and Contains on scalars and lists") {
  using enum ClaimOperator;
  CHECK(ask({"tier"}, In, {"silver", "gold"}));
  CHECK_FALSE(ask({"tier"}, In, {"Gold", "gol", "golden", ""}));
  CHECK(ask({"groups"}, In, {"x", "b"}));
  CHECK(ask({"groups"}, In, {"3"}));
  CHECK_FALSE(ask({"groups"}, In, {"x", "y"}));
  CHECK(ask({"n"}, In, {"7"}));
  CHECK_FALSE(ask({"n"}, In, {"7.0"}));
  CHECK(ask({"yes"}, In, {"true"}));
  CHECK(ask({"https://example.com/roles"}, In, {"admin"}));
  CHECK(ask({"realm_access", "roles"}, In, {"r2"}));

  CHECK(ask({"tier"}, NotIn, {"silver"}));
  CHECK_FALSE(ask({"tier"}, NotIn, {"silver", "gold"}));
  CHECK(ask({"groups"}, NotIn, {"x"}));
  CHECK_FALSE(ask({"groups"}, NotIn, {"x", "a"}));
  CHECK(ask({"nothing"}, NotIn, {"null"}));
  CHECK(ask({"none"}, NotIn, {"a"}));

  CHECK(ask({"groups"}, Contains, {"a", "b"}));
  CHECK_FALSE(ask({"groups"}, Contains, {"a", "c"}));
  CHECK(ask({"tier"}, Contains, {"gold"}));
  CHECK_FALSE(ask({"tier"}, Contains, {"gold", "silver"}));
  CHECK_FALSE(ask({"tier"}, Contains, {"gol"}));
}

TEST_CASE("Prefix and Suffix are of strings alone") {
  using enum ClaimOperator;
  CHECK(ask({"tier"}, Prefix, {"x", "go"}));
  CHECK(ask({"tier"}, Prefix, {"gold"}));
  CHECK_FALSE(ask({"tier"}, Prefix, {"golden", "ld"}));
  CHECK(ask({"tier"}, Suffix, {"ld"}));
  CHECK_FALSE(ask({"tier"}, Suffix, {"go"}));
  CHECK(ask({"realm_access", "roles"}, Suffix, {"2"}));
  CHECK_FALSE(ask({"n"}, Prefix, {"7"}));
  CHECK_FALSE(ask({"yes"}, Prefix, {"t"}));
  CHECK_FALSE(ask({"a"}, Prefix, {"x"}));
}

TEST_CASE("a missing claim satisfies only NotExists; a null is there") {
  using enum ClaimOperator;
  for (const ClaimOperator op : {In, NotIn, Exists, Contains, Prefix, Suffix}) {
    CAPTURE(claim_operator_name(op));
    CHECK_FALSE(ask({"missing"}, op, {"a"}));
    CHECK_FALSE(ask({"tier", "below"}, op, {"gold"}));
  }
  CHECK(ask({"missing"}, NotExists));
  CHECK(ask({"tier", "below"}, NotExists));
  CHECK(ask({"nothing"}, Exists));
  CHECK_FALSE(ask({"nothing"}, NotExists));
  CHECK(ask({"none"}, Exists));
  CHECK_FALSE(ask({"nothing"}, In, {"null", ""}));
}

TEST_CASE("operators have the names of the resources") {
  for (const std::string_view name : {"In", "NotIn", "Exists", "NotExists", "Contains", "Prefix", "Suffix"}) {
    const auto op = claim_operator_from_name(name);
    REQUIRE(op);
    CHECK(claim_operator_name(*op) == name);
  }
  for (const std::string_view name : {"", "in", "Equals", "In "}) CHECK_FALSE(claim_operator_from_name(name));
}
