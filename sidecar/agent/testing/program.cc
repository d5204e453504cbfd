#include "sidecar/agent/testing/program.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <fstream>
#include <future>
#include <sstream>
#include <thread>

#include "operator/asio/asio.h"

namespace meshauth::agent::testing {
namespace {

namespace fs = std::filesystem;
using net::tcp;

constexpr auto kPatience = std::chrono::seconds(30);
constexpr auto kLook = std::chrono::milliseconds(5);  // between two looks at another process

template <class Condition>
bool await(Condition condition) {
  const auto until = std::chrono::steady_clock::now() + kPatience;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::sleep_for(kLook);
  }
  return true;
}

std::string slurp(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

std::vector<int> children_of(int pid) {
  std::istringstream in(slurp("/proc/" + std::to_string(pid) + "/task/" + std::to_string(pid) + "/children"));
  std::vector<int> out;
  for (int child = 0; in >> child;) out.push_back(child);
  return out;
}

}  // namespace

HttpAnswer http_get(std::uint16_t port, const std::string& path, const std::string& headers) {
  net::asio::io_context io;
  tcp::socket socket(io);
  net::error_code error;
  socket.connect({net::asio::ip::make_address("127.0.0.1"), port}, error);
  if (error) return {};
  const timeval limit{.tv_sec = 10, .tv_usec = 0};
  setsockopt(socket.native_handle(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  const auto request = "GET " + path + " HTTP/1.1\r\nHost: app.test\r\nConnection: close\r\n" + headers + "\r\n";
  net::asio::write(socket, net::asio::buffer(request), error);
  std::string text;
  while (!error) {
    char part[4096];
    text.append(part, socket.read_some(net::asio::buffer(part), error));
  }
  const auto end = text.find("\r\n\r\n");
  if (!text.starts_with("HTTP/1.1 ") || end == std::string::npos) return {};
  return {std::stoi(text.substr(9, 3)), text.substr(end + 4), text.substr(0, end + 2)};
}

std::uint16_t free_port() {
  net::asio::io_context io;
  return tcp::acceptor(io, {net::asio::ip::make_address("127.0.0.1"), 0}).local_endpoint().port();
}

struct Application::Impl {
  net::asio::io_context io;
  tcp::acceptor acceptor{io, {net::asio::ip::make_address("127.0.0.1"), 0}};
  std::uint16_t port = acceptor.local_endpoint().port();
  std::thread thread;
  std::atomic<bool> slow_came = false;
  std::promise<void> slow_ends;

  net::Task<> serve(tcp::socket socket) {
    net::error_code error;
    std::string text;
    while (!error) {
      const auto size =
          co_await net::asio::async_read_until(socket, net::asio::dynamic_buffer(text), "\r\n\r\n", net::into(error));
      if (error) break;
      const auto head = text.substr(0, size);
      text.erase(0, size);
      if (head.starts_with("GET /slow ")) {
        slow_came = true;
        slow_ends.get_future().wait();  // the whole application waits: a test has one such request
      }
      const auto answer = fmt::format("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{}", head.size(), head);
      co_await net::asio::async_write(socket, net::asio::buffer(answer), net::into(error));
    }
  }
  net::Task<> accept() {
    net::error_code error;
    while (acceptor.is_open()) {
      tcp::socket socket(io);
      co_await acceptor.async_accept(socket, net::into(error));
      if (!error) net::asio::co_spawn(io, serve(std::move(socket)), net::asio::detached);
    }
  }
};

Application::Application() : impl_(std::make_unique<Impl>()) {
  net::asio::co_spawn(impl_->io, impl_->accept(), net::asio::detached);
  impl_->thread = std::thread([impl = impl_.get()] { impl->io.run(); });
}

Application::~Application() {
  impl_->io.stop();
  impl_->thread.join();
}

bool Application::await_slow() {
  return await([&] { return impl_->slow_came.load(); });
}

void Application::finish_slow() {
  impl_->slow_ends.set_value();
}

std::uint16_t Application::port() const {
  return impl_->port;
}

std::string module_path() {
  const char* given = std::getenv("MESH_AUTH_MODULE");
  return given ? given : MESH_AUTH_BUILD "/modules/ngx_http_mesh_auth_module.so";
}

Program::Program(std::string operator_url, std::string token_file, std::string trust_file, std::uint16_t application,
                 std::vector<std::string> more_flags) {
  const std::string build = MESH_AUTH_BUILD;
  argv_ = {build + "/bin/mesh-auth-agent",
           "--workload=shop/orders",
           "--operator=" + operator_url,
           "--token-file=" + token_file,
           "--trust=" + trust_file,
           "--bundle-dir=" + bundle_dir(),
           "--work-dir=" + work_dir(),
           "--module=" + module_path(),
           std::string("--templates=") + MESH_AUTH_SOURCE_DIR + "/templates",
           "--health-listen=127.0.0.1:" + std::to_string(health_port_),
           fmt::format("--map=127.0.0.1:{}:127.0.0.1:{}", port_, application),
           "--workers=2",
           "--instance=one",
           "--log-format=json",
           "--log-level=debug"};
  for (const auto& flag : more_flags) {
    const auto name = flag.substr(0, flag.find('=') + 1);
    std::erase_if(argv_, [&](const std::string& word) { return word.starts_with(name); });
    argv_.push_back(flag);
  }
}

Program::~Program() {
  if (pid_ > 0) stop(SIGTERM);
}

void Program::start() {
  const auto log = folder_.path() + "/log";
  std::vector<char*> raw;
  for (const auto& word : argv_) raw.push_back(const_cast<char*>(word.c_str()));
  raw.push_back(nullptr);
  pid_ = ::fork();
  if (pid_ != 0) return;
  const int out = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  ::dup2(out, STDOUT_FILENO);
  ::dup2(out, STDERR_FILENO);
  ::execv(raw[0], raw.data());
  ::_exit(127);
}

int Program::await_exit() {
  int status = 0;
  if (!await([&] { return ::waitpid(pid_, &status, WNOHANG) == pid_; })) return -1;
  pid_ = -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int Program::stop(int signal) {
  ::kill(pid_, signal);
  const int code = await_exit();
  if (code != -1) return code;
  ::kill(pid_, SIGKILL);
  await_exit();
  return -1;
}

bool Program::await_status(int status, const std::string& path) const {
  return await([&] { return get(path).status == status; });
}

bool Program::await_started() const {
  return await([&] { return health("/startz").status == 200; });
}

bool Program::await_ready(bool ready) const {
  return await([&] { return http_get(health_port_, "/readyz").status == (ready ? 200 : 503); });
}

std::string Program::current_revision() const {
  std::error_code error;
  return fs::read_symlink(bundle_dir() + "/current", error).filename().string();
}

std::string Program::log() const {
  return slurp(folder_.path() + "/log");
}

bool Program::await_log(const std::string& text) const {
  return await([&] { return log().find(text) != std::string::npos; });
}

int Program::nginx_pid() const {
  const auto children = children_of(pid_);
  return children.empty() ? -1 : children.front();
}

bool Program::await_new_nginx(int before) const {
  return await([&] { return nginx_pid() > 0 && nginx_pid() != before; });
}

bool Program::await_workers_gone(const std::vector<int>& pids) const {
  return await([&] {
    const auto now = worker_pids();
    return std::ranges::none_of(pids, [&](int pid) { return std::ranges::find(now, pid) != now.end(); });
  });
}

std::vector<int> Program::worker_pids() const {
  return children_of(nginx_pid());
}

}  // namespace meshauth::agent::testing
