#include "operator/fleet/server.h"

#include <algorithm>
#include <charconv>
#include <thread>

#include "core/base/text.h"
#include "operator/asio/tls.h"
#include "operator/fleet/connection.h"
#include "operator/log/log.h"

namespace meshauth::fleet {
namespace {

using net::error_code;
using net::into;
using net::tcp;

constexpr auto kAcceptPause = std::chrono::milliseconds(100);  // after an error such as no free descriptor

Result<tcp::endpoint> parse_endpoint(const std::string& text) {
  const auto colon = text.rfind(':');
  const auto wrong = [&] { return fail("listen address {} must be ADDRESS:PORT or [ADDRESS]:PORT", in_quotes(text)); };
  if (colon == std::string::npos) return wrong();
  std::string host = text.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  if (host.empty()) host = "::";
  unsigned port = 0;
  const auto* const end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data() + colon + 1, end, port);
  error_code error;
  const auto address = net::asio::ip::make_address(host, error);
  if (error || parsed.ec != std::errc() || parsed.ptr != end || port > 65535) return wrong();
  return tcp::endpoint(address, static_cast<std::uint16_t>(port));
}

}  // namespace

struct FleetServer::Impl {
  Impl(FleetOptions options, std::shared_ptr<Authenticator> authenticator, FleetHandlers handlers,
       prometheus::Registry& registry)
      : io(std::make_unique<net::asio::io_context>(1)),
        shared(*io, std::move(options), std::move(authenticator), std::move(handlers), registry),
        acceptor(std::in_place, *io),
        work(net::asio::make_work_guard(*io)) {}

  // What still waits in the io_context refers to `shared`, so it must go first.
  ~Impl() {
    work.reset();
    acceptor.reset();
    io.reset();
  }

  Status listen();
  net::Task<> accept();
  void run();
  void close_all();

  template <class Function>
  void post(Function function) {
    net::asio::post(*io, std::move(function));
  }

  std::unique_ptr<net::asio::io_context> io;
  Shared shared;
  std::optional<tcp::acceptor> acceptor;
  net::asio::executor_work_guard<net::asio::io_context::executor_type> work;
  std::shared_ptr<net::ssl::context> tls;  // the server's thread alone
  std::uint16_t port = 0;
  std::thread thread;
};

Status FleetServer::Impl::listen() {
  const auto endpoint = parse_endpoint(shared.options.listen);
  if (!endpoint) return tl::unexpected(endpoint.error());
  auto context = net::server_context(shared.options.certificate_pem, shared.options.key_pem);
  if (!context) return tl::unexpected(context.error());
  tls = std::move(*context);
  error_code error;
  acceptor->open(endpoint->protocol(), error);
  if (!error) acceptor->set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor->bind(*endpoint, error);
  if (!error) acceptor->listen(net::asio::socket_base::max_listen_connections, error);
  if (error) return fail("cannot listen on {}: {}", shared.options.listen, error.message());
  port = acceptor->local_endpoint().port();
  return {};
}

net::Task<> FleetServer::Impl::accept() {
  net::asio::steady_timer pause(*io);
  while (acceptor->is_open()) {
    error_code error;
    tcp::socket socket(*io);
    co_await acceptor->async_accept(socket, into(error));
    if (!acceptor->is_open()) co_return;
    if (error) {
      log::warning("a connection could not be accepted", {{"error", error.message()}});
      pause.expires_after(kAcceptPause);
      co_await pause.async_wait(into(error));
      continue;
    }
    if (shared.connections.size() >= shared.options.max_connections) continue;  // the socket closes here
    auto connection = std::make_shared<Connection>(std::move(socket), tls, shared);
    net::asio::co_spawn(*io, Connection::run(std::move(connection)), net::asio::detached);
  }
}

void FleetServer::Impl::run() {
  while (!io->stopped()) {
    try {
      io->run();
    } catch (const std::exception& problem) {
      log::error("the fleet server met an unexpected error and goes on", {{"error", problem.what()}});
    }
  }
}

void FleetServer::Impl::close_all() {
  const auto open = shared.connections;  // close() may end some
  for (Connection* connection : open) connection->close();
}

Result<std::unique_ptr<FleetServer>> FleetServer::start(FleetOptions options,
                                                        std::shared_ptr<Authenticator> authenticator,
                                                        FleetHandlers handlers, prometheus::Registry& registry) {
  options.reviews = std::clamp<std::size_t>(options.reviews, 1, 32);
  auto impl = std::make_unique<Impl>(std::move(options), std::move(authenticator), std::move(handlers), registry);
  if (const auto listening = impl->listen(); !listening) return tl::unexpected(listening.error());
  net::asio::co_spawn(*impl->io, impl->accept(), net::asio::detached);
  impl->thread = std::thread([raw = impl.get()] { raw->run(); });
  return std::unique_ptr<FleetServer>(new FleetServer(std::move(impl)));
}

FleetServer::FleetServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

FleetServer::~FleetServer() {
  impl_->post([impl = impl_.get()] {
    error_code ignored;
    impl->acceptor->close(ignored);
    impl->shared.gate.cancel();
    impl->close_all();
    impl->work.reset();  // the thread ends once every connection has
  });
  impl_->thread.join();
  impl_->shared.gate.stop();
}

std::uint16_t FleetServer::port() const {
  return impl_->port;
}

void FleetServer::publish(std::string workload, std::shared_ptr<const bundle::Bundle> bundle) {
  const auto now = std::chrono::steady_clock::now();
  impl_->post([impl = impl_.get(), workload = std::move(workload), bundle = std::move(bundle), now] {
    impl->shared.hub.publish(workload, bundle, now);
  });
}

void FleetServer::withdraw(std::string workload) {
  impl_->post([impl = impl_.get(), workload = std::move(workload)] { impl->shared.hub.withdraw(workload); });
}

void FleetServer::set_fresh(std::string workload, std::string json, std::string signature) {
  impl_->post([impl = impl_.get(), workload = std::move(workload), json = std::move(json),
               signature = std::move(signature)]() mutable {
    impl->shared.hub.set_fresh(workload, std::move(json), std::move(signature));
  });
}

void FleetServer::pod_closed(std::string pod) {
  impl_->post([impl = impl_.get(), pod = std::move(pod)] {
    impl->shared.gate.forget_pod(pod);
    const auto open = impl->shared.connections;
    for (Connection* connection : open) {
      if (connection->stream_pod() == pod) connection->close();
    }
  });
}

void FleetServer::set_leader(bool leader) {
  impl_->post([impl = impl_.get(), leader] {
    if (impl->shared.leader == leader) return;
    impl->shared.leader = leader;
    if (!leader) impl->close_all();
  });
}

Status FleetServer::set_certificate(const std::string& certificate_pem, const std::string& key_pem) {
  auto context = net::server_context(certificate_pem, key_pem);
  if (!context) return tl::unexpected(context.error());
  impl_->post([impl = impl_.get(), context = std::move(*context)] { impl->tls = context; });
  return {};
}

}  // namespace meshauth::fleet
