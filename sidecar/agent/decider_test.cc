#include "sidecar/agent/decider.h"

#include <doctest/doctest.h>

#include "core/engine/testing.h"

namespace meshauth::agent {
namespace {

using engine::testing::anyone;
using engine::testing::from;
using engine::testing::kNow;
using engine::testing::Mesh;
using engine::testing::provider;
using engine::testing::rule;
using engine::testing::token;
using engine::testing::with_scopes;

const std::string kConf(64, 'a'), kOther(64, 'b');

std::unique_ptr<engine::Snapshot> snapshot(const std::string& path, const std::string& conf = kConf,
                                           const std::string& revision = "r1",
                                           std::optional<Seconds> max_stale = std::nullopt) {
  auto settings = provider();
  settings.max_stale = max_stale;
  settings.forward_claims = {{{"sub"}, "X-User"}};
  settings.forward_token = false;
  Mesh mesh;
  mesh.add(settings).add("ns/p",
                         {rule("open", {anyone(), from()}, {path}), rule("read", {with_scopes({"a"})}, {"/read"})});
  auto made = mesh.snapshot();
  made->auth_conf = conf;
  made->revision = revision;
  return made;
}

struct Asked {
  explicit Asked(const DeciderOptions& options = {}) : decider(options) {}

  std::string answer(const std::string& target, const std::string& more = "", const std::string& conf = kConf) {
    std::string head = "GET / HTTP/1.1\r\nMesh-Auth-Line: GET " + target + " HTTP/1.1\r\nMesh-Auth-Uri: :" + target +
                       "\r\nMesh-Auth-Peer: 127.0.0.1\r\nMesh-Auth-Port: 8080\r\nMesh-Auth-Conf: " + conf +
                       "\r\nHost: h\r\n" + more + "\r\n";
    return decider.answer(head, kNow);
  }
  int status(const std::string& target, const std::string& more = "", const std::string& conf = kConf) {
    return std::stoi(answer(target, more, conf).substr(9, 3));
  }

  Decider decider;
};

std::string bearer(const std::string& more = "") {
  return "Authorization: Bearer " + token(more) + "\r\n";
}

bool has(const std::string& answer, const std::string& line) {
  return answer.find("\r\n" + line + "\r\n") != std::string::npos;
}

TEST_CASE("without a bundle every answer is 503, and what is no question gets none") {
  Asked agent;
  CHECK(agent.status("/a") == 503);
  std::string nothing = "GET / HTTP/1.1\r\n\r\n";
  CHECK(agent.decider.answer(nothing, kNow).empty());
}

TEST_CASE("a CORS preflight is decided like any request, unless it is to pass") {
  const std::string headers = "Origin: https://app.test\r\nAccess-Control-Request-Method: GET\r\n";
  DeciderOptions passing;
  passing.engine.preflight = engine::Preflight::Pass;
  Asked decided, passed(passing);
  for (Asked* agent : {&decided, &passed}) agent->decider.take(snapshot("/a"));
  const auto options = [&](Asked& agent, const std::string& more) {
    std::string head =
        "GET / HTTP/1.1\r\nMesh-Auth-Line: OPTIONS /read HTTP/1.1\r\nMesh-Auth-Uri: :/read\r\nMesh-Auth-Peer: "
        "127.0.0.1\r\n"
        "Mesh-Auth-Port: 8080\r\nMesh-Auth-Conf: " +
        kConf + "\r\nHost: h\r\n" + more + "\r\n";
    return std::stoi(agent.decider.answer(head, kNow).substr(9, 3));
  };
  CHECK(options(decided, headers) == 401);
  CHECK(options(passed, headers) == 200);
  CHECK(options(passed, "Origin: https://app.test\r\n") == 401);
  CHECK(passed.status("/read", headers) == 401);  // no OPTIONS
}

TEST_CASE("each outcome has its status, and says what nginx tells the application and the log") {
  Asked agent;
  agent.decider.take(snapshot("/a"));
  const auto allowed = agent.answer("/a", bearer() + "Cookie: c=1\r\n");
  CHECK(allowed.starts_with("HTTP/1.1 200 "));
  CHECK(has(allowed, "Mesh-Auth-Decision: allow"));
  CHECK(has(allowed, "mesh-auth-header-x-user: alice"));
  CHECK(allowed.find("mesh-auth-header-authorization") == std::string::npos);  // token: Remove
  CHECK(has(allowed, "Mesh-Auth-Rule: open"));
  CHECK(has(allowed, "Mesh-Auth-Revision: r1"));
  CHECK(allowed.find(token()) == std::string::npos);
  CHECK(allowed.find("Mesh-Auth-Log") == std::string::npos);

  const auto basic = agent.answer("/a", "Authorization: Basic dTpw\r\n");
  CHECK(has(basic, "mesh-auth-header-authorization: Basic dTpw"));

  CHECK(agent.status("/read") == 401);
  CHECK(has(agent.answer("/read"), "WWW-Authenticate: Bearer realm=\"mesh-auth\""));
  const auto scope = agent.answer("/read", bearer());
  CHECK(scope.starts_with("HTTP/1.1 403 "));
  CHECK(scope.find("error=\"insufficient_scope\", scope=\"a\"") != std::string::npos);
  CHECK(has(scope, "Mesh-Auth-Log: 1"));
  CHECK(agent.status("/a//b") == 400);
  CHECK(has(agent.answer("/a//b"), "Mesh-Auth-Reason: path_ambiguous"));
}

TEST_CASE("what nginx would deliver is what is decided on") {
  Asked agent;
  agent.decider.take(snapshot("/a"));
  std::string head =
      "GET / HTTP/1.1\r\nMesh-Auth-Line: GET /a HTTP/1.1\r\nMesh-Auth-Uri: :/b\r\n"
      "Mesh-Auth-Peer: 127.0.0.1\r\nMesh-Auth-Port: 8080\r\nMesh-Auth-Conf: " +
      kConf + "\r\nHost: h\r\n\r\n";
  CHECK(agent.decider.answer(head, kNow).starts_with("HTTP/1.1 400 "));
}

TEST_CASE("a worker with the auth.conf of before is answered by the bundle of before, and refused once that is gone") {
  Asked agent;
  agent.decider.take(snapshot("/a", kConf, "r1"));
  agent.decider.take(snapshot("/b", kOther, "r2"));
  CHECK(agent.status("/a", "", kConf) == 200);
  CHECK(agent.status("/b", "", kConf) == 403);
  CHECK(agent.status("/b", "", kOther) == 200);
  agent.decider.settle();
  CHECK(agent.status("/a", "", kConf) == 403);
  CHECK(agent.status("/b", "", kConf) == 503);
  CHECK(agent.status("/b", "", kOther) == 200);
  // The way back of a bundle that nginx did not take.
  agent.decider.take(snapshot("/a", kConf, "r1"));
  CHECK(agent.status("/a", "", kConf) == 200);
}

TEST_CASE("keys are as old as was said last, in every bundle, and never older again") {
  const auto aged = [](const std::string& conf, const std::string& revision) {
    return snapshot("/a", conf, revision, Seconds(3600));
  };
  const auto fresh = [](double age) { return bundle::Fresh{{{"keys", static_cast<std::int64_t>(kNow - age)}}}; };
  Asked agent;
  agent.decider.take(aged(kConf, "r1"));
  CHECK(agent.status("/a", bearer()) == 503);  // nobody said how old they are
  agent.decider.set_fresh(fresh(3599));
  CHECK(agent.status("/a", bearer()) == 200);
  agent.decider.take(aged(kOther, "r2"));
  CHECK(agent.status("/a", bearer(), kOther) == 200);
  agent.decider.set_fresh(fresh(3601));  // an old word that comes late
  agent.decider.take(aged(kOther, "r3"));
  CHECK(agent.status("/a", bearer(), kOther) == 200);
  CHECK(agent.status("/a", bearer(), kConf) == 200);  // of the bundle of before, too
}

TEST_CASE("a trace goes on, unless the client names two") {
  const std::string one = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
  const std::string two = "00-11111111111111111111111111111111-00f067aa0ba902b7-01";
  Asked agent;
  agent.decider.take(snapshot("/a"));
  CHECK(has(agent.answer("/a", "traceparent: " + one + "\r\n"), "Mesh-Auth-Traceparent: " + one));
  const auto both = agent.answer("/a", "traceparent: " + one + "\r\ntraceparent: " + two + "\r\n");
  for (const std::string& sent : {one, two}) CHECK(both.find(sent) == std::string::npos);
}

TEST_CASE("an observer lets everything pass, and says what it would have said") {
  DeciderOptions options;
  options.observe = true;
  Asked agent(options);
  CHECK(agent.status("/a") == 200);
  agent.decider.take(snapshot("/a"));
  const auto answer = agent.answer("/b");
  CHECK(answer.starts_with("HTTP/1.1 200 "));
  CHECK(has(answer, "Mesh-Auth-Decision: deny"));
}

TEST_CASE("decisions are counted, and a key that nobody knows is told once") {
  Asked agent;
  agent.decider.take(snapshot("/a"));
  agent.answer("/a");
  agent.answer("/a");
  agent.answer("/a", "Authorization: Bearer " + token("", "https://idp", 1, "k9") + "\r\n");
  const auto reports = agent.decider.take_reports();
  REQUIRE(reports.size() == 2);
  CHECK(reports[0].counters.size() == 2);
  CHECK(reports[1].event == engine::WorkerEvent::unknown_kid);
  CHECK(reports[1].kid == "k9");
  CHECK(agent.decider.take_reports().empty());
}

TEST_CASE("flags are refused as the module refuses them") {
  Options options;
  CHECK(decider_options(options));
  CHECK(decider_options(options)->token_cache == 16u << 20);
  CHECK(decider_options(options)->engine.preflight == engine::Preflight::Decide);
  const auto refused = [&](auto change) {
    Options wrong;
    change(wrong);
    return !decider_options(wrong);
  };
  CHECK(refused([](Options& o) { o.path_allow = "everything"; }));
  CHECK(refused([](Options& o) { o.resource_metadata = "no-url"; }));
  for (const char* size : {"", "m", "16g", "1k", "5000m", "16m x", "1000000x", "-1m", "99999999999999999999m"}) {
    CAPTURE(size);
    CHECK(refused([&](Options& o) { o.token_cache = size; }));
  }
}

}  // namespace
}  // namespace meshauth::agent
