#include "operator/http/testing/fake_client.h"

namespace meshauth::http::testing {

void FakeClient::expect(Exchanged exchange) {
  const std::lock_guard lock(mutex_);
  expected_.push_back(std::move(exchange));
}

Result<Exchanged> FakeClient::next(const Request& request) {
  const std::lock_guard lock(mutex_);
  requests_.push_back(request);
  const bool fits = !expected_.empty() && expected_.front().method == request.method &&
                    expected_.front().target == request.target &&
                    request.body.find(expected_.front().body_contains) != std::string::npos;
  if (!fits) {
    std::string wanted = expected_.empty() ? "nothing" : expected_.front().method + " " + expected_.front().target;
    unexpected_.push_back("unexpected: " + request.method + " " + request.target + " " + request.body +
                          " (expected: " + wanted + ")");
    changed_.notify_all();
    return fail("the fake client did not expect {} {}", request.method, request.target);
  }
  Exchanged exchange = std::move(expected_.front());
  expected_.pop_front();
  changed_.notify_all();
  if (!exchange.transport_error.empty()) return tl::unexpected(Error{exchange.transport_error});
  return exchange;
}

Result<Response> FakeClient::send(const Request& request, const SendOptions&, std::stop_token) {
  auto exchange = next(request);
  if (!exchange) return tl::unexpected(exchange.error());
  return Response{exchange->status, exchange->headers, exchange->body};
}

Result<StreamResult> FakeClient::stream_lines(const Request& request, const StreamOptions& options,
                                              const LineCallback& on_line, std::stop_token stop) {
  auto exchange = next(request);
  if (!exchange) return tl::unexpected(exchange.error());
  StreamResult result{exchange->status, exchange->headers, {}, exchange->end, {}};
  if (result.status < 200 || result.status > 299) {
    result.body = exchange->body;
    result.end = StreamEnd::NotStreamed;
    return result;
  }
  if (options.on_open) options.on_open();
  for (const std::string& line : exchange->lines) {
    if (on_line(line)) continue;
    result.end = StreamEnd::Stopped;
    return result;
  }
  if (exchange->hold) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, stop, [] { return false; });
    result.end = StreamEnd::Cancelled;
  }
  return result;
}

std::string FakeClient::complaints() const {
  const std::lock_guard lock(mutex_);
  std::string out;
  for (const std::string& line : unexpected_) out += line + "\n";
  for (const Exchanged& exchange : expected_) out += "missing: " + exchange.method + " " + exchange.target + "\n";
  return out;
}

bool FakeClient::wait_all_begun(std::chrono::milliseconds timeout) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, timeout, [&] { return expected_.empty() || !unexpected_.empty(); }) &&
         expected_.empty();
}

std::vector<Request> FakeClient::requests() const {
  const std::lock_guard lock(mutex_);
  return requests_;
}

}  // namespace meshauth::http::testing
