#include "sidecar/agent/app_probe.h"

#include <doctest/doctest.h>

#include "sidecar/agent/testing/program.h"

namespace meshauth::agent {
namespace {

/// An application that answers each connection with these bytes, or never.
class Raw {
 public:
  explicit Raw(std::string answer)
      : answer_(std::move(answer)), acceptor_(io_, {net::asio::ip::address_v4::loopback(), 0}) {
    thread_ = std::thread([this] { serve(); });
  }
  ~Raw() {
    stopping_ = true;
    net::tcp::socket wake(io_);
    net::error_code ignored;
    wake.connect(acceptor_.local_endpoint(), ignored);
    thread_.join();
  }
  std::uint16_t port() const { return acceptor_.local_endpoint().port(); }
  std::string heard() {
    const std::lock_guard lock(mutex_);
    return heard_;
  }

 private:
  void serve() {
    std::vector<net::tcp::socket> held;
    while (!stopping_) {
      net::error_code error;
      net::tcp::socket socket(io_);
      acceptor_.accept(socket, error);
      if (error || stopping_) continue;
      if (!answer_.empty()) {
        net::asio::streambuf buffer;
        net::asio::read_until(socket, buffer, "\r\n\r\n", error);
        const std::lock_guard lock(mutex_);
        heard_ = {net::asio::buffers_begin(buffer.data()), net::asio::buffers_end(buffer.data())};
        net::asio::write(socket, net::asio::buffer(answer_), error);
      }
      held.push_back(std::move(socket));
    }
  }

  const std::string answer_;
  net::asio::io_context io_;
  net::tcp::acceptor acceptor_;
  std::atomic<bool> stopping_ = false;
  std::mutex mutex_;
  std::string heard_;
  std::thread thread_;
};

HealthAnswer ask(const std::string& flag) {
  const auto probe = parse_app_probe(flag);
  REQUIRE_MESSAGE(probe, (probe ? "" : probe.error().message));
  net::asio::io_context io;
  HealthAnswer answer;
  net::asio::co_spawn(io, ask_application(*probe), [&](const std::exception_ptr&, HealthAnswer got) { answer = got; });
  io.run();
  return answer;
}

std::string http(std::uint16_t port, const std::string& more = "") {
  return fmt::format(R"(app/live={{"httpGet":{{"port":{}{}}}}})", port, more);
}

TEST_CASE("a probe of the application is asked as the pod says, and answered as the application does") {
  Raw fine("HTTP/1.1 204 No Content\r\n\r\n");
  const std::string more =
      R"(,"path":"/live?a=b","httpHeaders":[{"name":"X-A","value":"b c"},{"name":"Host","value":"h"}])";
  CHECK(ask(http(fine.port(), more)).status == 200);
  const std::string heard = fine.heard();
  CHECK(heard.starts_with("GET /live?a=b HTTP/1.1\r\n"));
  CHECK(heard.find("X-A: b c\r\n") != std::string::npos);
  CHECK(heard.find("Host: h\r\n") != std::string::npos);
  CHECK(heard.find("127.0.0.1") == std::string::npos);
  Raw moved("HTTP/1.1 302 Found\r\nLocation: /x\r\n\r\n"), broken("HTTP/1.1 500 No\r\n\r\n"), odd("what?\r\n\r\n");
  CHECK(ask(http(moved.port())).status == 200);
  CHECK(ask(http(broken.port())).status == 500);
  CHECK(ask(http(odd.port())).status == 503);
  Raw endless("HTTP/1.1 200 OK\r\nX: " + std::string(200'000, 'x'));
  CHECK(ask(http(endless.port())).status == 503);
}

TEST_CASE("a probe ends with its timeout, and a connection is enough for tcpSocket") {
  Raw silent("");
  CHECK(ask(http(silent.port())).status == 503);
  CHECK(ask(fmt::format(R"(app/live={{"tcpSocket":{{"port":{}}}}})", silent.port())).status == 200);
  CHECK(ask(fmt::format(R"(app/live={{"tcpSocket":{{"port":{}}}}})", testing::free_port())).status == 503);
}

TEST_CASE("a probe that is none says what would be right") {
  const char* wrong[] = {
      "",
      "app/live",
      "app=",
      "app/live=",
      "app/live=[]",
      "app/live={}",
      "a/b/c={\"tcpSocket\":{\"port\":1}}",
      "../live={\"tcpSocket\":{\"port\":1}}",
      "app/live={\"tcpSocket\":{}}",
      "app/live={\"tcpSocket\":{\"port\":0}}",
      "app/live={\"tcpSocket\":{\"port\":65536}}",
      "app/live={\"tcpSocket\":{\"port\":\"http\"}}",
      "app/live={\"tcpSocket\":1}",
      "app/live={\"tcpSocket\":{\"port\":1},\"timeoutSeconds\":0}",
      "app/live={\"tcpSocket\":{\"port\":1},\"timeoutSeconds\":1e9}",
      "app/live={\"httpGet\":{\"port\":1,\"path\":\"/ HTTP/1.1\\r\\nX: y\"}}",
      "app/live={\"httpGet\":{\"port\":1,\"httpHeaders\":1}}",
      "app/live={\"httpGet\":{\"port\":1,\"httpHeaders\":[{\"name\":\"a b\",\"value\":\"\"}]}}",
      "app/live={\"httpGet\":{\"port\":1,\"httpHeaders\":[{\"name\":\"a\",\"value\":\"\\r\\nB: c\"}]}}"};
  for (const char* text : wrong) {
    CAPTURE(text);
    const auto probe = parse_app_probe(text);
    REQUIRE(!probe);
    CHECK(probe.error().message.starts_with("--probe is "));
    CHECK(probe.error().message.find("would be right") != std::string::npos);
  }
  CHECK(!parse_app_probe("app/live={\"tcpSocket\":{\"port\":1}}" + std::string(20'000, ' ')));
}

}  // namespace
}  // namespace meshauth::agent
