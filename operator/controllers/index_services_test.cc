#include <doctest/doctest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/plan/testing.h"
#include "operator/controllers/index.h"

namespace meshauth::controllers {
namespace {

using Labels = std::map<std::string, std::string>;

Pod injected_pod(const std::string& id, const std::string& workload, Labels labels) {
  Pod pod{id, id, workload, "", false};
  pod.labels = std::move(labels);
  pod.ports = *inject::parse_injected(R"({"capture":"Explicit","ports":"8080:8081"})");
  return pod;
}

inject::Service service_to(std::int64_t target, Labels selector) {
  inject::Service service;
  service.selector = std::move(selector);
  service.ports.push_back({80, "TCP", target});
  return service;
}

std::set<std::string> workloads_in(const Keys& keys) {
  std::set<std::string> out;
  for (const Key& key : keys) {
    CHECK(key.kind == Kind::Workload);
    out.insert(key.id);
  }
  return out;
}

struct Shop {
  Index index{plan::MeshSettings{"root", model::Action::Deny, ""}};
  Shop() {
    index.put_pod(injected_pod("shop/a", "shop/orders", {{"app", "orders"}}));
    index.put_pod(injected_pod("shop/b", "shop/stock", {{"app", "stock"}}));
    index.put_pod(injected_pod("shop2/c", "shop2/orders", {{"app", "orders"}}));
  }
};

TEST_CASE_FIXTURE(Shop, "a Service touches the workloads of its namespace to whose pods it led, or leads now") {
  using Set = std::set<std::string>;
  CHECK(workloads_in(index.put_service("shop/s", service_to(8081, {{"app", "orders"}}))) == Set{"shop/orders"});
  CHECK(workloads_in(index.put_service("shop/s", service_to(8081, {{"app", "orders"}}))).empty());  // as it was
  CHECK(workloads_in(index.put_service("shop/s", service_to(8080, {{"app", "orders"}}))) == Set{"shop/orders"});
  CHECK(workloads_in(index.put_service("shop/s", service_to(8080, {{"app", "stock"}}))) ==
        Set{"shop/orders", "shop/stock"});
  CHECK(workloads_in(index.put_service("shop/s", std::nullopt)) == Set{"shop/stock"});  // its selector is gone
  CHECK(workloads_in(index.put_service("shop/t", service_to(1, {{"app", "nobody"}}))).empty());
  CHECK(workloads_in(index.remove_service("shop/never")).empty());
}

TEST_CASE_FIXTURE(Shop, "a way past the sidecar names the Service, and is that of its namespace alone") {
  index.put_service("shop/s", service_to(8081, {{"app", "orders"}}));
  index.put_service("shop/fine", service_to(8080, {{"app", "orders"}}));
  index.put_service("shop/others", service_to(1, {{"app", "stock"}}));
  const auto found = index.bypasses("shop/orders");
  REQUIRE(found.ways.size() == 1);
  CHECK(found.ways[0].starts_with("Service shop/s, port 80: targetPort 8081 is the application's own"));
  CHECK(found.ways[0].ends_with("8080 would be right"));
  CHECK(found.unknown.empty());
  CHECK(index.bypasses("shop2/orders").ways.empty());
  CHECK(index.bypasses("shop/none").ways.empty());
}

TEST_CASE_FIXTURE(Shop, "each way is told once, however many pods there are, and not without end") {
  for (const char* id : {"shop/x", "shop/y"}) {
    Pod pod = injected_pod(id, "shop/orders", {{"app", "orders"}, {"statefulset.kubernetes.io/pod-name", id}});
    index.put_pod(pod);
  }
  index.put_service("shop/s", service_to(8081, {{"app", "orders"}}));
  CHECK(index.bypasses("shop/orders").ways.size() == 1);
  for (int i = 0; i < 100; ++i) index.put_service(fmt::format("shop/s{}", i), service_to(1, {{"app", "orders"}}));
  CHECK(index.bypasses("shop/orders").ways.size() == Bypasses::kMostWays);
}

TEST_CASE("a provider in a namespace that is not watched is not called missing") {
  plan::MeshSettings mesh{"root", model::Action::Deny, ""};
  mesh.watched = {"root", "shop"};
  Index index{mesh};
  auto object = plan::testing::policy_object("shop", "readers", "idp");
  object["spec"]["rules"][0]["from"][0]["identityProvider"]["namespace"] = "bank";
  index.put_policy(object);
  const auto unresolved = index.unresolved(*index.policy("shop/readers"));
  REQUIRE(unresolved.size() == 1);
  CHECK(unresolved[0].provider == "bank/idp");
  CHECK(unresolved[0].state == plan::RefState::NotWatched);

  index.put_policy(plan::testing::policy_object("shop", "others", "idp"));
  CHECK(index.unresolved(*index.policy("shop/others"))[0].state == plan::RefState::NotFound);
}

TEST_CASE_FIXTURE(Shop, "a pod that does not say what its sidecar holds is named, one that ends does not count") {
  Pod plain{"shop/d", "d", "shop/orders", "", false};
  index.put_pod(plain);
  CHECK(index.bypasses("shop/orders").unknown == "pod shop/d: it was not injected");
  plain.ports_unknown = "annotation meshauth.dev/injected is too long";
  index.put_pod(plain);
  CHECK(index.bypasses("shop/orders").unknown == "pod shop/d: annotation meshauth.dev/injected is too long");
  plain.deleting = true;
  index.put_pod(plain);
  CHECK(index.bypasses("shop/orders").unknown.empty());
}

}  // namespace
}  // namespace meshauth::controllers
