// The program itself with a real nginx, our module and a real fleet server.
#include "sidecar/agent/agent.h"

#include <doctest/doctest.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <future>

#include "sidecar/agent/testing/fixture.h"

namespace meshauth::agent {
namespace {

namespace fs = std::filesystem;
using bundle::Outcome;
using testing::Fixture;
using testing::open_paths;

TEST_CASE("from no bundle to a policy that decides, and on to the next without a reload") {
  Fixture f;
  f.program.start();
  REQUIRE(f.program.await_status(503));
  CHECK(f.program.await_ready(false));

  const auto first = f.publish(open_paths({"/a"}));
  CHECK(f.status("/a") == 200);
  CHECK(f.status("/b") == 403);
  CHECK(f.program.await_ready(true));
  CHECK(f.program.current_revision() == first.revision);
  CHECK(!first.reload_ms);

  const auto workers = f.program.worker_pids();
  REQUIRE(workers.size() == 2);
  const auto second = f.publish(open_paths({"/b"}));
  // The ack says that every worker runs it: no request after it gets the old answer.
  for (int i = 0; i < 20; ++i) {
    CHECK(f.status("/a") == 403);
    CHECK(f.status("/b") == 200);
  }
  CHECK(second.swap_ms);
  CHECK(!second.reload_ms);
  CHECK(f.program.worker_pids() == workers);
  CHECK(f.program.stop(SIGTERM) == 0);
}

TEST_CASE("the ports are held before there is a bundle; the application's probes are passed on without one") {
  testing::Application other;
  Fixture f({fmt::format(R"(--probe=app/liveness={{"httpGet":{{"port":{},"path":"/live"}}}})", other.port())});
  CHECK(f.program.health("/startz").status == 0);
  f.program.start();
  REQUIRE(f.program.await_status(503));
  CHECK(f.program.await_started());
  CHECK(f.program.await_ready(false));
  CHECK(f.program.health("/probe/app/liveness").status == 200);
  CHECK(f.program.health("/probe/app/readiness").status == 404);
  CHECK(f.program.health("/probe/../status").status == 404);
}

TEST_CASE("a new auth.conf is tested, reloaded and acked; one that nginx refuses changes nothing") {
  Fixture f;
  f.program.start();
  f.publish(open_paths({"/a"}));
  const auto before = f.program.worker_pids();
  const auto good = f.publish(open_paths({"/a"}, "proxy_set_header X-Test yes;\n"));
  REQUIRE(good.reload_ms);
  CHECK(f.program.get("/a").body.find("X-Test: yes") != std::string::npos);
  CHECK(f.program.await_workers_gone(before));

  const auto bad = f.publish(open_paths({"/b"}, "no_such_directive on;\n"), Outcome::Refused);
  CHECK(bad.detail.find("no_such_directive") != std::string::npos);
  CHECK(f.program.current_revision() == good.revision);
  CHECK(f.status("/a") == 200);
  CHECK(f.status("/b") == 403);
  CHECK(f.program.get("/a").body.find("X-Test: yes") != std::string::npos);

  // And the way on is open.
  f.publish(open_paths({"/b"}, "proxy_set_header X-Test no;\n"));
  CHECK(f.program.get("/b").body.find("X-Test: no") != std::string::npos);
}

TEST_CASE("a bundle that workers refuse is rolled back and named") {
  Fixture f;
  f.program.start();
  const auto good = f.publish(open_paths({"/a"}));
  auto files = open_paths({"/b"});
  files["policy.json"] = R"({"not":"a policy"})";
  const auto bad = f.publish(files, Outcome::Refused);
  CHECK(bad.detail.find("policy.json") != std::string::npos);
  CHECK(f.program.current_revision() == good.revision);
  CHECK(f.status("/a") == 200);
  CHECK(f.program.await_ready(true));
  f.publish(open_paths({"/c"}));
  CHECK(f.status("/c") == 200);
}

TEST_CASE("a reload whose workers refuse the bundle is rolled back, auth.conf too") {
  Fixture f;
  f.program.start();
  const auto good = f.publish(open_paths({"/a"}, "proxy_set_header X-Test yes;\n"));
  auto files = open_paths({"/b"}, "proxy_set_header X-Test no;\n");
  files["policy.json"] = "{}";
  const auto bad = f.publish(files, Outcome::Refused);
  CHECK(bad.detail.find("policy.json") != std::string::npos);
  CHECK(f.program.current_revision() == good.revision);
  f.publish(open_paths({"/c"}, "proxy_set_header X-Test yes;\n"));  // waits until the way back is done
  CHECK(f.program.get("/c").body.find("X-Test: yes") != std::string::npos);
}

TEST_CASE("a worker that does not answer in time is said to the operator, and when it comes right, that too") {
  Fixture f;
  f.program.start();
  f.publish(open_paths({"/a"}));
  const int stuck = f.program.worker_pids().front();
  ::kill(stuck, SIGSTOP);
  const auto late = f.publish(open_paths({"/b"}), Outcome::Timeout);
  CHECK(late.detail.find("worker " + std::to_string(stuck) + " still runs") != std::string::npos);
  ::kill(stuck, SIGCONT);
  CHECK(f.fleet.await_ack(late.revision, Outcome::Applied));
  for (int i = 0; i < 10; ++i) CHECK(f.status("/b") == 200);
}

TEST_CASE("a request in flight ends well when the agent is stopped") {
  Fixture f;
  f.program.start();
  f.publish(open_paths({"/slow"}));
  std::future<testing::HttpAnswer> slow = std::async(std::launch::async, [&] { return f.program.get("/slow"); });
  REQUIRE(f.application.await_slow());
  std::future<int> exit = std::async(std::launch::async, [&] { return f.program.stop(SIGTERM); });
  REQUIRE(f.program.await_refused());  // it listens no more
  CHECK(f.program.health("/readyz").body == "stopping\n");
  f.application.finish_slow();
  CHECK(slow.get().status == 200);
  CHECK(exit.get() == 0);
}

TEST_CASE("a bundle that is not signed by a trusted key, or for another workload, is refused") {
  Fixture f;
  f.program.start();
  const auto good = f.publish(open_paths({"/a"}));
  const auto forged = bundle::make_bundle(open_paths({"/b"}), "shop/orders", {9, 9}, bundle::SigningKey::generate());
  const auto revision = f.fleet.publish(*forged);
  const auto ack = f.fleet.await_ack(revision, Outcome::Refused);
  REQUIRE(ack);
  CHECK(ack->detail.find("not signed by a trusted key") != std::string::npos);
  const auto other = bundle::make_bundle(open_paths({"/c"}), "shop/users", {9, 9}, f.fleet.key);
  CHECK(f.fleet.await_ack(f.fleet.publish(*other), Outcome::Refused));
  CHECK(f.program.current_revision() == good.revision);
  CHECK(f.status("/a") == 200);
  CHECK(f.status("/b") == 403);
}

TEST_CASE("an older epoch is refused, also by an agent that was started again, and the newest goes on serving") {
  Fixture f;
  f.program.start();
  const auto old = f.fleet.make(open_paths({"/old"}));
  const auto current = f.publish(open_paths({"/new"}));
  CHECK(f.fleet.await_ack(f.fleet.publish(old), Outcome::Refused));
  CHECK(f.program.stop(SIGTERM) == 0);
  f.fleet.stop();
  f.program.start();
  REQUIRE(f.program.await_status(200, "/new"));  // with no operator at all
  const auto seen = f.fleet.acks.count();
  f.fleet.start();
  const auto again = f.fleet.acks.await(
      [&](const bundle::Ack& ack) { return ack.revision == old.manifest.revision && ack.outcome == Outcome::Refused; },
      seen);
  REQUIRE(again);
  CHECK(again->detail.find("older than") != std::string::npos);
  CHECK(f.program.current_revision() == current.revision);
  CHECK(f.status("/new") == 200);
}

TEST_CASE("nginx that dies is started again, and decides as before") {
  Fixture f;
  f.program.start();
  f.publish(open_paths({"/a"}));
  const int before = f.program.nginx_pid();
  ::kill(before, SIGKILL);
  REQUIRE(f.program.await_new_nginx(before));
  REQUIRE(f.program.await_status(200, "/a"));
  f.publish(open_paths({"/b"}));
  CHECK(f.status("/b") == 200);
}

TEST_CASE("a worker that dies is replaced by one that runs the bundle, and the next ack does not wait for the dead") {
  Fixture f;
  f.program.start();
  f.publish(open_paths({"/a"}));
  ::kill(f.program.worker_pids().front(), SIGKILL);
  f.publish(open_paths({"/b"}));
  CHECK(f.status("/b") == 200);
}

TEST_CASE("decisions are reported, and audited on standard output without the query") {
  Fixture f;
  f.program.start();
  f.publish(open_paths({"/a"}));
  CHECK(f.status("/b?secret=1") == 403);
  const auto report = f.fleet.reports.await([](const bundle::Report& r) {
    return std::ranges::any_of(r.decisions, [](const auto& d) { return !d.allow && d.count > 0; });
  });
  REQUIRE(report);
  CHECK(report->skew);
  const auto log = f.program.log();
  CHECK(log.find(R"("decision":"deny","status":403,"reason":"no_rule_matched")") != std::string::npos);
  CHECK(log.find("secret=1") == std::string::npos);
}

TEST_CASE("the protected resource's metadata names the bundle's providers, for everyone and at its path alone") {
  const std::string path = "/.well-known/oauth-protected-resource/orders";
  for (const char* flavour : {"--flavour=Module", "--flavour=AuthRequest"}) {
    CAPTURE(flavour);
    Fixture f({flavour, "--resource-metadata=https://app.test" + path});
    f.program.start();
    REQUIRE(f.program.await_status(flavour == std::string("--flavour=Module") ? 503 : 500));
    CHECK(f.status(path) == 404);  // nobody knows yet
    bundle::JwksFile keys;
    for (const char* issuer : {"https://one.test", "https://two.test/"}) {
      ProviderSettings provider;
      provider.id = fmt::format("shop/p{}", keys.providers.size());
      provider.issuer = issuer;
      provider.token_sources = {{"authorization", "Bearer", ""}};
      keys.providers.push_back(provider);
      auto files = open_paths({"/a"});
      files["jwks.json"] = bundle::write_jwks(keys);
      f.publish(std::move(files));
      const auto answer = f.program.get(path);
      CHECK(answer.status == 200);
      const auto document = nlohmann::json::parse(answer.body);
      CHECK(document["resource"] == "https://app.test/orders");
      CHECK(document["authorization_servers"].size() == keys.providers.size());
      CHECK(document["authorization_servers"].back() == issuer);
    }
    CHECK(f.status(path + "/more") == 403);
    CHECK(f.status("/.well-known/oauth-protected-resource") == 403);
    CHECK(f.status("/a") == 200);
  }
}

TEST_CASE("what the client says about itself or the connection does not reach the application") {
  Fixture f;
  f.program.start();
  f.publish(open_paths({"/**"}, "proxy_set_header x-user $mesh_auth_header_x_user;\n"));
  const auto body = f.program.get("/", "X-User: admin\r\nUpgrade: h2c\r\nX-Forwarded-Proto: https\r\n").body;
  CHECK(body.find("admin") == std::string::npos);
  CHECK(body.find("Upgrade") == std::string::npos);
  CHECK(body.find("X-Forwarded-Proto: https") != std::string::npos);
  CHECK(body.find("X-Forwarded-For: 127.0.0.1") != std::string::npos);
  CHECK(body.find("Host: app.test") != std::string::npos);
  CHECK(f.program.get("/", "Upgrade: websocket\r\n").body.find("Upgrade: websocket") != std::string::npos);
}

TEST_CASE("a second policy follows at once while the first is still being applied: the newest wins") {
  Fixture f;
  f.program.start();
  f.publish(open_paths({"/a"}));
  std::string newest;
  for (int i = 0; i < 50; ++i) newest = f.fleet.publish(open_paths({"/p" + std::to_string(i)}));
  REQUIRE(f.fleet.await_ack(newest, Outcome::Applied));
  CHECK(f.status("/p49") == 200);
  CHECK(f.status("/p48") == 403);
  CHECK(f.program.current_revision() == newest);
  // What nobody needs any more is gone.
  const fs::directory_iterator revisions(f.program.bundle_dir() + "/revisions");
  CHECK(std::distance(begin(revisions), end(revisions)) <= 2);
}

TEST_CASE("what is wrong with the command line or the machine is said, with what to do") {
  testing::Fleet fleet;
  struct Case {
    std::string flag;
    int code;
    std::string said;
  };
  for (const auto& [flag, code, said] : {
           Case{"--nginx=/no/such/nginx", 1, "--nginx: /no/such/nginx is no program; install nginx"},
           Case{"--module=/no/such/module", 1, "--module: /no/such/module cannot be read"},
           Case{"--templates=/no/such/folder", 1, "--templates: /no/such/folder/nginx.conf.mustache cannot be read"},
           Case{"--fallback-dir=/no/such/folder", 1, "--fallback-dir: /no/such/folder is no folder"},
           Case{"--trust=/no/such/file", 1, "--trust: /no/such/file cannot be read"},
           Case{"--health-listen=nonsense", 1, "--health-listen is \\\"nonsense\\\"; ADDRESS:PORT would be right"},
           Case{"--path-allow=everything", 1, "everything"},
           Case{"--resource-metadata=no-url", 1, "no-url"},
           Case{"--operator=http://localhost:1", 2, "--operator"},
       }) {
    CAPTURE(flag);
    testing::Program program(fleet.url(), fleet.token_file(), fleet.trust_file(), 1, {flag});
    program.start();
    CHECK(program.await_exit() == code);
    const auto log = program.log();
    CAPTURE(log);
    CHECK(log.find(said) != std::string::npos);
  }
}

}  // namespace
}  // namespace meshauth::agent
