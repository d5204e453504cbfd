#include "core/plan/workload_plan.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "core/plan/testing.h"

namespace meshauth::plan {
namespace {

using nlohmann::json;
using testing::policy_object;
using testing::provider_object;

const MeshSettings kMesh{"root", model::Action::Deny,
                         "{{#headers}}\nproxy_set_header {{header}} ${{variable}};\n{{/headers}}\n"};

/// A cluster in a map.
struct Cluster {
  std::vector<HeldPolicy> policies;
  std::map<std::string, HeldProvider> providers;
  std::map<std::string, SourceKeys> keys;
  std::map<std::string, std::map<std::string, std::string>> labels;
  std::optional<Previous> previous;

  void policy(const json& object) {
    auto parsed = model::parse_access_policy(object);
    HeldPolicy held{{object["metadata"]["namespace"], object["metadata"]["name"], "", 1}, nullptr, {}};
    if (parsed) {
      held.value = std::make_shared<const model::AccessPolicy>(std::move(*parsed));
    } else {
      held.errors = parsed.error();
    }
    policies.push_back(std::move(held));
  }
  void provider(const json& object) {
    auto parsed = model::parse_identity_provider(object);
    HeldProvider held{{object["metadata"]["namespace"], object["metadata"]["name"], "", 1}, nullptr, {}};
    if (parsed) {
      held.value = std::make_shared<const model::IdentityProvider>(std::move(*parsed));
    } else {
      held.errors = parsed.error();
    }
    const std::string id = held.meta.id();
    providers[id] = std::move(held);
  }
  WorkloadView view(const std::string& ns, const std::string& name) const {
    return {ns,
            name,
            policies,
            [this](const std::string& id) {
              const auto it = providers.find(id);
              return it == providers.end() ? std::nullopt : std::optional(it->second);
            },
            [this](const std::string& n) {
              const auto it = labels.find(n);
              return it == labels.end() ? std::map<std::string, std::string>() : it->second;
            },
            [this](const std::string& id) {
              const auto it = keys.find(id);
              return it == keys.end() ? std::nullopt : std::optional(it->second);
            },
            previous};
  }
  WorkloadPlan plan(const std::string& ns = "shop", const std::string& name = "orders") const {
    auto plan = plan_workload(view(ns, name), kMesh);
    REQUIRE(plan.has_value());
    return *plan;
  }
};

Cluster simple() {
  Cluster cluster;
  cluster.provider(provider_object("shop", "idp"));
  cluster.policy(policy_object("shop", "readers", "idp", {"orders"}));
  return cluster;
}

Previous previous_of(const WorkloadPlan& plan) {
  return {*policy::from_json(plan.files.at("policy.json")), bundle::read_jwks(plan.files.at("jwks.json"))->providers};
}

TEST_CASE("a bundle holds the policies that select the workload and the providers that they name") {
  Cluster cluster = simple();
  cluster.provider(provider_object("shop", "other"));
  cluster.policy(policy_object("shop", "elsewhere", "other", {"payments"}));
  const auto plan = cluster.plan();
  CHECK(plan.policies == std::vector<std::string>{"shop/readers"});
  CHECK(plan.providers == std::vector<std::string>{"shop/idp"});
  CHECK(cluster.plan("shop", "stranger").policies.empty());
}

TEST_CASE("the same view gives the same bytes, in whatever order the policies come") {
  Cluster cluster = simple();
  cluster.policy(policy_object("shop", "b", "idp"));
  cluster.policy(policy_object("root", "a", "idp"));
  const auto files = cluster.plan().files;
  CHECK(cluster.plan().files == files);
  std::reverse(cluster.policies.begin(), cluster.policies.end());
  CHECK(cluster.plan().files == files);
}

TEST_CASE("a policy of the root namespace selects every workload") {
  Cluster cluster;
  cluster.provider(provider_object("root", "idp"));
  cluster.policy(policy_object("root", "everywhere", "idp"));
  CHECK(cluster.plan("shop", "orders").policies.size() == 1);
  CHECK(cluster.plan("bank", "ledger").policies.size() == 1);
}

TEST_CASE("in the root namespace a policy that names workloads is refused") {
  const auto policy = *model::parse_access_policy(policy_object("root", "p", "idp", {"orders"}));
  const auto error = root_namespace_error(policy, "root");
  REQUIRE(error.has_value());
  CHECK(error->field == "spec.workloads");
  Cluster cluster;
  cluster.policy(policy_object("root", "p", "idp", {"orders"}));
  CHECK(cluster.plan("shop", "orders").policies.empty());
}

TEST_CASE("a policy that is refused now keeps the form that the bundle in force has") {
  Cluster cluster = simple();
  const auto before = cluster.plan();
  cluster.previous = previous_of(before);
  cluster.policies.clear();
  json broken = policy_object("shop", "readers", "idp", {"orders"});
  broken["spec"]["rules"][0]["action"] = "Perhaps";
  cluster.policy(broken);
  REQUIRE(cluster.policies[0].value == nullptr);
  CHECK(cluster.plan().files == before.files);

  SUBCASE("and without one it does not count") {
    cluster.previous.reset();
    CHECK(cluster.plan().policies.empty());
  }
}

TEST_CASE("a provider that is refused now keeps its last good settings") {
  Cluster cluster = simple();
  const auto before = cluster.plan();
  cluster.previous = previous_of(before);
  json broken = provider_object("shop", "idp");
  broken["spec"]["issuer"] = "not a url";
  cluster.provider(broken);
  REQUIRE(cluster.providers["shop/idp"].value == nullptr);
  CHECK(cluster.plan().files == before.files);
}

TEST_CASE("a provider that is missing or not shared does not resolve, and comes back as it was written") {
  Cluster cluster;
  json policy = policy_object("shop", "readers", "idp", {"orders"});
  policy["spec"]["rules"][0]["from"][0]["identityProvider"]["namespace"] = "idps";
  cluster.policy(policy);
  const auto missing = cluster.plan();
  CHECK(missing.providers.empty());
  CHECK(missing.files.at("policy.json").find("unresolved:idps") != std::string::npos);

  cluster.provider(provider_object("idps", "idp"));
  CHECK(cluster.plan().providers.empty());  // allowedNamespaces is Same

  json shared = provider_object("idps", "idp");
  shared["spec"]["allowedNamespaces"] = {{"from", "Selector"}, {"selector", {{"matchLabels", {{"team", "a"}}}}}};
  cluster.provider(shared);
  CHECK(cluster.plan().providers.empty());
  cluster.labels["shop"] = {{"team", "a"}};
  CHECK(cluster.plan().providers == std::vector<std::string>{"idps/idp"});
  CHECK(cluster.plan().files.at("policy.json").find("unresolved:") == std::string::npos);
}

TEST_CASE("keys of a discovery document of another issuer do not count for the provider") {
  Cluster cluster = simple();
  const std::string source = cluster.providers["shop/idp"].value->settings.key_source;
  cluster.keys[source] = {testing::key_set({testing::ed25519_key("k", 1)}), "https://idp.example"};
  CHECK(cluster.plan().sources == std::set<std::string>{source});
  CHECK(cluster.plan().files.at("jwks.json").find("\"k\"") != std::string::npos);
  cluster.keys[source].discovered_issuer = "https://evil.example";
  CHECK(cluster.plan().sources.empty());
  CHECK(cluster.plan().files.at("jwks.json").find("\"k\"") == std::string::npos);
}

}  // namespace
}  // namespace meshauth::plan
