#include "operator/http/cpprest_client.h"

#include <doctest/doctest.h>

#include <thread>

#include "operator/http/testing/scenario_server.h"

namespace meshauth::http {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;
using testing::Pki;
using testing::ScenarioServer;
using testing::Step;
using After = Step::After;

const Pki& pki() {
  static const Pki made = testing::make_pki();
  return made;
}

std::shared_ptr<Client> client(const std::string& url, TlsOptions tls = {.ca_pem = pki().ca_pem}) {
  auto made = make_cpprest_client({.base_url = url, .tls = std::move(tls)});
  REQUIRE_MESSAGE(made.has_value(), made.error().message);
  return *made;
}

Request get(const std::string& target) {
  return {.method = "GET", .target = target};
}

TEST_CASE("a request over TLS gets status, headers and body, and its connection is used again") {
  ScenarioServer server(&pki(),
                        {{.request = "POST /a?b=%2F",
                          .request_contains = "hello",
                          .status = 201,
                          .extra_head = "X-One: 1\r\n",
                          .chunks = {"first ", "second"}},
                         {.request = "GET /again", .request_contains = "Authorization: Bearer abc", .status = 404}});
  const auto c = client(server.url());
  const auto created = c->send({"POST", "/a?b=%2F", {{"Content-Type", "application/json"}}, "hello"}, {}, {});
  CHECK(server.complaints() == "missing: GET /again\n");
  REQUIRE_MESSAGE(created.has_value(), created.error().message);
  CHECK(created->status == 201);
  CHECK(created->body == "first second");
  CHECK(find_header(created->headers, "x-one") == "1");
  const auto missing = c->send({"GET", "/again", {{"Authorization", "Bearer abc"}}, ""}, {}, {});
  REQUIRE_MESSAGE(missing.has_value(), missing.error().message);
  CHECK(missing->status == 404);
  CHECK(server.requests()[0].find("Content-Type: application/json\r\n") != std::string::npos);
  CHECK(server.complaints() == "");
}

TEST_CASE("a path in the base URL precedes every target") {
  ScenarioServer server(&pki(), {{.request = "GET /k8s/one/api?x=1"}});
  CHECK(client(server.url() + "/k8s/one")->send(get("/api?x=1"), {}, {}).has_value());
  CHECK(server.complaints() == "");
}

TEST_CASE("the client shows its certificate") {
  ScenarioServer server(&pki(), {{.request = "GET /"}, {.request = "GET /"}});
  const TlsOptions with{
      .ca_pem = pki().ca_pem, .certificate_pem = pki().client.certificate_pem, .key_pem = pki().client.key_pem};
  CHECK(client(server.url(), with)->send(get("/"), {}, {}).has_value());
  CHECK(server.client_subject() == "/O=testers/CN=tester");
  CHECK(client(server.url())->send(get("/"), {}, {}).has_value());
  CHECK(server.client_subject() == "");
}

TEST_CASE("only the given roots and the right name are trusted") {
  struct Case {
    const char* name;
    std::string host;
    TlsOptions tls;
    const char* error;  // "" if it must work
  };
  const Pki other = testing::make_pki();
  const std::vector<Case> cases = {
      {"right name", "localhost", {.ca_pem = pki().ca_pem}, ""},
      {"right address", "127.0.0.1", {.ca_pem = pki().ca_pem}, ""},
      {"another authority", "127.0.0.1", {.ca_pem = other.ca_pem}, "certificate is refused"},
      {"the system's roots", "127.0.0.1", {}, "certificate is refused"},
      {"wrong address", "127.0.0.2", {.ca_pem = pki().ca_pem}, "not for this host name"},
      {"server name given", "127.0.0.2", {.ca_pem = pki().ca_pem, .server_name = "mesh.test"}, ""},
      {"wrong server name",
       "127.0.0.1",
       {.ca_pem = pki().ca_pem, .server_name = "evil.test"},
       "not for this host name"},
      {"no verification wanted", "127.0.0.2", {.insecure_skip_verify = true}, ""},
  };
  for (const Case& test : cases) {
    CAPTURE(test.name);
    const bool good = test.error[0] == '\0';
    ScenarioServer server(&pki(), good ? std::vector<Step>{{.request = "GET /"}} : std::vector<Step>{},
                          test.host == "127.0.0.2" ? "127.0.0.2" : "127.0.0.1");
    const auto answer = client(server.url(test.host), test.tls)->send(get("/"), {}, {});
    CHECK(answer.has_value() == good);
    if (!answer) CHECK_MESSAGE(answer.error().message.find(test.error) != std::string::npos, answer.error().message);
    CHECK(server.complaints() == "");
  }
}

TEST_CASE("options that cannot be used are named") {
  const auto refuse = [](const std::string& url, const TlsOptions& tls) {
    const auto made = make_cpprest_client({.base_url = url, .tls = tls});
    return made ? std::string() : made.error().message;
  };
  CHECK(refuse("https://x", {.ca_pem = "rubbish"}).find("the CA bundle is not PEM") == 0);
  CHECK(refuse("https://x", {.certificate_pem = pki().client.certificate_pem}).find("needs its key") !=
        std::string::npos);
  CHECK(refuse("https://x", {.certificate_pem = pki().client.certificate_pem, .key_pem = pki().server.key_pem}) ==
        "the client key does not belong to the client certificate");
  CHECK(refuse("ftp://x", {}).find("is no server's URL") != std::string::npos);
  CHECK(refuse("https://[::1]:6443", {}).find("give a host name for it") != std::string::npos);
  CHECK(refuse("not a url", {}).find("is no server's URL") != std::string::npos);
}

TEST_CASE("a silent server costs no more than the deadline") {
  ScenarioServer server(&pki(), {{.request = "GET /slow", .silent = true}});
  const auto slow = client(server.url())->send(get("/slow"), {.deadline = milliseconds(300)}, {});
  REQUIRE(!slow.has_value());
  CHECK(slow.error().message.find("no answer within 300 ms") != std::string::npos);
}

TEST_CASE("a stop request ends the wait for a silent server") {
  ScenarioServer server(&pki(), {{.request = "GET /stop", .silent = true}});
  std::stop_source source;
  std::jthread stopper([&](const std::stop_token& test_over) {
    while (server.requests().empty() && !test_over.stop_requested()) std::this_thread::yield();
    source.request_stop();
  });
  const auto stopped = client(server.url())->send(get("/stop"), {}, source.get_token());
  REQUIRE(!stopped.has_value());
  CHECK(stopped.error().message.find("cancelled") != std::string::npos);
  CHECK(server.wait_client_gone());
}

TEST_CASE("a body over the limit is an error") {
  ScenarioServer server(&pki(),
                        {{.request = "GET /", .chunks = std::vector<std::string>(20, std::string(100'000, 'x'))}});
  const auto answer = client(server.url())->send(get("/"), {.max_body = 1'000'000}, {});
  REQUIRE(!answer.has_value());
  CHECK(answer.error().message.find("longer than 1000000 bytes") != std::string::npos);
}

TEST_CASE("an answer that is cut off is an error, not a short body") {
  ScenarioServer server(&pki(), {{.request = "GET /", .chunks = {"half"}, .after = After::Cut}});
  CHECK(!client(server.url())->send(get("/"), {}, {}).has_value());
}

TEST_CASE("nobody listens: the message names the server and leaves out the query") {
  std::string url;
  { url = ScenarioServer(nullptr, {}).url(); }
  const auto answer = client(url)->send(get("/path?token=secret"), {}, {});
  REQUIRE(!answer.has_value());
  CHECK(answer.error().message.find(url + "/path") != std::string::npos);
  CHECK(answer.error().message.find("secret") == std::string::npos);
}

StreamResult stream(ScenarioServer& server, const StreamOptions& options, const LineCallback& on_line,
                    std::stop_token stop = {}) {
  auto result = client(server.url())->stream_lines(get("/watch"), options, on_line, std::move(stop));
  REQUIRE_MESSAGE(result.has_value(), result.error().message);
  return *result;
}

TEST_CASE("a stream gives its lines however they are cut, and says how it ended") {
  std::vector<std::string> lines;
  const LineCallback collect = [&](std::string_view line) {
    lines.emplace_back(line);
    return true;
  };
  SUBCASE("closed") {
    ScenarioServer server(&pki(), {{.request = "GET /watch", .chunks = {"on", "e\ntw", "o\n"}}});
    int opened = 0;
    CHECK(stream(server, {.on_open = [&] { ++opened; }}, collect).end == StreamEnd::Closed);
    CHECK(opened == 1);
    CHECK(lines == std::vector<std::string>{"one", "two"});
  }
  SUBCASE("cut") {
    ScenarioServer server(&pki(), {{.request = "GET /watch", .chunks = {"one\n"}, .after = After::Cut}});
    CHECK(stream(server, {}, collect).end == StreamEnd::Broken);
    CHECK(lines == std::vector<std::string>{"one"});
  }
  SUBCASE("idle") {
    ScenarioServer server(&pki(), {{.request = "GET /watch", .chunks = {"one\n"}, .after = After::Hang}});
    CHECK(stream(server, {.idle = milliseconds(100)}, collect).end == StreamEnd::Idle);
    CHECK(server.wait_client_gone());
  }
  SUBCASE("too long a line") {
    ScenarioServer server(&pki(), {{.request = "GET /watch", .chunks = {std::string(200, 'x')}, .after = After::Hang}});
    CHECK(stream(server, {.max_line = 100}, collect).end == StreamEnd::LineTooLong);
    CHECK(server.wait_client_gone());
  }
  SUBCASE("refused") {
    ScenarioServer server(&pki(), {{.request = "GET /watch", .status = 410, .chunks = {"gone"}}});
    int opened = 0;
    const StreamResult result = stream(server, {.on_open = [&] { ++opened; }}, collect);
    CHECK(opened == 0);
    CHECK(result.end == StreamEnd::NotStreamed);
    CHECK(result.status == 410);
    CHECK(result.body == "gone");
  }
  SUBCASE("stopped by the callback") {
    ScenarioServer server(&pki(), {{.request = "GET /watch", .chunks = {"one\ntwo\n"}, .after = After::Hang}});
    CHECK(stream(server, {}, [](std::string_view) { return false; }).end == StreamEnd::Stopped);
    CHECK(server.wait_client_gone());
  }
}

TEST_CASE("a silent stream is cancelled within milliseconds") {
  ScenarioServer server(&pki(), {{.request = "GET /watch", .chunks = {"one\n"}, .after = After::Hang}});
  std::stop_source source;
  steady_clock::time_point asked;
  std::jthread stopper;
  const StreamResult result = stream(
      server, {},
      [&](std::string_view) {
        stopper = std::jthread([&] {
          asked = steady_clock::now();
          source.request_stop();
        });
        return true;
      },
      source.get_token());
  stopper.join();
  CHECK(result.end == StreamEnd::Cancelled);
  CHECK(steady_clock::now() - asked < milliseconds(500));  // about 1 ms on an idle machine
  CHECK(server.wait_client_gone());
}

TEST_CASE("a slow reader slows the sender down and loses nothing") {
  std::vector<std::string> chunks;
  for (int i = 0; i < 400; ++i) chunks.push_back(std::string(20'000, static_cast<char>('a' + i % 26)) + "\n");
  ScenarioServer server(&pki(), {{.request = "GET /watch", .chunks = chunks}});
  std::size_t at = 0;
  bool same = true;
  const StreamResult result = stream(server, {}, [&](std::string_view line) {
    same = same && at < chunks.size() && line == std::string_view(chunks[at]).substr(0, 20'000);
    ++at;
    return true;
  });
  CHECK(result.end == StreamEnd::Closed);
  CHECK(same);
  CHECK(at == chunks.size());
}

}  // namespace
}  // namespace meshauth::http
