#include "operator/fleet/server.h"

#include <doctest/doctest.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <condition_variable>
#include <mutex>
#include <set>

#include "operator/asio/asio.h"
#include "operator/asio/tls.h"
#include "operator/fleet/pki.h"

namespace meshauth::fleet {
namespace {

using namespace std::chrono_literals;

const auto kIssued = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
constexpr auto kPatience = 20s;

/// Things that happen on other threads, awaited by name.
class Log {
 public:
  void add(const std::string& what) {
    const std::lock_guard lock(mutex_);
    seen_.insert(what);
    changed_.notify_all();
  }
  bool wait_for(const std::string& what) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, kPatience, [&] { return seen_.count(what) > 0; });
  }
  std::size_t count(const std::string& what) {
    const std::lock_guard lock(mutex_);
    return seen_.count(what);
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::multiset<std::string> seen_;
};

/// "good-..." is known as pod shop/..., "slow" cannot be checked, the rest is unknown.
class FakeAuthenticator final : public Authenticator {
 public:
  Result<std::optional<Caller>> authenticate(std::string_view token, std::string_view) override {
    ++reviews;
    if (token == "unavailable") return fail("the API server is down");
    if (!token.starts_with("good-")) return std::optional<Caller>();
    return Caller{"shop/" + std::string(token.substr(5)), "", std::chrono::system_clock::now() + 1h};
  }
  bool pod_in_workload(const Caller&, std::string_view workload) override { return workload == "shop/orders"; }

  std::atomic<int> reviews = 0;
};

/// A blocking client, with a limit on each wait.
class Client {
 public:
  Client(const Certificate& authority, std::uint16_t port)
      : tls_(*net::client_context({authority.certificate_pem})), socket_(io_, *tls_) {
    socket_.set_verify_callback(net::ssl::rfc2818_verification("localhost"));
    socket_.next_layer().connect({net::asio::ip::make_address("127.0.0.1"), port});
    const timeval limit{.tv_sec = 20, .tv_usec = 0};
    setsockopt(socket_.next_layer().native_handle(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    socket_.handshake(net::ssl::stream_base::client);
  }

  net::http::response<net::http::string_body> request(net::http::verb verb, const std::string& target,
                                                      const std::string& token, const std::string& body = "") {
    send(verb, target, token, body);
    net::http::response<net::http::string_body> response;
    net::error_code error;
    net::http::read(socket_, buffer_, response, error);
    return response;
  }

  void send(net::http::verb verb, const std::string& target, const std::string& token, const std::string& body = "",
            const std::string& held = "") {
    net::http::request<net::http::string_body> request(verb, target, 11);
    if (!token.empty()) request.set(net::http::field::authorization, "Bearer " + token);
    if (!held.empty()) request.set("Last-Event-ID", held);
    request.body() = body;
    request.prepare_payload();
    net::error_code error;
    net::http::write(socket_, request, error);
  }

  /// Everything up to and with `end`; what was read so far if the stream ends first.
  std::string read_until(const std::string& end) {
    std::string text;
    net::error_code error;
    char byte;
    while (!error && !text.ends_with(end)) {
      if (net::asio::read(socket_, net::asio::buffer(&byte, 1), error) == 1) text += byte;
    }
    return text;
  }
  /// The next event of the name, pings passed over unless asked for. Empty: the stream ended.
  std::string event(const std::string& name) {
    while (true) {
      const auto text = read_until("\n\n");
      if (text.empty() || !text.ends_with("\n\n")) return {};
      if (text.starts_with("event: " + name + "\n")) return text;
    }
  }
  bool open_stream(const std::string& token, const std::string& held = "") {
    send(net::http::verb::get, "/v1/workloads/shop/orders/stream", token, "", held);
    return read_until("\r\n\r\n").starts_with("HTTP/1.1 200 ");
  }
  net::ssl::stream<net::tcp::socket>& socket() { return socket_; }

 private:
  net::asio::io_context io_;
  std::shared_ptr<net::ssl::context> tls_;
  net::ssl::stream<net::tcp::socket> socket_;
  net::beast::flat_buffer buffer_;
};

struct ServerFixture {
  explicit ServerFixture(bool leader = true, std::chrono::milliseconds ping = 15s,
                         std::chrono::milliseconds write_timeout = 30s) {
    const auto certificate = issue_server_certificate(authority, {"localhost"}, kIssued, 1h);
    REQUIRE(certificate);
    FleetOptions options;
    options.listen = "127.0.0.1:0";
    options.certificate_pem = certificate->certificate_pem;
    options.key_pem = certificate->key_pem;
    options.ping_interval = ping;
    options.write_timeout = write_timeout;
    FleetHandlers handlers;
    handlers.on_ack = [this](const SidecarAck& a) {
      log.add("ack " + a.pod + " " + a.workload + " " + a.ack.revision + " " + std::string(to_string(a.ack.outcome)));
    };
    handlers.on_report = [this](const SidecarReport& r) {
      for (const auto& kid : r.report.unknown_kids) log.add("kid " + r.pod + " " + kid.source + " " + kid.kid);
    };
    handlers.on_connect = [this](const std::string& pod, const std::string&) { log.add("connect " + pod); };
    handlers.on_disconnect = [this](const std::string& pod, const std::string&) { log.add("disconnect " + pod); };
    auto started = FleetServer::start(options, authenticator, handlers, registry);
    REQUIRE(started);
    server = std::move(*started);
    if (leader) server->set_leader(true);
  }

  Client dial() const { return {authority, server->port()}; }
  int status(const std::string& token, net::http::verb verb, const std::string& target, const std::string& body = "") {
    return static_cast<int>(dial().request(verb, target, token, body).result_int());
  }
  std::shared_ptr<const bundle::Bundle> publish(const std::string& policy) {
    auto made = bundle::make_bundle({{"auth.conf", "# a\n"}, {"jwks.json", "{}"}, {"policy.json", policy}},
                                    "shop/orders", {1, ++sequence}, key);
    REQUIRE(made);
    auto shared = std::make_shared<const bundle::Bundle>(std::move(*made));
    server->publish("shop/orders", shared);
    return shared;
  }
  std::string metrics() const { return prometheus::TextSerializer().Serialize(registry.Collect()); }

  Certificate authority = *make_authority("test", kIssued, 24h);
  bundle::SigningKey key = bundle::SigningKey::generate();
  std::uint64_t sequence = 0;
  Log log;
  prometheus::Registry registry;
  std::shared_ptr<FakeAuthenticator> authenticator = std::make_shared<FakeAuthenticator>();
  std::unique_ptr<FleetServer> server;
};

using net::http::verb;

TEST_CASE("a sidecar hears each bundle as it is published, and its ack is heard") {
  ServerFixture f;
  const auto first = f.publish("{}");
  auto stream = f.dial();
  REQUIRE(stream.open_stream("good-a"));
  CHECK(stream.event("bundle").find("id: " + first->manifest.revision) != std::string::npos);
  REQUIRE(f.log.wait_for("connect shop/a"));
  const auto second = f.publish(R"({"a":1})");
  const auto event = stream.event("bundle");
  CHECK(event.find("id: " + second->manifest.revision) != std::string::npos);
  CHECK(event.find("auth.conf\\\":\\\"# a") == std::string::npos);  // it has that file already

  const bundle::Ack ack{second->manifest.revision, bundle::Outcome::Applied, "", {}, 0.5};
  CHECK(f.status("good-a", verb::post, "/v1/workloads/shop/orders/ack", bundle::encode(ack)) == 204);
  CHECK(f.log.wait_for("ack shop/a shop/orders " + second->manifest.revision + " applied"));
  const auto text = f.metrics();
  CHECK(text.find("mesh_auth_fleet_acks_total{outcome=\"applied\"} 1") != std::string::npos);
  CHECK(text.find("mesh_auth_fleet_enforced_seconds_count 1") != std::string::npos);
  CHECK(text.find("mesh_auth_fleet_streams 1") != std::string::npos);
}

TEST_CASE("requests that are not right get their status and nothing else") {
  ServerFixture f;
  const std::string ack = "/v1/workloads/shop/orders/ack";
  CHECK(f.status("", verb::post, ack, "{}") == 401);
  CHECK(f.status("bad", verb::post, ack, "{}") == 401);
  CHECK(f.status("unavailable", verb::post, ack, "{}") == 503);
  CHECK(f.status("good-a", verb::post, "/v1/workloads/shop/other/ack", "{}") == 403);
  CHECK(f.status("good-a", verb::get, "/v1/workloads/shop/other/stream") == 403);
  CHECK(f.status("good-a", verb::post, ack, "{}") == 400);
  CHECK(f.status("good-a", verb::post, ack, std::string(3 * 1024 * 1024, 'x')) == 413);
  CHECK(f.status("good-a", verb::get, ack) == 405);
  for (const auto* path :
       {"/", "/v1/workloads/shop/orders", "/v1/workloads/Shop/orders/ack", "/v1/workloads/../orders/ack",
        "/v1/workloads/shop/orders/stream/x", "/v1/workloads/shop/orders/ack?a=b"}) {
    CAPTURE(path);
    CHECK(f.status("good-a", verb::post, path, "{}") == 404);
  }
}

TEST_CASE("an error body is short JSON and never repeats the token") {
  ServerFixture f;
  const auto response = f.dial().request(verb::post, "/v1/workloads/shop/orders/ack", "bad-secret", "{}");
  CHECK(response.body() == R"({"error":"the token is not a valid one for this service"})");
  CHECK(response[net::http::field::www_authenticate] == "Bearer");
}

TEST_CASE("one token is judged once, and anew when its pod has gone") {
  ServerFixture f;
  auto client = f.dial();
  for (int i = 0; i < 5; ++i) client.request(verb::post, "/v1/workloads/shop/orders/report", "good-a", "{}");
  CHECK(f.authenticator->reviews == 1);
  f.server->pod_closed("shop/a");
  client.request(verb::post, "/v1/workloads/shop/orders/report", "good-a", "{}");
  CHECK(f.authenticator->reviews == 2);
}

TEST_CASE("reports arrive with the pod of the token") {
  ServerFixture f;
  const bundle::Report report{{{"src", "kid-9"}}, {}, {}};
  CHECK(f.status("good-b", verb::post, "/v1/workloads/shop/orders/report", bundle::encode(report)) == 204);
  CHECK(f.log.wait_for("kid shop/b src kid-9"));
}

TEST_CASE("a standby answers 503 and a leader that is no more closes its streams") {
  ServerFixture f(false);
  CHECK(f.status("good-a", verb::get, "/v1/workloads/shop/orders/stream") == 503);
  f.server->set_leader(true);
  auto stream = f.dial();
  REQUIRE(stream.open_stream("good-a"));
  REQUIRE(f.log.wait_for("connect shop/a"));
  f.server->set_leader(false);
  CHECK(stream.event("bundle").empty());
  CHECK(f.log.wait_for("disconnect shop/a"));
  CHECK(f.status("good-a", verb::get, "/v1/workloads/shop/orders/stream") == 503);
}

TEST_CASE("a pod's streams close with it, the streams of others stay") {
  ServerFixture f;
  auto a = f.dial();
  auto b = f.dial();
  REQUIRE(a.open_stream("good-a"));
  REQUIRE(b.open_stream("good-b"));
  REQUIRE(f.log.wait_for("connect shop/a"));
  REQUIRE(f.log.wait_for("connect shop/b"));
  f.server->pod_closed("shop/a");
  CHECK(a.event("bundle").empty());
  CHECK(f.log.wait_for("disconnect shop/a"));
  const auto bundle = f.publish("{}");
  CHECK(b.event("bundle").find(bundle->manifest.revision) != std::string::npos);
  CHECK(f.log.count("disconnect shop/b") == 0);
}

TEST_CASE("a sidecar that hangs up is disconnected at once") {
  ServerFixture f;
  {
    auto stream = f.dial();
    REQUIRE(stream.open_stream("good-a"));
    REQUIRE(f.log.wait_for("connect shop/a"));
  }
  CHECK(f.log.wait_for("disconnect shop/a"));
}

TEST_CASE("pings carry fresh.json") {
  ServerFixture f(true, 50ms);
  f.server->set_fresh("shop/orders", R"({"sources":{}})", "c2ln");
  auto stream = f.dial();
  REQUIRE(stream.open_stream("good-a"));
  for (int i = 0; i < 3; ++i) {
    const auto text = stream.event("ping");
    CHECK(text.find(R"("signature":"c2ln")") != std::string::npos);
  }
}

TEST_CASE("a stream outlives the deadline of each write") {
  ServerFixture f(true, 50ms, 500ms);
  f.publish("{}");  // so that a write begins with the stream
  auto stream = f.dial();
  REQUIRE(stream.open_stream("good-a"));
  for (int i = 0; i < 20; ++i) REQUIRE(!stream.event("ping").empty());
  CHECK(f.log.count("disconnect shop/a") == 0);
}

TEST_CASE("a reader that takes nothing is sent the newest bundle alone when it reads again") {
  ServerFixture f;
  auto stream = f.dial();
  REQUIRE(stream.open_stream("good-a"));
  REQUIRE(f.log.wait_for("connect shop/a"));
  std::string newest;
  for (int i = 0; i < 60; ++i) {  // 48 MB, more than all the buffers between hold
    newest = f.publish("{\"" + std::string(800 * 1024, static_cast<char>('a' + i % 26)) + std::to_string(i) + "\":1}")
                 ->manifest.revision;
  }
  int events = 0;
  std::string last;
  while (last.find(newest) == std::string::npos) {
    last = stream.event("bundle");
    REQUIRE(!last.empty());
    ++events;
  }
  CHECK(events < 60);
}

TEST_CASE("a new certificate serves the connections that come after it") {
  ServerFixture f;
  auto before = f.dial();
  const auto other = make_authority("other", kIssued, 24h);
  const auto certificate = issue_server_certificate(*other, {"localhost"}, kIssued, 1h);
  REQUIRE(f.server->set_certificate(certificate->certificate_pem, certificate->key_pem));
  CHECK(!f.server->set_certificate("junk", "junk"));
  CHECK(before.request(verb::post, "/v1/workloads/shop/orders/report", "good-a", "{}").result_int() == 204);
  CHECK_THROWS(f.dial());
  f.authority = *other;
  CHECK(f.status("good-a", verb::post, "/v1/workloads/shop/orders/report", "{}") == 204);
}

TEST_CASE("a listen address that cannot be is named") {
  prometheus::Registry registry;
  const auto authority = *make_authority("test", kIssued, 24h);
  for (const auto* listen : {"", "8443", "localhost:8443", "127.0.0.1:99999", "127.0.0.1:x"}) {
    CAPTURE(listen);
    FleetOptions options;
    options.listen = listen;
    options.certificate_pem = authority.certificate_pem;
    options.key_pem = authority.key_pem;
    const auto server = FleetServer::start(options, std::make_shared<FakeAuthenticator>(), {}, registry);
    REQUIRE(!server);
    CHECK(server.error().message.find("must be ADDRESS:PORT") != std::string::npos);
  }
}

TEST_CASE("every metric is there at 0 before anything happened") {
  const ServerFixture f(false);
  const auto text = f.metrics();
  for (const auto* line :
       {"mesh_auth_fleet_streams 0", "mesh_auth_fleet_connections 0",
        "mesh_auth_fleet_events_total{event=\"bundle\"} 0", "mesh_auth_fleet_events_total{event=\"ping\"} 0",
        "mesh_auth_fleet_acks_total{outcome=\"refused\"} 0", "mesh_auth_fleet_refused_total{code=\"401\"} 0",
        "mesh_auth_fleet_push_seconds_count 0"}) {
    CAPTURE(line);
    CHECK(text.find(line) != std::string::npos);
  }
}

}  // namespace
}  // namespace meshauth::fleet
