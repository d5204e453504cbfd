#include "sidecar/agent/nginx.h"

#include <pwd.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "core/bundle/bundle.h"
#include "operator/log/log.h"
#include "sidecar/agent/folder.h"
#include "sidecar/agent/stock_workers.h"

namespace meshauth::agent {
namespace {

using namespace std::chrono_literals;

constexpr auto kTestLimit = 20s;
constexpr auto kLookForPidFile = 5ms;
constexpr auto kFirstPause = 100ms;
constexpr auto kLongestPause = 5000ms;
constexpr auto kStable = 10s;  // after this long the next end is a new story
constexpr std::size_t kMostConnections = 16'384;

// Two descriptors for each request, and some for logs, the bundle's folder and the channel to the master.
std::size_t connections() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_max == RLIM_INFINITY) return kMostConnections;
  return std::clamp<std::size_t>(limit.rlim_max > 512 ? limit.rlim_max - 256 : 256, 256, kMostConnections);
}

// Started as root (on a development machine), workers must still be able to read what belongs to root.
std::string worker_user() {
  return ::geteuid() == 0 ? "root" : "";
}

std::string trimmed(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  return text;
}

}  // namespace

Nginx::Nginx(net::asio::io_context& io, Processes& processes, const Options& options, std::function<void()> ended)
    : options_(options),
      processes_(processes),
      on_end_(std::move(ended)),
      restart_(io),
      signal_(io),
      limit_(io),
      pause_(kFirstPause) {}

Status Nginx::prepare() {
  if (const auto live = write_folder(options_.work_dir); !live) return live;
  return write_folder(options_.work_dir + "/test");
}

Status Nginx::write_folder(const std::string& folder) const {
  std::error_code error;
  std::filesystem::create_directories(folder + "/temporary", error);
  if (error) return fail("--work-dir: {} cannot be made: {}", folder, error.message());
  const auto conf = render_nginx_conf(
      options_, {folder, agent_socket(), decision_socket(), worker_user(), connections(), is_draining_});
  if (!conf) return tl::unexpected(conf.error());
  return write_file(folder + "/nginx.conf", *conf);
}

Status Nginx::write_auth_conf(const std::string& folder, const std::string& auth_conf) const {
  if (const auto written = write_file(folder + "/auth.conf", auth_conf); !written) return written;
  if (const auto written = write_file(folder + "/auth.grpc.conf", grpc_auth_conf(auth_conf)); !written) return written;
  const bool by_module = options_.flavour == model::Flavour::Module;
  const std::string_view directive = by_module ? "mesh_auth_conf" : "proxy_set_header Mesh-Auth-Conf";
  return write_file(folder + "/auth.digest.conf",
                    fmt::format("{} {};\n", directive, bundle::auth_conf_digest(auth_conf)));
}

std::vector<std::string> Nginx::command(const std::string& folder) const {
  return {options_.nginx, "-p", folder, "-c", folder + "/nginx.conf", "-e", "stderr"};
}

void Nginx::test(const std::string& auth_conf, std::function<void(Status)> done) {
  const auto folder = options_.work_dir + "/test";
  if (const auto written = write_auth_conf(folder, auth_conf); !written) return done(written);
  auto argv = command(folder);
  argv.insert(argv.begin() + 1, {"-t", "-q"});
  processes_.run(argv, kTestLimit, [done = std::move(done)](int status, std::string output) {
    if (status == 0) return done({});
    done(fail("nginx -t: {}", output.empty() ? describe_status(status) : trimmed(std::move(output))));
  });
}

Status Nginx::install(const std::string& auth_conf) {
  const auto written = write_auth_conf(options_.work_dir, auth_conf);
  if (written) installed_ = bundle::auth_conf_digest(auth_conf);
  installed_since_ = since_boot();
  return written;
}

void Nginx::start() {
  restart_.cancel();
  if (running()) return;
  started_ = std::chrono::steady_clock::now();
  ::unlink((options_.work_dir + "/nginx.pid").c_str());
  const auto pid = processes_.start(command(options_.work_dir), -1, [this](int status) { exited(status); });
  if (!pid) {
    log::error("nginx cannot be started", {{"error", pid.error()}});
    return exited(127 << 8);
  }
  pid_ = *pid;
  log::info("nginx started", {{"pid", pid_}});
}

void Nginx::exited(int status) {
  pid_ = -1;
  is_to_reload_ = false;
  if (on_stopped_) {
    limit_.cancel();
    return std::exchange(on_stopped_, nullptr)();
  }
  if (std::chrono::steady_clock::now() - started_ > kStable) pause_ = kFirstPause;
  log::error("nginx ended and will be started again",
             {{"status", describe_status(status)}, {"pauseMs", pause_.count()}});
  restart_.expires_after(pause_);
  pause_ = std::min<std::chrono::milliseconds>(pause_ * 2, kLongestPause);
  restart_.async_wait([this](net::error_code error) {
    if (!error) start();
  });
  on_end_();
}

void Nginx::reload() {
  if (!running()) return start();
  is_to_reload_ = true;
  signal_reload();
}

Status Nginx::drain() {
  if (is_draining_) return {};
  is_draining_ = true;
  if (const auto written = write_folder(options_.work_dir); !written) return written;
  if (running()) reload();
  return {};
}

// nginx writes its pid file after it has set its signal handlers: a SIGHUP before that would end it.
bool Nginx::takes_signals() const {
  const auto pid = read_file(options_.work_dir + "/nginx.pid", 64);
  return pid && trimmed(*pid) == std::to_string(pid_);
}

void Nginx::signal_reload() {
  if (!running() || !is_to_reload_) return;
  if (takes_signals()) {
    is_to_reload_ = false;
    installed_since_ = since_boot();
    ::kill(pid_, SIGHUP);
    return;
  }
  signal_.expires_after(kLookForPidFile);
  signal_.async_wait([this](net::error_code error) {
    if (!error) signal_reload();
  });
}

void Nginx::stop(bool graceful, std::chrono::milliseconds limit, std::function<void()> done) {
  restart_.cancel();
  if (!running()) return done();
  on_stopped_ = std::move(done);
  ::kill(pid_, graceful && takes_signals() ? SIGQUIT : SIGTERM);
  limit_.expires_after(limit);
  limit_.async_wait([this](net::error_code error) {
    if (error || !running()) return;
    log::warning("requests did not end in time; nginx is ended now", {});
    ::kill(pid_, SIGTERM);
    limit_.expires_after(2s);
    limit_.async_wait([this](net::error_code again) {
      if (!again && running()) ::kill(pid_, SIGKILL);
    });
  });
}

}  // namespace meshauth::agent
