#include <doctest/doctest.h>

#include "cli/commands.h"
#include "cli/testing/manifests.h"
#include "cli/testing/run.h"

using namespace meshauth::cli;
using namespace meshauth::cli::testing;

namespace {

Outcome cases(const std::string& yaml, std::vector<std::string> more = {}) {
  const TempFolder folder;
  std::vector<std::string> arguments{"test"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  for (const std::string& last : {std::string("-f"), folder.file("shop.yaml", kShop), folder.file("cases.yaml", yaml)})
    arguments.push_back(last);
  return run(add_test, arguments);
}

std::string one(const std::string& caller, const std::string& request, const std::string& want) {
  return "cases:\n- {name: one, workload: shop/orders, caller: " + caller + ", request: " + request +
         ", want: " + want + "}\n";
}

const std::string kAlice = "{provider: shop/idp, claims: {sub: alice, scope: read}}";
const std::string kReadRequest = "{path: /orders/7, host: orders.example.com, port: 8080}";

}  // namespace

TEST_CASE("test: cases that are as wanted, exit 0") {
  const Outcome outcome =
      cases(one(kAlice, kReadRequest, "{decision: allow, status: 200, reason: '', policy: shop/orders, rule: read}") +
            "---\n" +
            one("{anonymous: true}", "{method: PUT, path: /users/x}",
                "{decision: Deny, status: 401, reason: token_missing}") +
            "---\n" +
            one("{anonymous: true}", "{path: /health, source: 10.0.0.1, headers: {X-Probe: 'yes'}}", "{status: 200}") +
            "---\n" +
            one("{anonymous: true}", "{path: /health, source: 10.0.0.1, headers: {X-Probe: ['yes', 'yes']}}",
                "{status: 403}"));
  CAPTURE(outcome.err);
  CHECK(outcome.code == 0);
  CHECK(outcome.out == "ok    one\nok    one\nok    one\nok    one\n4 passed, 0 failed\n");
}

TEST_CASE("test: a case that is not as wanted says what differs, and why, exit 1") {
  const Outcome outcome = cases(one(kAlice, "{path: /orders/7}", "{decision: allow, status: 200}"));
  CHECK(outcome.code == 1);
  CHECK(outcome.out.find("FAIL  one\n      decision: wanted allow, got deny\n      status: wanted 200, got 403\n") ==
        0);
  CHECK(outcome.out.find("to[0].hosts: expected one of \"orders.example.com\", found \"\"") != std::string::npos);
  CHECK(outcome.out.find("0 passed, 1 failed\n") != std::string::npos);
}

TEST_CASE("test: an unknown provider or a bad workload fails its case") {
  CHECK(cases(one("{provider: shop/none, claims: {}}", kReadRequest, "{status: 200}"))
            .out.find("is not among the resources") != std::string::npos);
  const Outcome workload =
      cases("cases: [{name: x, workload: orders, caller: {anonymous: true}, request: {path: /}, want: {status: 401}}]");
  CHECK(workload.code == 1);
  CHECK(workload.out.find("is not NAMESPACE/NAME") != std::string::npos);
}

TEST_CASE("test: a case for a workload that no policy selects is told, unless that is what it wants") {
  const auto told = [](const std::string& want, const std::string& root = "elsewhere") {
    return cases("cases: [{name: x, workload: other/typo, caller: {anonymous: true}, request: {path: /}, want: {" +
                     want + "}}]",
                 {"--root-namespace", root})
        .err;
  };
  CHECK(told("decision: deny") == "case \"x\": no policy selects workload other/typo\n");
  CHECK(told("reason: no_policy") == "");
  CHECK(told("decision: deny", "mesh-auth-system") == "");  // the root namespace's policies select every workload
}

TEST_CASE("test: a file of cases is read strictly, so that a misspelt want does not pass") {
  const std::string rows[] = {
      "",
      "case: []\n",
      "cases: []\n",
      "cases: {a: b}\n",
      "cases: [1]\n",
      "cases: [\n",
      one(kAlice, kReadRequest, "{}"),
      one(kAlice, kReadRequest, "{statuscode: 200}"),
      one(kAlice, kReadRequest, "{status: '200'}"),
      one(kAlice, kReadRequest, "{status: 99}"),
      one(kAlice, kReadRequest, "{decision: maybe}"),
      one(kAlice, kReadRequest, "{reason: no_such_reason}"),
      one(kAlice, "{path: 7}", "{status: 200}"),
      one(kAlice, "{method: GET}", "{status: 200}"),
      one(kAlice, "{path: /, source: x}", "{status: 200}"),
      one(kAlice, "{path: /, headers: [a]}", "{status: 200}"),
      one(kAlice, "{path: /, headers: {a: 1}}", "{status: 200}"),
      one(kAlice, "{path: /, headers: {\"Bad Name\\n\": v}}", "{status: 200}"),
      one(kAlice, "{path: /, headers: {a: \"v\\r\\nX: y\"}}", "{status: 200}"),
      one(kAlice, "{path: /, port: 0}", "{status: 200}"),
      one("{}", kReadRequest, "{status: 200}"),
      one("{anonymous: false}", kReadRequest, "{status: 200}"),
      one("{anonymous: true, provider: shop/idp}", kReadRequest, "{status: 200}"),
      one("{provider: shop/idp}", kReadRequest, "{status: 200}"),
      one("{provider: shop/idp, claims: []}", kReadRequest, "{status: 200}"),
      one("{user: alice}", kReadRequest, "{status: 200}"),
      "cases: [{name: x, workload: shop/orders, caller: {anonymous: true}, request: {path: /}}]\n",
  };
  for (const auto& row : rows) {
    CAPTURE(row);
    const Outcome outcome = cases(row);
    CHECK(outcome.code == 1);
    CHECK(outcome.out.empty());
    CHECK_FALSE(outcome.err.empty());
  }
}

TEST_CASE("test: wrong usage, exit 2, and bad resources, exit 1") {
  CHECK(run(add_test, {"test", "-f", "/nowhere", "/nowhere"}).code == 2);
  CHECK(cases(one(kAlice, kReadRequest, "{status: 200}"), {"--path-allow", "x"}).code == 2);
  const TempFolder folder;
  CHECK(run(add_test, {"test", "-f", folder.file("a.yaml", "kind: x\n"),
                       folder.file("b.yaml", one(kAlice, kReadRequest, "{status: 200}"))})
            .code == 1);
}
