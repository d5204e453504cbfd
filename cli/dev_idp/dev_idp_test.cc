#include "cli/dev_idp/dev_idp.h"

#include <doctest/doctest.h>

#include <atomic>
#include <filesystem>
#include <sstream>
#include <thread>

#include "cli/dev_idp/https_server.h"
#include "operator/asio/asio.h"
#include "operator/asio/message.h"
#include "operator/http/guarded_fetch.h"

using namespace meshauth;
using namespace meshauth::dev_idp;

namespace {

struct Posted {
  unsigned status = 0;
  std::string body;
};

/// Who answers is checked elsewhere, by the guarded fetch.
Posted post(std::uint16_t port, const std::string& target, const std::string& body) {
  namespace asio = net::asio;
  namespace bhttp = net::http;
  asio::io_context context;
  asio::ssl::context tls(asio::ssl::context::tls_client);
  asio::ssl::stream<asio::ip::tcp::socket> stream(context, tls);
  stream.next_layer().connect({asio::ip::address_v4::loopback(), port});
  stream.handshake(asio::ssl::stream_base::client);
  bhttp::request<bhttp::string_body> request(bhttp::verb::post, target, 11, body);
  request.set(bhttp::field::host, "localhost");
  request.set(bhttp::field::content_type, "application/json");
  request.prepare_payload();
  asio::write(stream, asio::buffer(net::to_bytes(request)));
  net::beast::flat_buffer buffer;
  bhttp::response<bhttp::string_body> response;
  bhttp::read(stream, buffer, response);
  return {response.result_int(), response.body()};
}

/// A provider that serves while the test runs.
struct Running {
  std::unique_ptr<DevIdp> idp;
  std::thread thread;

  explicit Running(DevIdpOptions options) {
    auto opened = DevIdp::open(options);
    REQUIRE_MESSAGE(opened, opened.error().message);
    idp = std::move(*opened);
    thread = std::thread([this] { CHECK(idp->run(false)); });
  }
  ~Running() {
    idp->stop();
    thread.join();
  }

  std::string url(const std::string& target) const {
    return "https://127.0.0.1:" + std::to_string(idp->port()) + target;
  }
  std::string fetch(const std::string& target, int deadline_ms = 120'000) const {
    http::FetchRequest request;
    request.url = url(target);
    request.ca_bundle = idp->ca_pem();
    request.deadline = std::chrono::milliseconds(deadline_ms);
    http::FetchGuard guard;
    guard.allow_loopback = true;
    const auto response = http::guarded_fetch(request, guard);
    if (!response) return std::string(http::fetch_fault_name(response.error().fault));
    return std::to_string(response->status);
  }
  Posted post(const std::string& target, const std::string& body = "") const {
    return ::post(idp->port(), target, body);
  }
};

DevIdpOptions any_port() {
  return {.listen = "127.0.0.1:0", .issuer = "", .state = ""};
}

}  // namespace

TEST_CASE("the documents are served over TLS with a certificate of its own CA") {
  const Running running(any_port());
  CHECK(running.idp->issuer() == running.url(""));
  CHECK(running.fetch("/.well-known/openid-configuration") == "200");
  CHECK(running.fetch("/keys") == "200");
  CHECK(running.fetch("/nothing") == "404");
}

TEST_CASE("each outage looks to the guarded fetch like what it plays") {
  const Running running(any_port());
  struct Case {
    const char* mode;
    const char* seen;
  };
  for (const Case& c : {Case{"down", "ConnectionLost"}, Case{"500", "500"}, Case{"slow", "TimedOut"},
                        Case{"big", "BodyTooLarge"}, Case{"html", "200"}, Case{"off", "200"}}) {
    CAPTURE(c.mode);
    CHECK(running.post("/fail?mode=" + std::string(c.mode)).status == 200);
    CHECK(running.fetch("/keys", std::string_view(c.mode) == "slow" ? 1500 : 120'000) == c.seen);
  }
}

TEST_CASE("tokens are minted over the wire, within the limits") {
  const Running running(any_port());
  const Posted token = running.post("/token", R"({"claims":{"aud":"api"}})");
  CHECK(token.status == 200);
  CHECK(token.body.find("access_token") != std::string::npos);
  CHECK(running.post("/token", std::string(65 * 1024, ' ')).status == 413);
  CHECK(running.fetch("/" + std::string(1900, 'x')) == "404");
}

TEST_CASE("many connections at once do not stop it from serving") {
  const Running running(any_port());
  std::vector<std::thread> clients;
  std::atomic<int> good = 0;
  for (int i = 0; i < 16; ++i) {
    clients.emplace_back([&] { good += running.fetch("/keys") == "200" ? 1 : 0; });
  }
  for (std::thread& client : clients) client.join();
  CHECK(good == 16);
}

TEST_CASE("an issuer of another name is on the certificate") {
  DevIdpOptions options = any_port();
  options.issuer = "https://idp.test:8443/realms/dev";
  const Running running(options);
  http::FetchRequest request;
  request.deadline = std::chrono::milliseconds(120'000);
  request.url = "https://idp.test:" + std::to_string(running.idp->port()) + "/realms/dev/keys";
  request.ca_bundle = running.idp->ca_pem();
  http::FetchGuard guard;
  guard.allow_loopback = true;
  guard.resolve = [](const std::string&) -> Result<std::vector<IpAddress>> {
    return std::vector{*IpAddress::parse("127.0.0.1")};
  };
  const auto response = http::guarded_fetch(request, guard);
  REQUIRE_MESSAGE(response, response.error().message);
  CHECK(response->status == 200);
}

TEST_CASE("where to listen is read strictly") {
  const auto host = [](std::string_view text) {
    const auto address = ListenAddress::parse(text);
    return address ? address->host + " " + std::to_string(address->port) : "refused";
  };
  CHECK(host("127.0.0.1:9443") == "127.0.0.1 9443");
  CHECK(host(":9443") == "127.0.0.1 9443");
  CHECK(host("localhost:0") == "127.0.0.1 0");
  CHECK(host("[::1]:9443") == "::1 9443");
  CHECK(host("0.0.0.0:9443") == "0.0.0.0 9443");
  for (const char* text : {"", "9443", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:65536", "example.com:1"}) {
    CAPTURE(text);
    CHECK(host(text) == "refused");
  }
}

TEST_CASE("what cannot be served is said, with exit code 1") {
  const Running running(any_port());
  struct Case {
    DevIdpOptions options;
    const char* message;
  };
  const std::string taken = "127.0.0.1:" + std::to_string(running.idp->port());
  for (const Case& c : {Case{{.listen = taken, .issuer = "", .state = ""}, "in use"},
                        Case{{.listen = "nowhere", .issuer = "", .state = ""}, "--listen"},
                        Case{{.listen = "127.0.0.1:0", .issuer = "http://a.example", .state = ""}, "must be https"},
                        Case{{.listen = "127.0.0.1:0", .issuer = "https://a.example/?x=1", .state = ""}, "query"},
                        Case{{.listen = "127.0.0.1:0", .issuer = "", .state = "/dev/null/x"}, "--state"}}) {
    CAPTURE(c.options.listen);
    std::ostringstream out, err;
    CHECK(dev_idp::dev_idp(c.options, out, err) == 1);
    CHECK(out.str().empty());
    CAPTURE(err.str());
    CHECK(err.str().find(c.message) != std::string::npos);
  }
}
