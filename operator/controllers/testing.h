// An operator without threads, API server or fleet, for the tests of reconciles.
#pragma once

#include <deque>
#include <set>

#include "core/plan/testing.h"
#include "operator/controllers/controllers.h"
#include "operator/http/metrics.h"

namespace meshauth::controllers::testing {

using nlohmann::json;
using plan::testing::policy_object;
using plan::testing::provider_object;

inline const plan::MeshSettings kMesh{"root", model::Action::Deny,
                                      "{{#headers}}\n{{#asked}}auth_request_set ${{variable}} $agent;\n{{/asked}}"
                                      "proxy_set_header {{header}} ${{variable}};\n{{/headers}}\n"};

/// Records what it is told; the record is written at once unless it is held back.
class FakeWorld final : public World {
 public:
  plan::Time now() const override { return time; }
  void publish(const std::string& workload, std::shared_ptr<const bundle::Bundle> bundle) override {
    published.push_back(workload);
    bundles[workload] = std::move(bundle);
  }
  void withdraw(const std::string& workload) override { bundles.erase(workload); }
  void set_fresh(const std::string& workload, std::string json, std::string signature) override {
    fresh[workload] = std::move(json);
    fresh_signatures[workload] = std::move(signature);
  }
  void record(const std::string& workload, Record record) override {
    if (records_writable) records[workload] = std::move(record);
  }
  void erase_record(const std::string& workload) override { records.erase(workload); }
  void touch(const std::string& pod, const std::string& revision) override { touched.emplace_back(pod, revision); }
  bool record_holds(const std::string& workload, const bundle::Bundle& bundle) const override {
    const auto it = records.find(workload);
    return it != records.end() && it->second.bundle->signature == bundle.signature;
  }
  Status record_keys(const std::string& source, const std::string& text) override {
    if (!keys_writable) return fail("forbidden");
    keys[source] = text;
    return {};
  }
  Status erase_keys(const std::string& source) override {
    keys.erase(source);
    return {};
  }
  void follow(const std::string& source, const SourceWish& wish, const std::optional<plan::KeyHistory>&) override {
    followed[source] = wish;
  }
  void unfollow(const std::string& source) override { followed.erase(source); }
  void refetch(const std::string& source) override { refetched.push_back(source); }
  void write_status(Kind, const std::string& id, const json& status) override { statuses[id] = status; }
  void keep_status(Kind, const std::string&) override {}

  plan::Time time{Seconds(1'800'000'000)};
  bool keys_writable = true, records_writable = true;
  std::vector<std::string> published, refetched;
  std::vector<std::pair<std::string, std::string>> touched;  ///< pod, revision
  std::map<std::string, std::shared_ptr<const bundle::Bundle>> bundles;
  std::map<std::string, std::string> fresh, fresh_signatures, keys;
  std::map<std::string, Record> records;
  std::map<std::string, SourceWish> followed;
  std::map<std::string, json> statuses;
};

/// An operator without threads: settle() reconciles until nothing is left to do.
struct Operator {
  FakeWorld& world;
  Index index{kMesh};
  std::deque<Key> queue;
  std::vector<std::pair<Key, std::chrono::milliseconds>> later;
  bundle::SigningKey key;
  http::Metrics metrics;
  DecisionMetrics decisions{metrics.registry()};
  Controllers controllers;

  Operator(FakeWorld& fake, bundle::SigningKey signing, std::uint64_t term = 1, std::vector<std::string> earlier = {})
      : world(fake),
        key(std::move(signing)),
        controllers(index, world,
                    {[this](const Key& k) { queue.push_back(k); },
                     [this](const Key& k, std::chrono::milliseconds delay) { later.emplace_back(k, delay); }},
                    decisions, key, term, std::move(earlier)) {}

  void tell(const json& object) {
    controllers.enqueue(object["kind"] == "AccessPolicy" ? index.put_policy(object) : index.put_provider(object));
  }
  void put(const json& object) {
    tell(object);
    settle();
  }
  void settle() {
    std::set<Key> failed;
    while (!queue.empty()) {
      const Key next = queue.front();
      queue.pop_front();
      if (failed.contains(next)) continue;
      if (!controllers.reconcile(next)) failed.insert(next);
    }
  }
  void fetched(const std::string& source, const jose::KeySet& keys) {
    FetchResult result;
    result.keys = std::make_shared<const jose::KeySet>(keys);
    result.time = world.time;
    result.discovered_issuer = "https://idp.example";
    result.jwks_uri = "https://idp.example/keys";
    controllers.on_fetched(source, result);
    settle();
  }
  std::string source() const { return index.source_of("shop/idp"); }
};

inline jose::KeySet keys(const std::string& kid, int seed) {
  return plan::testing::key_set({plan::testing::ed25519_key(kid, seed)});
}

struct Fixture {
  FakeWorld world;
  bundle::SigningKey signing = bundle::SigningKey::generate();
  Operator op{world, signing};

  Fixture() {
    op.put(provider_object("shop", "idp"));
    op.put(policy_object("shop", "readers", "idp", {"orders"}));
    op.fetched(op.source(), keys("k", 1));
  }
  std::string revision() const { return world.bundles.at("shop/orders")->manifest.revision; }
  json condition(const std::string& id, const std::string& type) const {
    for (const auto& c : world.statuses.at(id)["conditions"]) {
      if (c["type"] == type) return c;
    }
    return {};
  }
};

}  // namespace meshauth::controllers::testing
