#include "operator/http/guarded_fetch.h"

#include <doctest/doctest.h>

#include <atomic>
#include <thread>

#include "operator/http/certificate.h"
#include "operator/http/testing/tls_test_server.h"

using namespace meshauth;
using namespace meshauth::http;
using testing::TlsTestServer;
using Connection = TlsTestServer::Connection;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

namespace {

const CertificateAuthority& authority() {
  static const CertificateAuthority ca = CertificateAuthority::create("test CA");
  return ca;
}

Credentials server_credentials() {
  return authority().issue({{"127.0.0.1", "idp.test"}});
}

/// Knows idp.test, and nothing else.
Result<std::vector<IpAddress>> resolve_test_names(const std::string& host) {
  if (host == "idp.test" || host == "other.test") return std::vector{*IpAddress::parse("127.0.0.1")};
  if (host == "metadata.test") return std::vector{*IpAddress::parse("169.254.169.254"), *IpAddress::parse("::1")};
  if (host == "mixed.test") return std::vector{*IpAddress::parse("169.254.169.254"), *IpAddress::parse("127.0.0.1")};
  return fail("{} is unknown", host);
}

const FetchGuard kGuard{.allow_loopback = true, .allow_http = false, .resolve = resolve_test_names};

FetchRequest request(const std::string& url) {
  FetchRequest wanted;
  wanted.url = url;
  wanted.ca_bundle = authority().certificate();
  wanted.deadline = milliseconds(120'000);  // a busy machine is no failure; tests about the deadline set their own
  return wanted;
}

std::string answer(const std::string& body, const std::string& headers = "") {
  return "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n" + headers +
         "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

/// What the fetch of a server that answers exactly these bytes ends with.
tl::expected<FetchResponse, FetchError> fetch_bytes(const std::string& bytes) {
  TlsTestServer server(server_credentials(), [&](Connection& c) { c.write(bytes); });
  return guarded_fetch(request(server.url()), kGuard);
}

std::string fault(const tl::expected<FetchResponse, FetchError>& result) {
  return result ? "none" : std::string(fetch_fault_name(result.error().fault));
}

}  // namespace

TEST_CASE("a document is fetched with its headers") {
  std::string head;
  TlsTestServer server(server_credentials(), [&](Connection& c) {
    head = c.head;
    c.write(answer("{\"a\":1}", "ETag: \"v1\"\r\nCache-Control: public, max-age=120\r\n"));
  });
  FetchRequest wanted = request(server.url("/keys?x=1"));
  wanted.if_none_match = "\"v0\"";
  const auto response = guarded_fetch(wanted, kGuard);
  REQUIRE_MESSAGE(response, response.error().message);
  CHECK(response->status == 200);
  CHECK(response->body == "{\"a\":1}");
  CHECK(response->etag == "\"v1\"");
  CHECK(response->content_type == "application/json");
  CHECK(response->max_age == std::chrono::seconds(120));
  CHECK(head.starts_with("GET /keys?x=1 HTTP/1.1\r\n"));
  CHECK(head.find("If-None-Match: \"v0\"\r\n") != std::string::npos);
  CHECK(head.find("Host: 127.0.0.1:" + std::to_string(server.port()) + "\r\n") != std::string::npos);
  CHECK(head.find("nginx-mesh-auth/") != std::string::npos);
}

TEST_CASE("an entity tag that would end its header early is not sent") {
  std::string head;
  TlsTestServer server(server_credentials(), [&](Connection& c) {
    head = c.head;
    c.write(answer("{}"));
  });
  FetchRequest wanted = request(server.url());
  wanted.if_none_match = "\"v0\"\r\nX-Evil: 1";
  REQUIRE(guarded_fetch(wanted, kGuard));
  CHECK(head.find("X-Evil") == std::string::npos);
  CHECK(head.find("If-None-Match") == std::string::npos);
}

TEST_CASE("the server is found by name, asked for by that name, and its certificate checked for it") {
  TlsTestServer server(server_credentials(), [&](Connection& c) { c.write(answer("{}")); });
  CHECK(fault(guarded_fetch(request(server.url("/", "idp.test")), kGuard)) == "none");
  const auto wrong = guarded_fetch(request(server.url("/", "other.test")), kGuard);
  CHECK(fault(wrong) == "CertificateRefused");
  CHECK(wrong.error().message.find("other.test is not among its subject alternative names") != std::string::npos);
  CHECK(fault(guarded_fetch(request(server.url("/", "unknown.test")), kGuard)) == "ResolveFailed");
}

TEST_CASE("a certificate for another address, an expired one and one of a stranger are refused") {
  const CertificateAuthority stranger = CertificateAuthority::create("stranger");
  struct Case {
    const char* name;
    Credentials credentials;
    const char* message;
  };
  for (const Case& c :
       {Case{"other address", authority().issue({{"127.0.0.2"}}), "127.0.0.1 is not among"},
        Case{"no alternative names", authority().issue({}), "127.0.0.1 is not among"},
        Case{"expired", authority().issue({{"127.0.0.1"}, -10, 5}), "expired"},
        Case{"not yet valid", authority().issue({{"127.0.0.1"}, 5, 10}), "not valid yet"},
        Case{"stranger", stranger.issue({{"127.0.0.1"}}), "no certificate of spec.tls.caBundle signed it"}}) {
    CAPTURE(c.name);
    TlsTestServer server(c.credentials, [](Connection& connection) { connection.write(answer("{}")); });
    const auto result = guarded_fetch(request(server.url()), kGuard);
    CHECK(fault(result) == "CertificateRefused");
    CHECK(result.error().message.find(c.message) != std::string::npos);
  }
}

TEST_CASE("without a bundle the system's roots count, which do not know a private CA") {
  TlsTestServer server(server_credentials(), [](Connection& c) { c.write(answer("{}")); });
  FetchRequest wanted = request(server.url());
  wanted.ca_bundle.clear();
  const auto result = guarded_fetch(wanted, kGuard);
  CHECK(fault(result) == "CertificateRefused");
  CHECK(result.error().message.find("belongs into spec.tls.caBundle") != std::string::npos);
}

TEST_CASE("a server's own certificate may be the bundle") {
  const Credentials own = server_credentials();
  TlsTestServer server(own, [](Connection& c) { c.write(answer("{}")); });
  FetchRequest wanted = request(server.url());
  wanted.ca_bundle = own.certificate;
  CHECK(fault(guarded_fetch(wanted, kGuard)) == "none");
}

TEST_CASE("a bundle without a readable certificate is refused before anything is asked") {
  const std::string good = authority().certificate();
  for (const std::string& bundle :
       {std::string("garbage"), good + good.substr(0, good.size() / 2) + "\n-----END CERTIFICATE-----\n",
        std::string("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")}) {
    CAPTURE(bundle);
    FetchRequest wanted = request("https://127.0.0.1:1/");
    wanted.ca_bundle = bundle;
    CHECK(fault(guarded_fetch(wanted, kGuard)) == "CaInvalid");
  }
}

TEST_CASE("http is refused, and so is what is no URL") {
  CHECK(fault(guarded_fetch(request("http://127.0.0.1:1/"), kGuard)) == "HttpRefused");
  CHECK(fault(guarded_fetch(request("file:///etc/passwd"), kGuard)) == "UrlInvalid");
  CHECK(fault(guarded_fetch(request("https://a@127.0.0.1/"), kGuard)) == "UrlInvalid");
}

TEST_CASE("addresses that must not be asked are not connected to") {
  TlsTestServer server(server_credentials(), [](Connection& c) { c.write(answer("{}")); });
  FetchGuard strict = kGuard;
  strict.allow_loopback = false;
  const auto loopback = guarded_fetch(request(server.url()), strict);
  CHECK(fault(loopback) == "AddressRefused");
  CHECK(loopback.error().message.find("127.0.0.1 is a loopback address") != std::string::npos);
  CHECK(fault(guarded_fetch(request(server.url("/", "idp.test")), strict)) == "AddressRefused");
  const auto metadata = guarded_fetch(request("https://metadata.test/"), strict);
  CHECK(fault(metadata) == "AddressRefused");
  CHECK(metadata.error().message.find("169.254.169.254 is a cloud's metadata service, ::1 is a loopback") !=
        std::string::npos);
  CHECK(fault(guarded_fetch(request("https://169.254.169.254/latest"), kGuard)) == "AddressRefused");
  CHECK(fault(guarded_fetch(request("https://[fd00:ec2::254]/"), kGuard)) == "AddressRefused");
  CHECK(fault(guarded_fetch(request("https://[::ffff:169.254.169.254]/"), kGuard)) == "AddressRefused");
  CHECK(server.connections() == 0);
}

TEST_CASE("of a name's addresses only the allowed ones are tried") {
  TlsTestServer server(authority().issue({{"mixed.test"}}), [](Connection& c) { c.write(answer("{}")); });
  CHECK(fault(guarded_fetch(request(server.url("/", "mixed.test")), kGuard)) == "none");
}

TEST_CASE("a closed port is named") {
  int port = 0;
  {
    port = TlsTestServer(server_credentials(), [](Connection&) {}).port();
  }
  const auto result = guarded_fetch(request("https://127.0.0.1:" + std::to_string(port)), kGuard);
  CHECK(fault(result) == "ConnectFailed");
  CHECK(result.error().message.find("Connection refused") != std::string::npos);
}

TEST_CASE("any status is an answer, and only the body of a 200 is read") {
  const auto error = fetch_bytes("HTTP/1.1 500 Oops\r\nContent-Length: 100000000\r\n\r\n<html>");
  REQUIRE_MESSAGE(error, error.error().message);
  CHECK(error->status == 500);
  CHECK(error->body.empty());
  const auto unchanged = fetch_bytes("HTTP/1.1 304 Not Modified\r\nETag: \"v1\"\r\nCache-Control: no-cache\r\n\r\n");
  REQUIRE(unchanged);
  CHECK(unchanged->status == 304);
  CHECK(unchanged->max_age == std::chrono::seconds(0));
}

TEST_CASE("what is too large is cut at the limit, whether announced or not") {
  const auto announced = fetch_bytes("HTTP/1.1 200 OK\r\nContent-Length: 104857600\r\n\r\n{");
  CHECK(fault(announced) == "BodyTooLarge");
  CHECK(announced.error().message.find("larger than 1048576 bytes") != std::string::npos);

  std::atomic<std::size_t> written = 0;
  const auto flood = [&](Connection& c, const std::string& head, const std::string& piece) {
    if (!c.write(head)) return;
    for (int i = 0; i < 1600 && c.write(piece); ++i) written += piece.size();
  };
  const std::string piece(64 * 1024, ' ');
  SUBCASE("until the end of the connection") {
    TlsTestServer server(server_credentials(), [&](Connection& c) { flood(c, "HTTP/1.1 200 OK\r\n\r\n", piece); });
    CHECK(fault(guarded_fetch(request(server.url()), kGuard)) == "BodyTooLarge");
  }
  SUBCASE("in chunks") {
    TlsTestServer server(server_credentials(), [&](Connection& c) {
      flood(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "10000\r\n" + piece + "\r\n");
    });
    CHECK(fault(guarded_fetch(request(server.url()), kGuard)) == "BodyTooLarge");
  }
  CHECK(written < 16U * 1024 * 1024);  // sockets' buffers hold some, never the 100 MB
}

TEST_CASE("a body of exactly the limit is read, one byte more is not") {
  FetchRequest wanted;
  for (const std::size_t size : {1000UL, 1001UL}) {
    TlsTestServer server(server_credentials(), [&](Connection& c) { c.write(answer(std::string(size, ' '))); });
    wanted = request(server.url());
    wanted.max_body = 1000;
    CHECK(fault(guarded_fetch(wanted, kGuard)) == (size == 1000 ? "none" : "BodyTooLarge"));
  }
}

TEST_CASE("endless headers are cut") {
  TlsTestServer server(server_credentials(), [&](Connection& c) {
    if (!c.write("HTTP/1.1 200 OK\r\n")) return;
    for (int i = 0; i < 100'000 && c.write("X-Header: value\r\n"); ++i) {
    }
  });
  CHECK(fault(guarded_fetch(request(server.url()), kGuard)) == "HeaderTooLarge");
  CHECK(fault(fetch_bytes("HTTP/1.1 200 OK\r\nX-Long: " + std::string(64 * 1024, 'x') + "\r\n\r\n")) ==
        "HeaderTooLarge");
}

TEST_CASE("a slow drip is bounded by the one deadline, wherever it drips") {
  for (const std::string& drip :
       {std::string("HTTP/1.1 200 OK\r\nX-A: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
        std::string("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")}) {
    CAPTURE(drip);
    TlsTestServer server(server_credentials(), [&](Connection& c) {
      std::size_t at = drip.find("\r\n") + 2;
      c.write(drip.ends_with("\r\n\r\n") ? drip : drip.substr(0, at));
      while (c.pause(20) && c.write("a")) {
      }
    });
    FetchRequest wanted = request(server.url());
    wanted.deadline = milliseconds(300);
    const auto begin = steady_clock::now();
    const auto result = guarded_fetch(wanted, kGuard);
    CHECK(fault(result) == "TimedOut");
    CHECK(steady_clock::now() - begin >= milliseconds(300));
    CHECK(steady_clock::now() - begin < milliseconds(60'000));  // the drip itself has no end
  }
}

TEST_CASE("a server that never speaks TLS, or never answers, is left at the deadline") {
  TlsTestServer silent(server_credentials(), [](Connection& c) { c.pause(600'000); });
  FetchRequest wanted = request(silent.url());
  wanted.deadline = milliseconds(200);
  CHECK(fault(guarded_fetch(wanted, kGuard)) == "TimedOut");

  const int listener = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  REQUIRE(bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  REQUIRE(listen(listener, 1) == 0);
  REQUIRE(getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size) == 0);
  wanted = request("https://127.0.0.1:" + std::to_string(ntohs(address.sin_port)));
  wanted.deadline = milliseconds(1000);
  const auto result = guarded_fetch(wanted, kGuard);
  close(listener);
  CHECK(fault(result) == "TimedOut");
  CHECK(result.error().message.find("TLS handshake") != std::string::npos);
}

TEST_CASE("a resolver that does not answer is left at the deadline") {
  const auto release = std::make_shared<std::atomic<bool>>(false);
  FetchGuard slow = kGuard;
  slow.resolve = [release](const std::string&) -> Result<std::vector<IpAddress>> {
    release->wait(false);
    return fail("too late");
  };
  FetchRequest wanted = request("https://idp.test/");
  wanted.deadline = milliseconds(100);
  const auto result = guarded_fetch(wanted, slow);
  release->store(true);
  release->notify_all();
  CHECK(fault(result) == "TimedOut");
  CHECK(result.error().message.find("resolving idp.test") != std::string::npos);
}

TEST_CASE("a stop request ends a fetch at once") {
  std::atomic<bool> asked = false;
  TlsTestServer server(server_credentials(), [&](Connection& c) {
    asked = true;
    asked.notify_all();
    c.pause(600'000);
  });
  std::stop_source stop;
  std::thread stopper([&] {
    asked.wait(false);
    stop.request_stop();
  });
  FetchRequest wanted = request(server.url());
  wanted.deadline = milliseconds(600'000);
  const auto begin = steady_clock::now();
  const auto result = guarded_fetch(wanted, kGuard, stop.get_token());
  stopper.join();
  CHECK(fault(result) == "Cancelled");
  CHECK(steady_clock::now() - begin < milliseconds(120'000));
  CHECK(fault(guarded_fetch(wanted, kGuard, stop.get_token())) == "Cancelled");
}

TEST_CASE("redirects are followed on the same origin only") {
  const auto redirect = [](const std::string& target) {
    return "HTTP/1.1 302 Found\r\nLocation: " + target + "\r\nContent-Length: 0\r\n\r\n";
  };
  std::string location;
  TlsTestServer server(server_credentials(), [&](Connection& c) {
    c.write(c.head.starts_with("GET /end ") ? answer("{\"end\":true}") : redirect(location));
  });
  const auto fetch = [&](const std::string& target) {
    location = target;
    return guarded_fetch(request(server.url()), kGuard);
  };
  CHECK(fault(fetch("/end")) == "none");
  CHECK(fetch(server.url("/end"))->body == "{\"end\":true}");
  const auto elsewhere = fetch("https://other.test/keys");
  CHECK(fault(elsewhere) == "RedirectRefused");
  CHECK(elsewhere.error().message.find("https://other.test/keys") != std::string::npos);
  CHECK(fault(fetch("http://127.0.0.1:" + std::to_string(server.port()) + "/end")) == "RedirectRefused");
  CHECK(fault(fetch("https://127.0.0.1:1/end")) == "RedirectRefused");
  CHECK(fault(fetch("https://169.254.169.254/")) == "RedirectRefused");
  CHECK(fault(fetch("file:///etc/passwd")) == "RedirectRefused");
  const int before = server.connections();
  CHECK(fault(fetch("/again")) == "TooManyRedirects");
  CHECK(server.connections() - before == 4);
}

TEST_CASE("answers that are no whole HTTP/1.1 answer are refused") {
  struct Case {
    const char* bytes;
    const char* fault;
  };
  for (const Case& c :
       {Case{"", "ConnectionLost"}, Case{"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", "ConnectionLost"},
        Case{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc", "ConnectionLost"},
        Case{"SSH-2.0-OpenSSH\r\n\r\n", "ResponseInvalid"},
        Case{"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", "ResponseInvalid"},
        Case{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "ResponseInvalid"},
        Case{"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n\x1f\x8b", "EncodingRefused"}}) {
    CAPTURE(c.bytes);
    CHECK(fault(fetch_bytes(c.bytes)) == c.fault);
  }
}

TEST_CASE("plain http works only for tests that ask for it") {
  FetchGuard plain = kGuard;
  plain.allow_http = true;
  // Nothing listens there: that it is tried is enough.
  CHECK(fault(guarded_fetch(request("http://127.0.0.1:1/"), plain)) == "ConnectFailed");
}
