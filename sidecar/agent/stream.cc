#include "sidecar/agent/stream.h"

#include <limits>
#include <random>

#include "core/bundle/keys.h"
#include "core/bundle/wire.h"
#include "operator/asio/tls.h"
#include "operator/log/log.h"
#include "sidecar/agent/folder.h"

namespace meshauth::agent {
namespace {

using net::error_code;
using net::into;
using net::http::field;

constexpr std::size_t kMaxTokenBytes = 16 * 1024;
constexpr std::size_t kMaxTrustBytes = 256 * 1024;
constexpr std::uint32_t kMaxHeaderBytes = 16 * 1024;
constexpr std::size_t kMaxErrorBody = 512;

bool is_address(const std::string& host) {
  error_code error;
  net::asio::ip::make_address(host, error);
  return !error;
}

std::string view(net::beast::string_view text) {
  return {text.data(), text.size()};
}

// With what the server said; a server may have been asked for too much at once.
tl::unexpected<Error> refused(unsigned status, const std::string& body) {
  return fail("the operator answered {}: {}", status, body.substr(0, kMaxErrorBody));
}

}  // namespace

Result<std::string> Dialer::read_token() const {
  auto token = read_file(options_.token_file, kMaxTokenBytes);
  if (!token) return fail("--token-file: {}", token.error().message);
  while (!token->empty() && (token->back() == '\n' || token->back() == '\r')) token->pop_back();
  if (token->empty() || token->find_first_of("\r\n ") != std::string::npos) {
    return fail("--token-file {} does not hold one token", options_.token_file);
  }
  return token;
}

void Dialer::set_headers(Header& header, const std::string& token, const std::string& verb) const {
  header.target("/v1/workloads/" + options_.workload + "/" + verb);
  header.set(field::host, options_.operator_url.host);
  header.set(field::authorization, "Bearer " + token);
  header.set(field::user_agent, "mesh-auth-agent/" MESH_AUTH_VERSION);
  if (!options_.instance.empty()) header.set("Mesh-Auth-Instance", options_.instance);
}

net::Task<Result<Dialer::Connected>> Dialer::dial(std::chrono::milliseconds limit) const {
  const auto text = read_file(options_.trust_file, kMaxTrustBytes);
  if (!text) co_return fail("--trust: {}", text.error().message);
  const auto trust = bundle::Trust::parse(*text);
  if (!trust) co_return fail("--trust: {}", trust.error().message);
  auto tls = net::client_context(trust->certificate_authorities);
  if (!tls) co_return fail("--trust: {}", tls.error().message);
  const auto& [host, port] = options_.operator_url;
  const auto executor = co_await net::asio::this_coro::executor;
  error_code error;
  net::tcp::resolver resolver(executor);
  const auto addresses = co_await resolver.async_resolve(host, port, into(error));
  if (error) co_return fail("{} cannot be resolved: {}", host, error.message());
  Connected made{*tls, std::make_unique<Socket>(executor, **tls)};
  auto& lowest = net::beast::get_lowest_layer(*made.socket);
  lowest.expires_after(limit);
  co_await lowest.async_connect(addresses, into(error));
  if (error) co_return fail("{}:{} cannot be reached: {}", host, port, error.message());
  lowest.socket().set_option(net::tcp::no_delay(true), error);
  if (!is_address(host)) SSL_set_tlsext_host_name(made.socket->native_handle(), host.c_str());
  made.socket->set_verify_callback(net::ssl::host_name_verification(host));
  lowest.expires_after(limit);
  co_await made.socket->async_handshake(net::ssl::stream_base::client, into(error));
  if (error) co_return fail("TLS with {}:{} failed: {}", host, port, error.message());
  lowest.expires_never();
  co_return made;
}

StreamClient::StreamClient(net::asio::io_context& io, const Dialer& dialer, StreamTimes times, Handlers handlers)
    : io_(io), dialer_(dialer), times_(times), handlers_(std::move(handlers)), pause_timer_(io) {}

void StreamClient::start() {
  net::asio::co_spawn(io_, run(), net::asio::detached);
}

void StreamClient::stop() {
  stopped_ = true;
  pause_timer_.cancel();
  if (connection_.socket) net::beast::get_lowest_layer(*connection_.socket).close();
}

void StreamClient::start_over() {
  forget_held_ = true;
  if (connection_.socket) net::beast::get_lowest_layer(*connection_.socket).close();
}

// Doubled after each failure, and somewhere between a tenth of it and all of it: ten thousand agents that lost the same
// operator do not come back at the same moment.
std::chrono::milliseconds StreamClient::next_pause() {
  static thread_local std::minstd_rand random{std::random_device{}()};
  pause_ = pause_.count() == 0 ? times_.first_pause : std::min(pause_ * 2, times_.longest_pause);
  return std::chrono::milliseconds(
      std::uniform_int_distribution<std::chrono::milliseconds::rep>(pause_.count() / 10, pause_.count())(random));
}

net::Task<> StreamClient::run() {
  while (!stopped_) {
    const auto ended = co_await connect_and_read();
    connection_ = {};
    if (stopped_) co_return;
    const std::string trouble = ended ? "the operator ended the stream" : ended.error().message;
    const auto pause = next_pause();
    if (trouble != trouble_ || up_) {
      log::warning("no stream from the operator; what is in force goes on",
                   {{"error", trouble}, {"pauseMs", pause.count()}});
    }
    trouble_ = trouble;
    if (std::exchange(up_, false)) handlers_.on_down();
    error_code error;
    pause_timer_.expires_after(pause);
    co_await pause_timer_.async_wait(into(error));
  }
}

net::Task<Status> StreamClient::connect_and_read() {
  auto connected = co_await dialer_.dial(times_.dial);
  if (!connected) co_return tl::unexpected(connected.error());
  if (stopped_) co_return fail("stopped");
  connection_ = std::move(*connected);
  net::http::request<net::http::empty_body> request(net::http::verb::get, "/", 11);
  if (const auto prepared = dialer_.prepare(request, "stream"); !prepared) co_return prepared;
  request.set(field::accept, "text/event-stream");
  const auto held = std::exchange(forget_held_, false) ? std::string() : handlers_.held();
  if (!held.empty()) request.set("Last-Event-ID", held);
  error_code error;
  auto& lowest = net::beast::get_lowest_layer(*connection_.socket);
  lowest.expires_after(times_.dial);
  co_await net::http::async_write(*connection_.socket, request, into(error));
  if (error) co_return fail("the request could not be sent: {}", error.message());
  const auto status = co_await read_events(*connection_.socket);
  co_return status;
}

net::Task<Status> StreamClient::read_events(Dialer::Socket& socket) {
  error_code error;
  net::beast::flat_buffer buffer(64 * 1024);
  net::http::response_parser<net::http::buffer_body> parser;
  parser.header_limit(kMaxHeaderBytes);
  parser.body_limit(std::numeric_limits<std::uint64_t>::max());  // a stream has no end; events have their bound
  auto& lowest = net::beast::get_lowest_layer(socket);
  co_await net::http::async_read_header(socket, buffer, parser, into(error));
  if (error) co_return fail("the operator did not answer: {}", error.message());
  const bool accepted = parser.get().result() == net::http::status::ok &&
                        view(parser.get()[field::content_type]).starts_with("text/event-stream");
  std::string refusal;
  SseParser events(bundle::kMaxEventBytes + 1024, [this](const ServerEvent& event) {
    pause_ = {};
    handlers_.on_event(event);
  });
  if (accepted) {
    up_ = true;
    trouble_.clear();
    log::info("stream from the operator is up", {});
    handlers_.on_up();
  }
  char part[16 * 1024];
  while (!parser.is_done()) {
    parser.get().body().data = part;
    parser.get().body().size = sizeof part;
    lowest.expires_after(accepted ? times_.silence : times_.dial);
    co_await net::http::async_read_some(socket, buffer, parser, into(error));
    const std::string_view got(part, sizeof part - parser.get().body().size);
    if (accepted) {
      if (const auto fed = events.feed(got); !fed) co_return fed;
    } else if (refusal.size() < kMaxErrorBody) {
      refusal += got;
    }
    if (error && error != net::http::error::need_buffer) break;
  }
  if (!accepted) co_return refused(parser.get().result_int(), refusal);
  if (error == net::beast::error::timeout) co_return fail("the operator was silent for {} ms", times_.silence.count());
  co_return fail("the stream ended: {}", error.message());
}

}  // namespace meshauth::agent
