#include "operator/webhook/server.h"

#include <doctest/doctest.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>
#include <sys/time.h>

#include "operator/asio/asio.h"
#include "operator/asio/tls.h"
#include "operator/fleet/pki.h"

namespace meshauth::webhook {
namespace {

using namespace std::chrono_literals;
using net::http::verb;

const auto kNow = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());

class Client {
 public:
  Client(const fleet::Certificate& authority, std::uint16_t port)
      : tls_(*net::client_context({authority.certificate_pem})), socket_(io_, *tls_) {
    socket_.set_verify_callback(net::ssl::rfc2818_verification("localhost"));
    socket_.next_layer().connect({net::asio::ip::make_address("127.0.0.1"), port});
    const timeval limit{.tv_sec = 20, .tv_usec = 0};
    setsockopt(socket_.next_layer().native_handle(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    socket_.handshake(net::ssl::stream_base::client);
  }

  /// 0: the connection ended.
  unsigned ask(verb method, const std::string& target, const std::string& body = "") {
    net::http::request<net::http::string_body> request(method, target, 11);
    request.body() = body;
    request.prepare_payload();
    net::error_code error;
    net::http::write(socket_, request, error);  // a refusal may come before all is sent
    response_ = {};
    net::error_code read_error;
    net::http::read(socket_, buffer_, response_, read_error);
    return read_error ? 0 : response_.result_int();
  }
  const std::string& body() const { return response_.body(); }
  bool keeps_alive() const { return response_.keep_alive(); }
  std::string certificate() {
    std::unique_ptr<X509, decltype(&X509_free)> peer(SSL_get1_peer_certificate(socket_.native_handle()), X509_free);
    std::unique_ptr<BIGNUM, decltype(&BN_free)> number(ASN1_INTEGER_to_BN(X509_get0_serialNumber(peer.get()), nullptr),
                                                       BN_free);
    std::string out(256, '\0');
    out.resize(static_cast<std::size_t>(BN_bn2bin(number.get(), reinterpret_cast<unsigned char*>(out.data()))));
    return out;
  }

 private:
  net::asio::io_context io_;
  std::shared_ptr<net::ssl::context> tls_;
  net::ssl::stream<net::tcp::socket> socket_;
  net::beast::flat_buffer buffer_;
  net::http::response<net::http::string_body> response_;
};

struct Fixture {
  fleet::Certificate issue() const { return *fleet::issue_server_certificate(authority, {"localhost"}, kNow, 1h); }

  Fixture() {
    const auto certificate = issue();
    ServerOptions options;
    options.listen = "127.0.0.1:0";
    options.certificate_pem = certificate.certificate_pem;
    options.key_pem = certificate.key_pem;
    auto started = Server::start(
        options,
        [](std::string_view body, bool asked) -> Reviewed {
          if (body == "throw") throw std::runtime_error("secret");
          if (body == "bad") return {Outcome::Malformed, "no review", "", ""};
          return {asked ? Outcome::Injected : Outcome::Unchanged, fmt::format("{{\"size\":{}}}", body.size()), "", ""};
        },
        registry);
    REQUIRE(started);
    server = std::move(*started);
  }
  Client dial() const { return {authority, server->port()}; }
  bool counted(const std::string& line) const {
    return prometheus::TextSerializer().Serialize(registry.Collect()).find(line + "\n") != std::string::npos;
  }

  const fleet::Certificate authority = *fleet::make_authority("test", kNow, 1h);
  prometheus::Registry registry;
  std::unique_ptr<Server> server;
};

TEST_CASE("reviews are answered on the path that called, one after the other on one connection") {
  const Fixture f;
  CHECK(f.counted("mesh_auth_admissions_total{outcome=\"refused\"} 0"));
  Client client = f.dial();
  CHECK(client.ask(verb::post, "/inject/namespace?timeout=5s", "abc") == 200);
  CHECK(client.body() == "{\"size\":3}");
  CHECK(client.keeps_alive());
  CHECK(client.ask(verb::post, "/inject/pod", std::string(3 << 20, 'x')) == 200);
  CHECK(client.ask(verb::get, "/inject/pod") == 405);
  CHECK(client.ask(verb::post, "/inject") == 404);
  CHECK(client.ask(verb::post, "/inject/pod", "bad") == 400);
  CHECK(client.body() == "no review\n");
  CHECK(client.ask(verb::post, "/inject/pod", "throw") == 400);
  CHECK(client.body() == "internal error\n");
  CHECK(f.counted("mesh_auth_admissions_total{outcome=\"injected\"} 1"));
  CHECK(f.counted("mesh_auth_admissions_total{outcome=\"unchanged\"} 1"));
  CHECK(f.counted("mesh_auth_admissions_total{outcome=\"malformed\"} 2"));
  CHECK(f.counted("mesh_auth_admission_seconds_count 4"));
}

TEST_CASE("bodies and headers are bounded, and the next caller is served") {
  const Fixture f;
  CHECK(f.dial().ask(verb::post, "/inject/pod", std::string((8 << 20) + 1, 'x')) != 200);
  CHECK(f.dial().ask(verb::post, "/inject/" + std::string(20'000, 'x')) == 0);
  CHECK(f.dial().ask(verb::post, "/inject/pod", "abc") == 200);
}

TEST_CASE("another certificate is for new connections; an open one ends with its answer") {
  const Fixture f;
  Client before = f.dial();
  CHECK(before.ask(verb::post, "/inject/pod", "abc") == 200);
  const auto next = f.issue();
  REQUIRE(f.server->set_certificate(next.certificate_pem, next.key_pem));
  Client after = f.dial();
  CHECK(after.ask(verb::post, "/inject/pod", "abc") == 200);
  CHECK(after.certificate() != before.certificate());
  CHECK(before.ask(verb::post, "/inject/pod", "abc") == 200);
  CHECK(!before.keeps_alive());
  CHECK(before.ask(verb::post, "/inject/pod", "abc") == 0);
  CHECK(!f.server->set_certificate(next.certificate_pem, f.issue().key_pem));
  CHECK(f.dial().certificate() == after.certificate());
}

TEST_CASE("an address that is none, or is taken, is named") {
  const Fixture f;
  const auto certificate = f.issue();
  const auto refused = [&](const std::string& listen) {
    prometheus::Registry registry;
    const auto started = Server::start(
        {listen, certificate.certificate_pem, certificate.key_pem}, [](auto, bool) { return Reviewed(); }, registry);
    return started ? "" : started.error().message;
  };
  for (const char* listen : {"", "x", ":x", "localhost:1", "127.0.0.1:99999"}) {
    CAPTURE(listen);
    CHECK(refused(listen).find("is no ADDRESS:PORT") != std::string::npos);
  }
  CHECK(refused(fmt::format("127.0.0.1:{}", f.server->port())).find("cannot listen on") != std::string::npos);
}

TEST_CASE("it ends while callers are connected") {
  auto f = std::make_unique<Fixture>();
  Client idle = f->dial();
  CHECK(idle.ask(verb::post, "/inject/pod", "abc") == 200);
  f->server.reset();
  CHECK(idle.ask(verb::post, "/inject/pod", "abc") == 0);
}

}  // namespace
}  // namespace meshauth::webhook
