#include "operator/http/listener.h"

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <vector>

#include "operator/http/metrics.h"

namespace meshauth::http {
namespace {

using std::chrono::milliseconds;

// A connection of bytes as they are.
struct Raw {
  int socket = ::socket(AF_INET, SOCK_STREAM, 0);

  explicit Raw(int port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(::connect(socket, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  }
  Raw(Raw&& other) noexcept : socket(std::exchange(other.socket, -1)) {}
  ~Raw() {
    if (socket >= 0) ::close(socket);
  }
  void send(const std::string& bytes) const { ::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL); }
  // Until the server closes, or that has come.
  std::string read(const std::string& until = "(never)") const {
    std::string out;
    char buffer[4096];
    pollfd entry{socket, POLLIN, 0};
    while (out.find(until) == std::string::npos) {
      if (::poll(&entry, 1, 30'000) != 1) return out + "(silence)";
      const ssize_t n = ::recv(socket, buffer, sizeof buffer, 0);
      if (n <= 0) return out;
      out.append(buffer, static_cast<std::size_t>(n));
    }
    return out;
  }
};

std::unique_ptr<Listener> open(ListenerOptions options = {}) {
  if (options.address.empty()) options.address = "127.0.0.1:0";
  auto listener = Listener::open(options);
  REQUIRE_MESSAGE(listener.has_value(), listener.error().message);
  (*listener)->handle("/healthz", [] { return Answer{.body = "ok\n"}; });
  (*listener)->handle("/throw", []() -> Answer { throw std::runtime_error("secret"); });
  (*listener)->start();
  return std::move(*listener);
}

std::string ask(const Listener& listener, const std::string& request) {
  const Raw raw(listener.port());
  raw.send(request);
  return raw.read();
}

TEST_CASE("paths are answered by their handlers, everything else is refused") {
  const auto listener = open();
  const std::string end = " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
  struct Case {
    std::string request;
    const char* status;
    const char* body;
  };
  const std::vector<Case> cases = {
      {"GET /healthz" + end, "200", "\r\n\r\nok\n"},
      {"GET /healthz?verbose=1" + end, "200", "ok\n"},
      {"HEAD /healthz" + end, "200", "Content-Length: 3\r\n"},
      {"GET /" + end, "404", "not found"},
      {"GET /healthz/" + end, "404", "not found"},
      {"DELETE /healthz" + end, "405", "Allow: GET, HEAD"},
      {"GET /throw" + end, "500", "internal error"},
      {"GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello", "400", "bodies"},
      {"GET /healthz HTTP/1.1\r\nHost: " + std::string(9000, 'x') + "\r\n\r\n", "431", "too long"},
  };
  for (const Case& test : cases) {
    CAPTURE(test.request.substr(0, 60));
    const std::string answer = ask(*listener, test.request);
    CAPTURE(answer);
    CHECK(answer.find("HTTP/1.1 " + std::string(test.status)) == 0);
    CHECK(answer.find(test.body) != std::string::npos);
    CHECK(answer.find("secret") == std::string::npos);
  }
  CHECK(ask(*listener, "rubbish\r\n\r\n") == "");
}

TEST_CASE("a connection serves several requests") {
  const auto listener = open();
  const Raw raw(listener->port());
  raw.send("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /no HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  const std::string answers = raw.read();
  CHECK(answers.find("200 OK") != std::string::npos);
  CHECK(answers.find("404 Not Found") != std::string::npos);
}

TEST_CASE("connections are bounded in number and in time") {
  const auto listener = open({.max_connections = 2, .request_deadline = milliseconds(300)});
  const Raw first(listener->port());
  const Raw second(listener->port());
  first.send("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
  CHECK(first.read("ok\n").find("200 OK") != std::string::npos);
  CHECK(Raw(listener->port()).read() == "");
  // Silence frees them.
  CHECK(second.read() == "");
  CHECK(first.read() == "");
  CHECK(ask(*listener, "GET /healthz HTTP/1.0\r\n\r\n").find("200 OK") != std::string::npos);
}

TEST_CASE("an address that cannot be used is named") {
  const auto listener = open();
  for (const std::string& address : {std::string("here"), std::string("127.0.0.1:99999"), std::string("127.0.0.1:"),
                                     "127.0.0.1:" + std::to_string(listener->port())}) {
    CAPTURE(address);
    const auto refused = Listener::open({.address = address});
    REQUIRE(!refused.has_value());
    CHECK(refused.error().message.find(address) != std::string::npos);
  }
  CHECK(open({.address = ":0"})->port() > 0);
}

TEST_CASE("hooks run before a scrape until their handle goes") {
  Metrics metrics;
  int ran = 0;
  {
    const Metrics::Hook hook = metrics.before_scrape([&] { ++ran; });
    metrics.text();
  }
  metrics.text();
  CHECK(ran == 1);
}

}  // namespace
}  // namespace meshauth::http
