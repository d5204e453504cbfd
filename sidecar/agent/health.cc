#include "sidecar/agent/health.h"

#include "core/base/text.h"

namespace meshauth::agent {
namespace {

using net::error_code;
using net::into;

constexpr auto kLimit = std::chrono::seconds(10);

}  // namespace

Result<std::unique_ptr<HealthServer>> HealthServer::start(net::asio::io_context& io, const std::string& listen,
                                                          Answer answer, Probe probe) {
  const auto colon = listen.rfind(':');
  std::string host = listen.substr(0, colon == std::string::npos ? 0 : colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  error_code error;
  const auto address = net::asio::ip::make_address(host, error);
  const std::string port = colon == std::string::npos ? "" : listen.substr(colon + 1);
  const bool number = !port.empty() && port.size() <= 5 && port.find_first_not_of("0123456789") == std::string::npos;
  if (error || !number || std::stoul(port) > 65535) {
    return fail("--health-listen is {}; ADDRESS:PORT would be right", in_quotes(listen));
  }
  std::unique_ptr<HealthServer> server(new HealthServer(io, std::move(answer), std::move(probe)));
  const net::tcp::endpoint endpoint(address, static_cast<std::uint16_t>(std::stoul(port)));
  server->acceptor_.open(endpoint.protocol(), error);
  if (!error) server->acceptor_.set_option(net::tcp::acceptor::reuse_address(true), error);
  if (!error) server->acceptor_.bind(endpoint, error);
  if (!error) server->acceptor_.listen(128, error);
  if (error) return fail("--health-listen: cannot listen on {}: {}", listen, error.message());
  server->port_ = server->acceptor_.local_endpoint().port();
  net::asio::co_spawn(io, server->accept(), net::asio::detached);
  return server;
}

void HealthServer::stop() {
  error_code ignored;
  acceptor_.close(ignored);
}

net::Task<> HealthServer::accept() {
  while (acceptor_.is_open()) {
    error_code error;
    net::tcp::socket socket(io_);
    co_await acceptor_.async_accept(socket, into(error));
    if (error == net::asio::error::operation_aborted || !acceptor_.is_open()) co_return;
    if (error) {
      net::asio::steady_timer pause(io_, std::chrono::milliseconds(100));
      co_await pause.async_wait(into(error));
      continue;
    }
    if (connections_ < kMostConnections) net::asio::co_spawn(io_, serve(std::move(socket)), net::asio::detached);
  }
}

net::Task<HealthAnswer> HealthServer::answer(bool get, std::string path) {
  constexpr std::string_view kProbe = "/probe/";
  if (!get) co_return HealthAnswer{405, "use GET\n", false};
  if (path.starts_with(kProbe)) co_return co_await probe_(path.substr(kProbe.size()));
  co_return answer_(path);
}

net::Task<> HealthServer::serve(net::tcp::socket socket) {
  ++connections_;
  net::beast::tcp_stream stream(std::move(socket));
  error_code error;
  while (!error) {
    net::beast::flat_buffer buffer(16 * 1024);
    net::http::request_parser<net::http::empty_body> parser;
    parser.header_limit(8 * 1024);
    stream.expires_after(kLimit);
    co_await net::http::async_read(stream, buffer, parser, into(error));
    if (error) break;
    const auto& request = parser.get();
    const std::string_view target(request.target().data(), request.target().size());
    const bool get = request.method() == net::http::verb::get || request.method() == net::http::verb::head;
    const HealthAnswer answer = co_await this->answer(get, std::string(target.substr(0, target.find('?'))));
    net::http::response<net::http::string_body> response(static_cast<net::http::status>(answer.status),
                                                         request.version());
    response.keep_alive(request.keep_alive());
    response.set(net::http::field::content_type, answer.json ? "application/json" : "text/plain; charset=utf-8");
    response.body() = request.method() == net::http::verb::head ? "" : answer.body;
    response.prepare_payload();
    stream.expires_after(kLimit);
    co_await net::http::async_write(stream, response, into(error));
    if (!response.keep_alive()) break;
  }
  --connections_;
}

}  // namespace meshauth::agent
