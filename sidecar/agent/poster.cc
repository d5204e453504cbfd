#include "sidecar/agent/poster.h"

#include "operator/log/log.h"

namespace meshauth::agent {
namespace {

using namespace std::chrono_literals;
using net::error_code;
using net::into;
using std::chrono::steady_clock;

constexpr auto kLimit = 10s;       // of one request
constexpr auto kReportEvery = 1s;  // and an ack that failed is tried again after this

}  // namespace

void ReportSum::add(const engine::WorkerReport& report) {
  if (report.event == engine::WorkerEvent::unknown_kid) add(report.source, report.kid);
  for (const auto& c : report.counters) {
    if (c.count > 0) add({c.allow, c.reason, c.policy, c.rule, c.provider, c.audit, c.audit_policy, c.count});
  }
}

void ReportSum::add(const std::string& source, const std::string& kid) {
  if (kids_.size() < kMostKidSources || kids_.contains(source)) kids_[source] = kid;
}

void ReportSum::add(const bundle::DecisionCount& d) {
  Key key(d.allow, d.reason, d.policy, d.rule, d.provider, d.audit, d.audit_policy);
  if (decisions_.size() >= kMostDecisions && !decisions_.contains(key)) {
    key = Key(d.allow, d.reason, "", "", "", "", "");
    if (decisions_.size() >= 2 * kMostDecisions && !decisions_.contains(key)) return;
  }
  decisions_[key] += d.count;
}

bundle::Report ReportSum::take() {
  bundle::Report report;
  report.skew = skew_;
  report.trust = std::exchange(trust_, std::nullopt);
  while (!kids_.empty() && report.unknown_kids.size() < bundle::kMaxUnknownKids) {
    auto node = kids_.extract(kids_.begin());
    report.unknown_kids.push_back({std::move(node.key()), std::move(node.mapped())});
  }
  while (!decisions_.empty() && report.decisions.size() < bundle::kMaxDecisions) {
    const auto node = decisions_.extract(decisions_.begin());
    const auto& [allow, reason, policy, rule, provider, audit, audit_policy] = node.key();
    report.decisions.push_back({allow, reason, policy, rule, provider, audit, audit_policy, node.mapped()});
  }
  return report;
}

void ReportSum::give_back(const bundle::Report& report) {
  if (!trust_) trust_ = report.trust;  // a newer one counts
  for (const auto& kid : report.unknown_kids) {
    if (!kids_.contains(kid.source)) add(kid.source, kid.kid);  // a newer one counts
  }
  for (const auto& decision : report.decisions) add(decision);
}

Poster::Poster(net::asio::io_context& io, const Dialer& dialer) : io_(io), dialer_(dialer), timer_(io) {}

void Poster::start() {
  net::asio::co_spawn(io_, run(), net::asio::detached);
}

void Poster::stop() {
  stopped_ = true;
  timer_.cancel();
  if (connection_.socket) net::beast::get_lowest_layer(*connection_.socket).close();
}

void Poster::ack(const bundle::Ack& ack) {
  ack_ = ack;
  wake();
}

void Poster::wake() {
  timer_.cancel();
}

void Poster::set_up(bool up) {
  up_ = up;
  if (!up) connection_ = {};
  wake();
}

net::Task<> Poster::pause(steady_clock::time_point until) {
  error_code error;
  timer_.expires_at(until);
  co_await timer_.async_wait(into(error));
}

net::Task<> Poster::run() {
  while (!stopped_) {
    const bool sent = co_await send_what_is_due();
    if (stopped_) co_return;
    if (!sent) {
      // Not by wake(): whoever fails would be asked again for every datagram.
      net::asio::steady_timer after_failure(io_, kReportEvery);
      error_code error;
      co_await after_failure.async_wait(into(error));
      continue;
    }
    if (up_ && ack_) continue;
    co_await pause(up_ && !reports_.empty() ? next_report_ : steady_clock::time_point::max());
  }
}

net::Task<bool> Poster::send_what_is_due() {
  if (up_ && ack_) {
    const auto ack = *std::exchange(ack_, std::nullopt);
    const auto sent = co_await post("ack", bundle::encode(ack));
    if (!sent) {
      log::warning("an ack did not reach the operator and is sent again", {{"error", sent.error()}});
      if (!ack_) ack_ = ack;
      co_return false;
    }
  }
  if (up_ && !reports_.empty() && steady_clock::now() >= next_report_) {
    next_report_ = steady_clock::now() + kReportEvery;
    const auto report = reports_.take();
    const auto sent = co_await post("report", bundle::encode(report));
    if (!sent) {
      log::debug("a report did not reach the operator and is sent again", {{"error", sent.error()}});
      reports_.give_back(report);
      co_return false;
    }
  }
  co_return true;
}

net::Task<Status> Poster::post(std::string verb, std::string body) {
  // One that waited unused may have been closed by the other end meanwhile; a fresh one has no such excuse.
  const bool reused = connection_.socket != nullptr;
  auto sent = co_await post_once(verb, body);
  if (!sent && reused && up_ && !stopped_) sent = co_await post_once(verb, body);
  co_return sent;
}

net::Task<Status> Poster::post_once(const std::string& verb, const std::string& body) {
  if (!connection_.socket) {
    auto connected = co_await dialer_.dial(kLimit);
    if (!connected) co_return tl::unexpected(connected.error());
    if (stopped_) co_return fail("stopped");
    connection_ = std::move(*connected);
  }
  // The connection is this request's: set_up(false) meanwhile lets go of the member only.
  auto connection = std::exchange(connection_, {});
  net::http::request<net::http::string_body> request(net::http::verb::post, "/", 11);
  if (const auto prepared = dialer_.prepare(request, verb); !prepared) co_return prepared;
  request.set(net::http::field::content_type, "application/json");
  request.body() = body;
  request.prepare_payload();
  error_code error;
  auto& lowest = net::beast::get_lowest_layer(*connection.socket);
  lowest.expires_after(kLimit);
  co_await net::http::async_write(*connection.socket, request, into(error));
  if (error) co_return fail("{} could not be sent: {}", verb, error.message());
  net::beast::flat_buffer buffer(64 * 1024);
  net::http::response_parser<net::http::string_body> parser;
  parser.body_limit(16 * 1024);
  lowest.expires_after(kLimit);
  co_await net::http::async_read(*connection.socket, buffer, parser, into(error));
  if (error) co_return fail("{} was not answered: {}", verb, error.message());
  lowest.expires_never();
  const auto& response = parser.get();
  if (response.keep_alive() && up_ && !stopped_) connection_ = std::move(connection);
  if (response.result_int() == 204) co_return Status();
  // What the operator finds wrong with it would be wrong again.
  if (response.result_int() == 400 || response.result_int() == 413) {
    log::error("the operator does not take this agent's message", {{"kind", verb}, {"error", response.body()}});
    co_return Status();
  }
  co_return fail("the operator answered {}: {}", response.result_int(), response.body());
}

}  // namespace meshauth::agent
