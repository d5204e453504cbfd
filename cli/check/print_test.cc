#include "cli/check/print.h"

#include <doctest/doctest.h>

#include "cli/check/testing/world.h"

namespace meshauth::cli::check {

using namespace testing;

TEST_CASE("a table is aligned, and obeys nobody") {
  CHECK(table({{"A", "LONG", "C"}, {"é", "x", "a\x1b[31mb\nc"}}) == "A   LONG   C\né   x      a [31mb c\n");
}

TEST_CASE("ages are written as kubectl writes them") {
  const auto text = [](long long seconds) { return age_text(std::chrono::seconds(seconds)); };
  CHECK(text(-5) == "0s");
  CHECK(text(119) == "119s");
  CHECK(text(125) == "2m5s");
  CHECK(text(180) == "3m");
  CHECK(text(3000) == "50m");
  CHECK(text(4 * 3600 + 60) == "4h1m");
  CHECK(text(30 * 3600) == "30h");
  CHECK(text(50 * 3600) == "2d2h");
  CHECK(text(100 * 86400) == "100d");
}

TEST_CASE("status has a row for each sidecar that counts") {
  const Time now = real_now();
  World world = healthy(now);
  world.fleet->sidecars["shop/orders-2"] = {true,         now, kOldRevision, kRevision, "refused", now - Seconds(5),
                                            "bad\nnginx", {}};
  world.pods.value.push_back(pod("orders-3", now));
  world.pods.value.push_back(pod("orders-4", now));
  world.pods.value.back()["status"]["phase"] = "Succeeded";
  const auto sidecars = sidecars_of(world);
  CHECK(sidecars_table(world, sidecars) ==
        "NAMESPACE   WORKLOAD   POD        NODE     REVISION       AGE      STATE\n"
        "shop        orders     orders-1   node-1   aaaaaaaaaaaa   60m      Current\n"
        "shop        orders     orders-2   node-1   bbbbbbbbbbbb   5s       Refused: bad nginx\n"
        "shop        orders     orders-3   node-1   <none>         <none>   NeverConnected\n");
  const json told = json::parse(sidecars_json(world, sidecars));
  CHECK(told["sidecars"].size() == 3);
  CHECK(told["sidecars"][1] == json{{"namespace", "shop"},
                                    {"workload", "orders"},
                                    {"pod", "orders-2"},
                                    {"node", "node-1"},
                                    {"state", "Refused"},
                                    {"revision", kOldRevision},
                                    {"currentRevision", kRevision},
                                    {"detail", "bad\nnginx"},
                                    {"ackTime", format_time(now - Seconds(5))},
                                    {"ageSeconds", 5},
                                    {"connectionTime", format_time(now)}});
}

TEST_CASE("without the operator's word a sidecar's state is not known, and a truncated word is no denial") {
  World world = healthy(real_now());
  world.fleet->truncated = true;
  world.fleet->sidecars.erase("shop/orders-1");
  CHECK(sidecars_of(world)[0].state == State::Unknown);
  CHECK(sidecars_of(world)[1].state == State::Current);
  world.fleet.reset();
  CHECK(sidecars_of(world)[1].state == State::Unknown);
}

TEST_CASE("findings are told as JSON with what to do and where to read on") {
  World world = healthy(real_now());
  world.ns = "shop";
  world.fleet->sidecars["shop/orders-1"].connected = false;
  const json told = json::parse(findings_json(world, examine(world)));
  CHECK(told["namespace"] == "shop");
  CHECK(told["summary"] == json{{"error", 0}, {"warning", 1}, {"info", 0}});
  CHECK(told["checked"] == json{{"identityProviders", 1}, {"accessPolicies", 1}, {"sidecars", 2}, {"injectedPods", 2}});
  REQUIRE(told["findings"].size() == 1);
  const json& one = told["findings"][0];
  CHECK(one["id"] == "sidecar-disconnected");
  CHECK(one["severity"] == "warning");
  CHECK(one["object"] == json{{"kind", "Pod"}, {"namespace", "shop"}, {"name", "orders-1"}});
  CHECK(one["link"] == Finding{Id::SidecarDisconnected, Severity::Warning, {}, ""}.link());
  CHECK(one["remedy"].get<std::string>().find("orders-1") != std::string::npos);
}

TEST_CASE("of many findings alike the table shows the first, and how many there are") {
  World world = healthy(real_now());
  for (std::size_t i = 0; i < kMostRows + 5; ++i)
    world.foreign.push_back({fmt::format("g{:02}.example", i), "accesspolicies", "accpol"});
  const std::string text = findings_table(examine(world));
  CHECK(text.starts_with("SEVERITY   ID                 OBJECT                 FOUND\n"));
  CHECK(text.find("g19.example") != std::string::npos);
  CHECK(text.find("g20.example") == std::string::npos);
  CHECK(text.find("and 5 more; -o json has them all") != std::string::npos);
  CHECK(findings_table({}).empty());
}

TEST_CASE("what the operator tells is read as far as it has the right shape") {
  const auto fleet = read_fleet(R"({"time": "2026-01-01T00:00:00Z", "term": 3, "truncated": true, "certificates": [
      {"name": "fleet", "notBefore": "2026-01-01T00:00:00Z", "notAfter": "2026-04-01T00:00:00Z"}, {}], "workloads": [3,
      {"name": "shop/orders", "revision": "ab", "publishedTime": "x", "sidecars": [{"pod": "p", "connected": 1}]}]})");
  REQUIRE(fleet);
  CHECK(fleet->truncated);
  CHECK(fleet->workloads.at("shop/orders").revision == "ab");
  CHECK(!fleet->workloads.at("shop/orders").published);
  CHECK(!fleet->sidecars.at("shop/p").connected);
  REQUIRE(fleet->certificates.size() == 1);
  CHECK(fleet->certificates[0].listener == "fleet");
  CHECK(!read_fleet("{}"));
  CHECK(!read_fleet("no JSON"));
}

}  // namespace meshauth::cli::check
