#include "operator/webhook/server.h"

#include <prometheus/counter.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <charconv>
#include <map>
#include <optional>
#include <set>
#include <thread>

#include "core/base/text.h"
#include "operator/asio/message.h"
#include "operator/asio/tls.h"
#include "operator/log/log.h"

namespace meshauth::webhook {
namespace {

using net::error_code;
using net::into;
using net::http::status;
using std::chrono::steady_clock;

constexpr std::uint32_t kMostHeader = 16 * 1024;
// The API server takes objects of up to 3 MiB; a review holds one, and its old form where there is one.
constexpr std::size_t kMostBody = std::size_t{8} << 20;
constexpr auto kIdle = std::chrono::seconds(90);
constexpr auto kAcceptPause = std::chrono::milliseconds(100);

Result<net::tcp::endpoint> parse_endpoint(const std::string& text) {
  const auto wrong = [&] { return fail("{} is no ADDRESS:PORT, such as 0.0.0.0:9443 or [::]:9443", in_quotes(text)); };
  const auto colon = text.rfind(':');
  if (colon == std::string::npos) return wrong();
  std::string host = text.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  std::uint16_t port = 0;
  const char* const end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data() + colon + 1, end, port);
  error_code error;
  const auto address = net::asio::ip::make_address(host.empty() ? "::" : host, error);
  if (error || parsed.ec != std::errc() || parsed.ptr != end) return wrong();
  return net::tcp::endpoint(address, port);
}

struct Metrics {
  explicit Metrics(prometheus::Registry& registry)
      : seconds(
            prometheus::BuildHistogram()
                .Name("mesh_auth_admission_seconds")
                .Help("From a whole review to its answer.")
                .Register(registry)
                .Add({}, prometheus::Histogram::BucketBoundaries{0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1})) {
    auto& family = prometheus::BuildCounter()
                       .Name("mesh_auth_admissions_total")
                       .Help("Admission reviews of pods, by what came of them.")
                       .Register(registry);
    for (const auto outcome : {Outcome::Injected, Outcome::Unchanged, Outcome::Refused, Outcome::Malformed})
      outcomes[outcome] = &family.Add({{"outcome", std::string(to_string(outcome))}});
  }
  std::map<Outcome, prometheus::Counter*> outcomes;  // all at 0 from the start
  prometheus::Histogram& seconds;
};

}  // namespace

struct Server::Impl {
  using Stream = net::ssl::stream<net::beast::tcp_stream>;
  using Request = net::http::request<net::http::string_body>;
  using Response = net::http::response<net::http::string_body>;

  Impl(ServerOptions given, Answer called, prometheus::Registry& registry)
      : options(std::move(given)), answer(std::move(called)), metrics(registry) {}

  Status listen();
  net::Task<> accept();
  net::Task<> serve(net::tcp::socket socket);
  net::Task<std::optional<Request>> read(Stream& stream);
  net::Task<bool> write(Stream& stream, Response response);
  Response respond(const Request& request);
  Response review_of(const Request& request, bool asked);
  void run();

  const ServerOptions options;
  const Answer answer;
  Metrics metrics;
  net::asio::io_context io{1};
  net::tcp::acceptor acceptor{io};
  std::shared_ptr<net::ssl::context> tls;  // the server's thread alone
  std::set<Stream*> open;
  std::uint16_t port = 0;
  std::thread thread;
};

Status Server::Impl::listen() {
  const auto endpoint = parse_endpoint(options.listen);
  if (!endpoint) return tl::unexpected(endpoint.error());
  auto context = net::server_context(options.certificate_pem, options.key_pem);
  if (!context) return tl::unexpected(context.error());
  tls = std::move(*context);
  error_code error;
  acceptor.open(endpoint->protocol(), error);
  if (!error) acceptor.set_option(net::tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor.bind(*endpoint, error);
  if (!error) acceptor.listen(net::asio::socket_base::max_listen_connections, error);
  if (error) return fail("cannot listen on {}: {}", options.listen, error.message());
  port = acceptor.local_endpoint().port();
  return {};
}

net::Task<> Server::Impl::accept() {
  net::asio::steady_timer pause(io);
  while (acceptor.is_open()) {
    error_code error;
    net::tcp::socket socket(io);
    co_await acceptor.async_accept(socket, into(error));
    if (!acceptor.is_open()) co_return;
    if (error) {
      log::warning("a connection could not be accepted", {{"error", error.message()}});
      pause.expires_after(kAcceptPause);
      co_await pause.async_wait(into(error));
      continue;
    }
    if (open.size() >= options.max_connections) continue;  // the socket closes here
    net::asio::co_spawn(io, serve(std::move(socket)), net::asio::detached);
  }
}

net::Task<> Server::Impl::serve(net::tcp::socket socket) {
  const auto context = tls;  // outlives the stream, also when another one comes
  Stream stream(net::beast::tcp_stream(std::move(socket)), *context);
  open.insert(&stream);
  error_code error;
  net::beast::get_lowest_layer(stream).expires_after(options.request_timeout);
  co_await stream.async_handshake(net::ssl::stream_base::server, into(error));
  bool on = !error;
  while (on) {
    const auto request = co_await read(stream);
    if (!request) break;
    Response response = respond(*request);
    // With another certificate since: the peer is to dial again.
    response.keep_alive(request->keep_alive() && context == tls && acceptor.is_open());
    on = co_await write(stream, std::move(response));
  }
  open.erase(&stream);
}

net::Task<std::optional<Server::Impl::Request>> Server::Impl::read(Stream& stream) {
  net::beast::flat_buffer buffer(kMostHeader + kMostBody);
  net::http::request_parser<net::http::string_body> parser;
  parser.header_limit(kMostHeader);
  parser.body_limit(kMostBody);
  error_code error;
  auto& lowest = net::beast::get_lowest_layer(stream);
  lowest.expires_after(kIdle);
  co_await net::http::async_read_header(stream, buffer, parser, into(error));
  if (!error) {
    lowest.expires_after(options.request_timeout);
    co_await net::http::async_read(stream, buffer, parser, into(error));
  }
  if (!error) co_return parser.release();
  if (error == net::http::error::body_limit) {
    Response response(status::payload_too_large, 11);
    response.body() = fmt::format("the body has over {} bytes\n", kMostBody);
    response.keep_alive(false);
    metrics.outcomes[Outcome::Malformed]->Increment();
    co_await write(stream, std::move(response));
  }
  co_return std::nullopt;
}

net::Task<bool> Server::Impl::write(Stream& stream, Response response) {
  response.prepare_payload();
  const std::string bytes = net::to_bytes(response);
  error_code error;
  net::beast::get_lowest_layer(stream).expires_after(options.request_timeout);
  co_await net::asio::async_write(stream, net::asio::buffer(bytes), into(error));
  co_return !error && response.keep_alive();
}

Server::Impl::Response Server::Impl::respond(const Request& request) {
  const std::string_view target(request.target().data(), request.target().size());
  const std::string_view path = target.substr(0, target.find('?'));  // the API server adds ?timeout=
  const bool by_namespace = path == "/inject/namespace";
  if (by_namespace || path == "/inject/pod") {
    if (request.method() == net::http::verb::post) return review_of(request, by_namespace);
    Response response(status::method_not_allowed, request.version());
    response.body() = "POST, please\n";
    return response;
  }
  Response response(status::not_found, request.version());
  response.body() = "there are /inject/namespace and /inject/pod\n";
  return response;
}

Server::Impl::Response Server::Impl::review_of(const Request& request, bool asked) {
  const auto begin = steady_clock::now();
  Reviewed reviewed;
  try {
    reviewed = answer(request.body(), asked);
  } catch (const std::exception& problem) {
    // Refused by the webhook's failure policy, as whatever is no answer.
    log::error("a review met an unexpected error", {{"error", problem.what()}});
    reviewed = {Outcome::Malformed, "internal error", "", ""};
  }
  metrics.outcomes[reviewed.outcome]->Increment();
  metrics.seconds.Observe(std::chrono::duration<double>(steady_clock::now() - begin).count());
  if (reviewed.outcome == Outcome::Refused)
    log::info("pod not admitted", {{"object", reviewed.pod}, {"message", reviewed.message}});
  const bool whole = reviewed.outcome != Outcome::Malformed;
  Response response(whole ? status::ok : status::bad_request, request.version());
  response.set(net::http::field::content_type, whole ? "application/json" : "text/plain; charset=utf-8");
  response.body() = std::move(reviewed.body) + (whole ? "" : "\n");
  return response;
}

void Server::Impl::run() {
  while (!io.stopped()) {
    try {
      io.run();
    } catch (const std::exception& problem) {
      log::error("the webhook met an unexpected error and goes on", {{"error", problem.what()}});
    }
  }
}

Result<std::unique_ptr<Server>> Server::start(ServerOptions options, Answer answer, prometheus::Registry& registry) {
  auto impl = std::make_unique<Impl>(std::move(options), std::move(answer), registry);
  if (const auto listening = impl->listen(); !listening) return tl::unexpected(listening.error());
  net::asio::co_spawn(impl->io, impl->accept(), net::asio::detached);
  impl->thread = std::thread([raw = impl.get()] { raw->run(); });
  return std::unique_ptr<Server>(new Server(std::move(impl)));
}

Server::Server(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Server::~Server() {
  net::asio::post(impl_->io, [impl = impl_.get()] {
    error_code ignored;
    impl->acceptor.close(ignored);
    for (auto* stream : impl->open) net::beast::get_lowest_layer(*stream).close();  // the thread ends with the last
  });
  impl_->thread.join();
}

std::uint16_t Server::port() const {
  return impl_->port;
}

Status Server::set_certificate(const std::string& certificate_pem, const std::string& key_pem) {
  auto context = net::server_context(certificate_pem, key_pem);
  if (!context) return tl::unexpected(context.error());
  net::asio::post(impl_->io, [impl = impl_.get(), context = std::move(*context)] { impl->tls = context; });
  return {};
}

}  // namespace meshauth::webhook
