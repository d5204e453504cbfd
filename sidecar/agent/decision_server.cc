#include "sidecar/agent/decision_server.h"

#include <signal.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "operator/log/log.h"

namespace meshauth::agent {
namespace {

using namespace std::chrono_literals;
using net::error_code;
using net::into;

constexpr std::size_t kMaxHead = 256 * 1024;    // nginx takes 4 x 32k of its client, and tells the request line twice
constexpr std::size_t kMaxConnections = 512;    // eight nginx workers keep 16 each, twice while they reload
constexpr std::size_t kKeptBuffer = 16 * 1024;  // of a connection that waits
constexpr auto kIdle = 75s;                     // longer than nginx keeps one, so that nginx never meets its end
constexpr auto kReportEvery = 200ms;

double unix_now() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

}  // namespace

DecisionServer::DecisionServer(const DeciderOptions& options, Reports reports)
    : decider_(options), reports_(std::move(reports)) {}

DecisionServer::~DecisionServer() {
  io_.stop();
  if (thread_.joinable()) thread_.join();
  if (!path_.empty()) ::unlink(path_.c_str());
}

Status DecisionServer::start(const std::string& path) {
  if (path.size() >= sizeof(sockaddr_un::sun_path)) {
    return fail("--work-dir: {} is too long for a socket's path; at most {} bytes", path,
                sizeof(sockaddr_un::sun_path) - 1);
  }
  ::unlink(path.c_str());
  error_code error;
  acceptor_.open({}, error);
  const auto before = ::umask(0077);  // nginx's workers are of our user; nobody else has anything to ask
  if (!error) acceptor_.bind(path, error);
  ::umask(before);
  if (!error) acceptor_.listen(net::asio::socket_base::max_listen_connections, error);
  if (error) return fail("--work-dir: cannot listen on {}: {}", path, error.message());
  path_ = path;
  net::asio::co_spawn(io_, accept(), net::asio::detached);
  net::asio::co_spawn(io_, report(), net::asio::detached);
  // Signals are for the thread that waits for them.
  sigset_t all, old;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &old);
  thread_ = std::thread([this] { io_.run(); });
  ::pthread_sigmask(SIG_SETMASK, &old, nullptr);
  return {};
}

void DecisionServer::post(std::function<void(Decider&)> work) {
  net::asio::post(io_, [this, work = std::move(work)] { work(decider_); });
}

net::Task<> DecisionServer::accept() {
  for (;;) {
    error_code error;
    if (connections_ >= kMaxConnections) {
      room_.expires_at(std::chrono::steady_clock::time_point::max());
      co_await room_.async_wait(into(error));
      continue;
    }
    Socket socket(io_);
    co_await acceptor_.async_accept(socket, into(error));
    if (error) {
      net::asio::steady_timer pause(io_, 100ms);
      co_await pause.async_wait(into(error));
      continue;
    }
    ++connections_;
    net::asio::co_spawn(io_, serve(std::move(socket)), net::asio::detached);
  }
}

net::Task<> DecisionServer::serve(Socket socket) {
  co_await answer_all(socket);
  --connections_;
  room_.cancel();
}

net::Task<> DecisionServer::answer_all(Socket& socket) {
  std::string buffer;
  net::asio::steady_timer idle(io_);
  const auto expired = std::make_shared<bool>(false);
  for (;;) {
    error_code error;
    idle.expires_after(kIdle);
    idle.async_wait([&socket, alive = std::weak_ptr(expired)](error_code cancelled) {
      if (cancelled || alive.expired()) return;
      error_code ignored;
      socket.close(ignored);
    });
    const auto size = co_await net::asio::async_read_until(socket, net::asio::dynamic_buffer(buffer, kMaxHead),
                                                           "\r\n\r\n", into(error));
    if (error) co_return;
    std::string head = buffer.substr(0, size);
    buffer.erase(0, size);
    if (buffer.empty() && buffer.capacity() > kKeptBuffer) buffer.shrink_to_fit();
    const std::string bytes = decider_.answer(head, unix_now());
    if (bytes.empty()) co_return;
    co_await net::asio::async_write(socket, net::asio::buffer(bytes), into(error));
    if (error) co_return;
  }
}

net::Task<> DecisionServer::report() {
  net::asio::steady_timer timer(io_);
  for (;;) {
    error_code error;
    timer.expires_after(kReportEvery);
    co_await timer.async_wait(into(error));
    if (auto reports = decider_.take_reports(); !reports.empty()) reports_(std::move(reports));
  }
}

}  // namespace meshauth::agent
