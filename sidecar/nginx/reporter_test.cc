#include "sidecar/nginx/reporter.h"

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>

using namespace meshauth;
using namespace meshauth::nginx;

namespace {

/// The agent's end.
class Listener {
 public:
  Listener() : path_("/tmp/reporter-test-" + std::to_string(::getpid()) + ".sock") {
    ::unlink(path_.c_str());
    socket_ = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path_.data(), path_.size());
    REQUIRE(::bind(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  }
  ~Listener() {
    ::close(socket_);
    ::unlink(path_.c_str());
  }
  const std::string& path() const { return path_; }
  std::string read() {
    char buffer[engine::kMaxWorkerReportBytes];
    const ssize_t got = ::recv(socket_, buffer, sizeof buffer, 0);
    return got < 0 ? "" : std::string(buffer, static_cast<std::size_t>(got));
  }

 private:
  std::string path_;
  int socket_ = -1;
};

}  // namespace

TEST_CASE("a report arrives as one datagram") {
  Listener agent;
  Reporter reporter(agent.path());
  engine::WorkerReport report;
  report.pid = 42;
  REQUIRE(reporter.send(report));
  const auto read = engine::parse_worker_report(agent.read());
  REQUIRE(read);
  CHECK(*read == report);
}

TEST_CASE("an agent that is not there, or does not read, costs a report and nothing else") {
  engine::WorkerReport report;
  report.detail = std::string(1000, 'x');
  std::string path;
  {
    Listener agent;
    path = agent.path();
    Reporter reporter(path);
    int taken = 0;
    while (taken < 100'000 && reporter.send(report)) ++taken;
    CHECK(taken > 0);
    CHECK(taken < 100'000);
    agent.read();
    CHECK(reporter.send(report));
  }
  Reporter reporter(path);
  CHECK_FALSE(reporter.send(report));
  Listener late;
  CHECK(reporter.send(report));
}

TEST_CASE("where nobody is to be told, everything is said") {
  CHECK(Reporter("").send({}));
}

TEST_CASE("a report that is too long is not sent in part") {
  Listener agent;
  Reporter reporter(agent.path());
  engine::WorkerReport report;
  report.kid = std::string(engine::kMaxWorkerReportBytes, 'k');
  CHECK_FALSE(reporter.send(report));
  CHECK(agent.read().empty());
}
