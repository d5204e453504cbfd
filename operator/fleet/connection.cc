#include "operator/fleet/connection.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>

#include <nlohmann/json.hpp>

#include "core/base/text.h"
#include "operator/asio/message.h"
#include "operator/log/log.h"

namespace meshauth::fleet {
namespace {

using net::error_code;
using net::into;
using net::http::field;
using net::http::status;
using net::http::verb;
using std::chrono::steady_clock;

constexpr std::uint32_t kMaxHeaderBytes = 24 * 1024;  // a service account token has 1 to 2 KiB, room for 16
constexpr std::size_t kMaxBodyBytes = std::max(bundle::kMaxAckBytes, bundle::kMaxReportBytes);
constexpr std::size_t kMaxTokenBytes = 16 * 1024;
constexpr std::size_t kMaxDrained = 8 * 1024 * 1024;
constexpr auto kDrain = std::chrono::seconds(2);
constexpr auto kIdle = std::chrono::seconds(90);  // an agent keeps one connection for its acks

double unix_seconds() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

double seconds_since(SteadyTime then) {
  return std::chrono::duration<double>(steady_clock::now() - then).count();
}

std::string_view view(net::beast::string_view text) {
  return {text.data(), text.size()};
}

std::optional<std::string> bearer_token(std::string_view authorization) {
  constexpr std::string_view kScheme = "Bearer ";
  if (authorization.size() <= kScheme.size() || authorization.size() > kMaxTokenBytes) return std::nullopt;
  if (!iequals(authorization.substr(0, kScheme.size()), kScheme)) return std::nullopt;
  return std::string(authorization.substr(kScheme.size()));
}

}  // namespace

enum class Verb { Stream, Ack, Report };

struct Connection::Target {
  std::string workload;
  Verb verb;
};

Shared::Shared(net::asio::io_context& io, FleetOptions given, std::shared_ptr<Authenticator> who, FleetHandlers called,
               prometheus::Registry& registry)
    : options(std::move(given)),
      authenticator(who),
      handlers(std::move(called)),
      metrics(registry),
      hub(options.ping_interval),
      gate(io, std::move(who), options.reviews, metrics) {}

Connection::Connection(net::tcp::socket socket, std::shared_ptr<net::ssl::context> tls, Shared& shared)
    : tls_(std::move(tls)),
      socket_(net::beast::tcp_stream(std::move(socket)), *tls_),
      timer_(socket_.get_executor()),
      shared_(shared) {
  shared_.connections.insert(this);
  shared_.metrics.connections.Increment();
}

Connection::~Connection() {
  end_stream();
  shared_.connections.erase(this);
  shared_.metrics.connections.Decrement();
}

void Connection::close() {
  closing_ = true;
  timer_.cancel();
  net::beast::get_lowest_layer(socket_).close();
}

net::Task<> Connection::run(std::shared_ptr<Connection> self) {
  bool open = co_await self->handshake();
  while (open && !self->closing_) {
    const auto request = co_await self->read_request();
    if (!request || self->closing_) break;
    open = co_await self->handle(*request);
  }
  self->close();
}

net::Task<bool> Connection::handshake() {
  error_code error;
  net::beast::get_lowest_layer(socket_).expires_after(shared_.options.request_timeout);
  co_await socket_.async_handshake(net::ssl::stream_base::server, into(error));
  if (!error) net::beast::get_lowest_layer(socket_).socket().set_option(net::tcp::no_delay(true), error);
  co_return !error;
}

net::Task<std::optional<Connection::Request>> Connection::read_request() {
  net::beast::flat_buffer buffer(kMaxHeaderBytes + kMaxBodyBytes);
  net::http::request_parser<net::http::string_body> parser;
  parser.header_limit(kMaxHeaderBytes);
  parser.body_limit(kMaxBodyBytes);
  error_code error;
  auto& lowest = net::beast::get_lowest_layer(socket_);
  lowest.expires_after(kIdle);
  co_await net::http::async_read_header(socket_, buffer, parser, into(error));
  if (!error) {
    lowest.expires_after(shared_.options.request_timeout);
    co_await net::http::async_read(socket_, buffer, parser, into(error));
  }
  if (!error) co_return parser.release();
  if (error == net::http::error::body_limit) {
    Request request(verb::post, "/", 11);
    request.keep_alive(false);
    co_await answer(request, status::payload_too_large, fmt::format("the body has over {} bytes", kMaxBodyBytes));
    co_await drain();
  }
  co_return std::nullopt;
}

// Closing while the rest of a body is on its way would reset the connection, and the answer with it (RFC 9112,
// section 9.6).
net::Task<> Connection::drain() {
  error_code error;
  char part[16 * 1024];
  net::beast::get_lowest_layer(socket_).expires_after(kDrain);
  for (std::size_t taken = 0; !error && taken < kMaxDrained;) {
    taken += co_await socket_.async_read_some(net::asio::buffer(part), into(error));
  }
}

std::optional<Connection::Target> Connection::parse_target(std::string_view target) {
  const auto parts = split(target, '/');
  if (parts.size() != 6 || !parts[0].empty() || parts[1] != "v1" || parts[2] != "workloads") return std::nullopt;
  if (!bundle::is_dns_label(parts[3]) || !bundle::is_dns_label(parts[4])) return std::nullopt;
  const auto workload = fmt::format("{}/{}", parts[3], parts[4]);
  if (parts[5] == "stream") return Target{workload, Verb::Stream};
  if (parts[5] == "ack") return Target{workload, Verb::Ack};
  if (parts[5] == "report") return Target{workload, Verb::Report};
  return std::nullopt;
}

net::Task<bool> Connection::handle(const Request& request) {
  const auto target = parse_target(view(request.target()));
  if (!target) co_return co_await answer(request, status::not_found, "there is nothing at this path");
  const auto wanted = target->verb == Verb::Stream ? verb::get : verb::post;
  if (request.method() != wanted) co_return co_await answer(request, status::method_not_allowed, "use another method");
  if (!shared_.leader) {
    co_return co_await answer(request, status::service_unavailable, "this replica is not the leader; dial again");
  }
  auto token = bearer_token(view(request[field::authorization]));
  if (!token) co_return co_await answer(request, status::unauthorized, "a bearer token is required");
  const auto verdict =
      co_await judge(std::move(*token), std::string(view(request["Mesh-Auth-Instance"])).substr(0, 64));
  if (verdict.kind == Verdict::Kind::Unavailable) {
    co_return co_await answer(request, status::service_unavailable, "tokens cannot be checked now; dial again");
  }
  if (verdict.kind == Verdict::Kind::Unknown) {
    co_return co_await answer(request, status::unauthorized, "the token is not a valid one for this service");
  }
  const Caller& caller = verdict.caller;
  if (!shared_.authenticator->pod_in_workload(caller, target->workload)) {
    co_return co_await answer(request, status::forbidden, shared_.authenticator->why_refused(caller, target->workload));
  }
  if (target->verb == Verb::Ack) co_return co_await take_ack(request, caller, target->workload);
  if (target->verb == Verb::Report) co_return co_await take_report(request, caller, target->workload);
  co_await serve_stream(request, caller, target->workload);
  co_return false;
}

net::Task<Verdict> Connection::judge(std::string token, std::string instance) {
  struct Pending {
    explicit Pending(const net::asio::any_io_executor& executor) : timer(executor) {}
    net::asio::steady_timer timer;
    std::optional<Verdict> verdict;
  };
  const auto pending = std::make_shared<Pending>(socket_.get_executor());
  shared_.gate.check(std::move(token), std::move(instance), [pending](const Verdict& verdict) {
    pending->verdict = verdict;
    pending->timer.cancel();
  });
  if (!pending->verdict) {
    error_code error;
    pending->timer.expires_after(shared_.options.request_timeout);
    co_await pending->timer.async_wait(into(error));
  }
  co_return pending->verdict.value_or(Verdict{});
}

net::Task<bool> Connection::answer(const Request& request, status code, std::string_view error_text) {
  net::http::response<net::http::string_body> response(code, request.version());
  response.keep_alive(request.keep_alive());
  if (code != status::no_content) {
    shared_.metrics.refused(static_cast<int>(code)).Increment();
    response.set(field::content_type, "application/json");
    response.body() =
        nlohmann::json{{"error", error_text}}.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  }
  if (code == status::service_unavailable) response.set(field::retry_after, "1");
  if (code == status::unauthorized) response.set(field::www_authenticate, "Bearer");
  response.prepare_payload();
  error_code error;
  net::beast::get_lowest_layer(socket_).expires_after(shared_.options.write_timeout);
  const std::string bytes = net::to_bytes(response);
  co_await net::asio::async_write(socket_, net::asio::buffer(bytes), into(error));
  co_return !error && response.keep_alive();
}

net::Task<bool> Connection::take_ack(const Request& request, const Caller& caller, const std::string& workload) {
  auto ack = bundle::decode_ack(request.body());
  if (!ack) co_return co_await answer(request, status::bad_request, ack.error().message);
  shared_.metrics.ack(bundle::to_string(ack->outcome)).Increment();
  if (ack->outcome == bundle::Outcome::Applied) {
    const auto published = shared_.hub.published(workload, ack->revision);
    if (published) shared_.metrics.enforced_seconds.Observe(seconds_since(*published));
  }
  if (shared_.handlers.on_ack) shared_.handlers.on_ack({caller.pod, workload, std::move(*ack)});
  co_return co_await answer(request, status::no_content, {});
}

net::Task<bool> Connection::take_report(const Request& request, const Caller& caller, const std::string& workload) {
  auto report = bundle::decode_report(request.body());
  if (!report) co_return co_await answer(request, status::bad_request, report.error().message);
  shared_.metrics.reports.Increment();
  if (shared_.handlers.on_report) shared_.handlers.on_report({caller.pod, workload, std::move(*report)});
  co_return co_await answer(request, status::no_content, {});
}

net::Task<> Connection::serve_stream(const Request& request, const Caller& caller, const std::string& workload) {
  const bool begun = co_await write_header(request);
  if (!begun || closing_) co_return;
  stream_.pod = caller.pod;
  stream_.workload = workload;
  stream_.held = std::string(view(request["Last-Event-ID"])).substr(0, 64);
  stream_.wake = [this] { timer_.cancel(); };
  shared_.hub.open(stream_);
  streaming_ = true;
  shared_.metrics.streams.Increment();
  log::info("sidecar connected", {{"object", workload}, {"pod", caller.pod}, {"revision", stream_.held}});
  if (shared_.handlers.on_connect) shared_.handlers.on_connect(caller.pod, workload);
  watch_peer();
  co_await write_events();
  end_stream();
  log::info("sidecar disconnected", {{"object", workload}, {"pod", caller.pod}});
  stream_.pod.clear();
  if (shared_.handlers.on_disconnect) shared_.handlers.on_disconnect(caller.pod, workload);
}

void Connection::end_stream() {
  if (!std::exchange(streaming_, false)) return;
  shared_.hub.close(stream_);
  shared_.metrics.streams.Decrement();
}

net::Task<bool> Connection::write_header(const Request& request) {
  // The body ends with the connection: no length, and nothing to gain from chunks.
  net::http::response<net::http::empty_body> response(status::ok, request.version());
  response.keep_alive(false);
  response.set(field::content_type, "text/event-stream");
  response.set(field::cache_control, "no-store");
  const std::string bytes = net::to_bytes(response.base());
  error_code error;
  net::beast::get_lowest_layer(socket_).expires_after(shared_.options.write_timeout);
  co_await net::asio::async_write(socket_, net::asio::buffer(bytes), into(error));
  net::beast::get_lowest_layer(socket_).expires_never();
  co_return !error;
}

net::Task<> Connection::write_events() {
  error_code error;
  auto& lowest = net::beast::get_lowest_layer(socket_);
  while (!closing_) {
    const auto event = shared_.hub.next(stream_, steady_clock::now(), unix_seconds());
    if (!event) {
      timer_.expires_at(shared_.hub.next_ping(stream_));
      co_await timer_.async_wait(into(error));  // an early end means: ask again
      continue;
    }
    lowest.expires_after(shared_.options.write_timeout);
    const auto written = co_await net::asio::async_write(socket_, net::asio::buffer(*event->bytes), into(error));
    if (error) co_return;
    lowest.expires_never();
    shared_.metrics.sent_bytes.Increment(static_cast<double>(written));
    (event->is_bundle ? shared_.metrics.bundle_events : shared_.metrics.ping_events).Increment();
    if (event->is_bundle) shared_.metrics.push_seconds.Observe(seconds_since(event->published));
  }
}

// A sidecar says nothing after its request: whatever can be read, or the end, ends the stream. Begun before any
// deadline of a write: one that is set when a read begins is the read's too, and this one lasts as long as the stream.
void Connection::watch_peer() {
  socket_.async_read_some(net::asio::buffer(&peer_byte_, 1),
                          [self = shared_from_this()](error_code, std::size_t) { self->close(); });
}

}  // namespace meshauth::fleet
