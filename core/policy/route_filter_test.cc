#include "core/policy/route_filter.h"

#include <doctest/doctest.h>

#include "core/policy/case_builder_test.h"

namespace meshauth::policy {
namespace {

using nlohmann::json;
using testing::Call;
using testing::Caller;
using testing::decide;
using testing::make_policy;

constexpr std::uint16_t kFirst = 1000, kEach = 48;  // two lists of them are more than a filter keeps
constexpr std::uint16_t kLast = kFirst + 2 * kEach;

/// `count` ports from the first on.
json ports(std::uint16_t first, std::uint16_t count = kEach) {
  json out = json::array();
  for (std::uint16_t i = 0; i < count; ++i) out.push_back(first + i);
  return out;
}

Engine engine_of(const json& to) {
  const json rules{{{"name", "r"}, {"action", "Allow"}, {"from", {{{"anyone", true}}}}, {"to", to}}};
  const auto policy = make_policy("a/p", rules.dump());
  return Engine(compile({&policy}, {}, model::Action::Deny));
}

bool allowed(const Engine& engine, const std::string& path, std::uint16_t port) {
  return decide(engine, Caller(), Call{.path = path, .port = port}).enforced.allow;
}

}  // namespace

static_assert(2 * kEach > RouteFilter::kMostKept);

TEST_CASE("of more ports than a filter keeps each is still allowed where it is named alone") {
  const Engine engine = engine_of({{{"paths", {"/low"}}, {"ports", ports(kFirst)}},
                                   {{"paths", {"/high"}}, {"ports", ports(kFirst + kEach)}},
                                   {{"paths", {"/any"}}}});
  for (std::uint16_t port = kFirst - 1; port <= kLast; ++port) {
    CAPTURE(port);
    CHECK(allowed(engine, "/low", port) == (port >= kFirst && port < kFirst + kEach));
    CHECK(allowed(engine, "/high", port) == (port >= kFirst + kEach && port < kFirst + 2 * kEach));
    CHECK(allowed(engine, "/any", port));
  }
}

TEST_CASE("of more ports than a filter keeps each is still refused where it is excluded") {
  const Engine engine = engine_of({{{"paths", {"/low"}}, {"notPorts", ports(kFirst)}},
                                   {{"paths", {"/high"}}, {"notPorts", ports(kFirst + kEach)}}});
  for (std::uint16_t port = kFirst - 1; port <= kLast; ++port) {
    CAPTURE(port);
    CHECK(allowed(engine, "/low", port) == (port < kFirst || port >= kFirst + kEach));
    CHECK(allowed(engine, "/high", port) == (port < kFirst + kEach || port >= kFirst + 2 * kEach));
  }
}

TEST_CASE("a token could help only where an enforced Allow takes one") {
  const std::string okta = R"("from": [{"identityProvider": {"name": "okta", "namespace": "auth"}}])";
  const auto helps = [&](const std::string& action, model::Mode mode) {
    const auto policy = make_policy("a/p", R"([{"name": "r", "action": ")" + action + "\", " + okta + "}]", mode);
    return Engine(compile({&policy}, {}, model::Action::Deny)).token_could_help();
  };
  CHECK(helps("Allow", model::Mode::Enforce));
  CHECK_FALSE(helps("Deny", model::Mode::Enforce));
  CHECK_FALSE(helps("Allow", model::Mode::Audit));
}

}  // namespace meshauth::policy
