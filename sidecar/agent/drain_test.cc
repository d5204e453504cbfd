// The program, told by a second run of it, with a real nginx.
#include "sidecar/agent/drain.h"

#include <doctest/doctest.h>
#include <signal.h>
#include <sys/socket.h>

#include "operator/asio/asio.h"
#include "sidecar/agent/folder.h"
#include "sidecar/agent/testing/fixture.h"

namespace meshauth::agent {
namespace {

using testing::Fixture;
using testing::open_paths;

/// What nginx says of the connection in its answer to one request on it: "keep-alive", or "close".
std::string after_a_request(net::tcp::socket& socket) {
  const timeval limit{.tv_sec = 10, .tv_usec = 0};
  setsockopt(socket.native_handle(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  net::asio::write(socket, net::asio::buffer(std::string("GET /a HTTP/1.1\r\nHost: app.test\r\n\r\n")));
  std::string head;
  net::asio::read_until(socket, net::asio::dynamic_buffer(head), "\r\n\r\n");
  CHECK(head.starts_with("HTTP/1.1 200 "));
  const std::string name = "\r\nConnection: ";
  const auto at = head.find(name);
  REQUIRE(at != std::string::npos);
  return head.substr(at + name.size(), head.find("\r\n", at + 2) - at - name.size());
}

TEST_CASE("a pod that is ending lets no client keep its connection, and goes on deciding") {
  std::vector<std::string> flags;
  SUBCASE("our module") {}
  SUBCASE("a stock nginx") {
    flags = {"--flavour=AuthRequest", "--module=/no/such/module"};
  }
  Fixture f(flags);
  f.program.start();
  f.publish(open_paths({"/a"}));
  net::asio::io_context io;
  const net::tcp::endpoint address(net::asio::ip::address_v4::loopback(), f.program.port());
  net::tcp::socket kept(io), fresh(io);
  kept.connect(address);
  CHECK(after_a_request(kept) == "keep-alive");
  const auto before = f.program.worker_pids();
  REQUIRE(ask_to_drain(pid_file(f.program.work_dir())));
  CHECK(f.program.await_workers_gone(before));  // they are not while a client keeps one
  fresh.connect(address);
  CHECK(after_a_request(fresh) == "close");
  f.publish(open_paths({"/b"}));
  CHECK(f.status("/a") == 403);
  f.publish(open_paths({"/a"}, "proxy_set_header X-Test yes;\n"));
  net::tcp::socket last(io);
  last.connect(address);
  CHECK(after_a_request(last) == "close");
  CHECK(f.program.stop(SIGTERM) == 0);
}

TEST_CASE("who cannot be told to drain is named") {
  const testing::TemporaryFolder folder;
  const auto file = pid_file(folder.path());
  const auto said = [&] {
    const auto told = ask_to_drain(file);
    return told ? "" : told.error().message;
  };
  CHECK(said().find("is the agent running?") != std::string::npos);
  for (const char* text : {"", "0", "-1", "1x", "99999999999"}) {
    REQUIRE(write_file(file, text));
    CHECK(said().find("a process id would be right") != std::string::npos);
  }
  REQUIRE(write_file(file, "2147483647"));
  CHECK(said().find("process 2147483647 cannot be told") != std::string::npos);
}

}  // namespace
}  // namespace meshauth::agent
