// The program with a stock nginx that asks it, and a real fleet server.
#include <doctest/doctest.h>
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <future>
#include <thread>

#include "sidecar/agent/testing/fixture.h"

namespace meshauth::agent {
namespace {

using bundle::Outcome;
using testing::Fixture;
using testing::open_paths;

struct Stock : Fixture {
  Stock() : Fixture({"--flavour=AuthRequest", "--module=/no/such/module"}) {}
};

const std::string kForward =
    "auth_request_set $mesh_auth_header_x_user $upstream_http_mesh_auth_header_x_user;\n"
    "proxy_set_header x-user $mesh_auth_header_x_user;\n";

TEST_CASE("a stock nginx: from no bundle to a policy that decides, and on to the next without a reload") {
  Stock f;
  f.program.start();
  REQUIRE(f.program.await_status(500));  // our 503
  CHECK(f.program.await_ready(false));

  const auto first = f.publish(open_paths({"/a"}));
  CHECK(f.status("/a") == 200);
  CHECK(f.status("/b") == 403);
  CHECK(f.status("/a//b") == 500);  // our 400
  CHECK(f.program.await_ready(true));
  CHECK_FALSE(first.reload_ms);

  const auto workers = f.program.worker_pids();
  REQUIRE(workers.size() == 2);
  const auto second = f.publish(open_paths({"/b"}));
  // The ack says that the engine runs it: no request after it gets the old answer.
  for (int i = 0; i < 20; ++i) {
    CHECK(f.status("/a") == 403);
    CHECK(f.status("/b") == 200);
  }
  CHECK_FALSE(second.reload_ms);
  CHECK(f.program.worker_pids() == workers);
  CHECK(f.program.stop(SIGTERM) == 0);
}

TEST_CASE("a stock nginx: a new auth.conf is tested, reloaded and acked; one that nginx refuses changes nothing") {
  Stock f;
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

  f.publish(open_paths({"/b"}, "proxy_set_header X-Test no;\n"));
  CHECK(f.program.get("/b").body.find("X-Test: no") != std::string::npos);
}

TEST_CASE("a stock nginx: a bundle that the engine refuses is rolled back and named, with and without a reload") {
  Stock f;
  f.program.start();
  const auto good = f.publish(open_paths({"/a"}));
  for (const std::string conf : {"", "proxy_set_header X-Test no;\n"}) {
    CAPTURE(conf);
    auto files = open_paths({"/b"}, conf);
    files["policy.json"] = R"({"not":"a policy"})";
    const auto bad = f.publish(files, Outcome::Refused);
    CHECK(bad.detail.find("policy.json") != std::string::npos);
    CHECK(f.program.current_revision() == good.revision);
    CHECK(f.status("/b") != 200);
    // Without a reload nothing was ever away. With one, workers of the refused auth.conf refuse until the way back is
    // done.
    if (conf.empty()) CHECK(f.status("/a") == 200);
    CHECK(f.program.await_status(200, "/a"));
    CHECK(f.program.await_status(403, "/b"));
  }
  f.publish(open_paths({"/c"}));
  CHECK(f.status("/c") == 200);
}

TEST_CASE("a stock nginx: while reloads change its headers no policy meets those of another") {
  Stock f;
  f.program.start();
  f.publish(open_paths({"/a"}, "proxy_set_header X-Test a;\n"));
  std::atomic<bool> done = false;
  std::atomic<int> seen = 0, wrong = 0;
  std::thread client([&] {
    while (!done) {
      for (const std::string name : {"a", "b"}) {
        const auto answer = f.program.get("/" + name);
        if (answer.status != 200) continue;
        ++seen;
        if (answer.body.find("X-Test: " + name + "\r\n") == std::string::npos) ++wrong;
      }
    }
  });
  for (int i = 0; i < 6; ++i) {
    const std::string name = i % 2 == 0 ? "b" : "a";
    const std::string other = "/" + std::to_string(i);  // so that no revision comes twice
    f.publish(open_paths({"/" + name, other}, "proxy_set_header X-Test " + name + ";\n"));
    CHECK(f.status("/" + name) == 200);
  }
  done = true;
  client.join();
  CHECK(seen > 10);
  CHECK(wrong == 0);
}

TEST_CASE("a stock nginx: an agent that does not answer is a refusal, and is asked again when it does") {
  Stock f;
  f.program.start();
  f.publish(open_paths({"/a"}));
  CHECK(f.status("/a") == 200);
  ::kill(f.program.pid(), SIGSTOP);
  CHECK(f.program.await_status(500, "/a"));  // its threads stop one after the other
  CHECK(f.status("/a") == 500);
  ::kill(f.program.pid(), SIGCONT);
  CHECK(f.program.await_status(200, "/a"));
}

TEST_CASE("a stock nginx: what the client says about itself, or in the words of nginx, does not count") {
  Stock f;
  f.program.start();
  f.publish(open_paths({"/a/**"}, kForward));
  const auto body = f.program.get("/a/", "X-User: admin\r\nX_User: admin\r\nUpgrade: h2c\r\n").body;
  CHECK(body.find("admin") == std::string::npos);
  CHECK(body.find("Upgrade") == std::string::npos);
  CHECK(body.find("traceparent: 00-") != std::string::npos);
  for (const std::string forged :
       {"Mesh-Auth-Line: GET /a/x HTTP/1.1", "Mesh-Auth-Uri: :/a/x", "mesh-auth-port: 1", "Mesh-Auth-Peer: 10.0.0.1",
        "Mesh-Auth-Decision: allow", "X-Original-URI: /a/x", "X-Original-Method: GET"}) {
    CAPTURE(forged);
    CHECK(f.program.get("/b", forged + "\r\n" + forged + "\r\n").status == 403);
  }
  CHECK(f.program.get("/a/x", "Mesh-Auth-Line: GET /b HTTP/1.1\r\nMesh-Auth-Conf: 00\r\n").status == 200);
  CHECK(f.program.get("/a/x", "Mesh-Auth-Header-X-User: admin\r\n").body.find("x-user: admin") == std::string::npos);
}

TEST_CASE("a stock nginx: decisions are reported, and audited on standard output without the query") {
  Stock f;
  f.program.start();
  f.publish(open_paths({"/a"}));
  CHECK(f.status("/b?secret=1") == 403);
  CHECK(f.status("/a?secret=1") == 200);
  const auto report = f.fleet.reports.await([](const bundle::Report& r) {
    return std::ranges::any_of(r.decisions, [](const auto& d) { return !d.allow && d.count > 0; });
  });
  REQUIRE(report);
  const auto log = f.program.log();
  CHECK(log.find(R"("decision":"deny","status":403,"reason":"no_rule_matched")") != std::string::npos);
  CHECK(log.find(R"("object":"shop/orders")") != std::string::npos);
  CHECK(log.find("secret=1") == std::string::npos);
}

TEST_CASE("a stock nginx that dies is started again, and decides as before") {
  Stock f;
  f.program.start();
  f.publish(open_paths({"/a"}));
  const int before = f.program.nginx_pid();
  ::kill(before, SIGKILL);
  REQUIRE(f.program.await_new_nginx(before));
  REQUIRE(f.program.await_status(200, "/a"));
  f.publish(open_paths({"/b"}));
  CHECK(f.status("/b") == 200);
}

TEST_CASE("a stock nginx: the bundle on disk decides after a start without an operator") {
  Stock f;
  f.program.start();
  f.publish(open_paths({"/a"}, kForward));
  CHECK(f.program.stop(SIGTERM) == 0);
  f.fleet.stop();
  f.program.start();
  CHECK(f.program.await_status(200, "/a"));
  CHECK(f.status("/b") == 403);
  CHECK(f.program.await_ready(true));
}

TEST_CASE("a stock nginx: a request in flight ends well when the agent is stopped") {
  Stock f;
  f.program.start();
  f.publish(open_paths({"/slow"}));
  std::future<testing::HttpAnswer> slow = std::async(std::launch::async, [&] { return f.program.get("/slow"); });
  REQUIRE(f.application.await_slow());
  std::future<int> exit = std::async(std::launch::async, [&] { return f.program.stop(SIGTERM); });
  REQUIRE(f.program.await_refused());
  f.application.finish_slow();
  CHECK(slow.get().status == 200);
  CHECK(exit.get() == 0);
}

}  // namespace
}  // namespace meshauth::agent
