// A scripted http::Client for tests: it answers what was expected, in order, and remembers what was not.
#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <string>
#include <vector>

#include "operator/http/client.h"

namespace meshauth::http::testing {

/// One exchange. A plain request gets status and body; a stream gets lines, then `end`.
struct Exchanged {
  std::string method{};
  std::string target{};
  std::string body_contains{};  ///< empty: any
  int status = 200;
  std::string body{};
  Headers headers{};
  std::vector<std::string> lines{};
  StreamEnd end = StreamEnd::Closed;
  bool hold = false;              ///< a stream that stays silent after its lines until it is cancelled (then Cancelled)
  std::string transport_error{};  ///< not empty: the exchange fails with it
};

class FakeClient : public Client {
 public:
  /// Each expected exchange happens once, in this order.
  void expect(Exchanged exchange);

  Result<Response> send(const Request& request, const SendOptions& options, std::stop_token stop) override;
  Result<StreamResult> stream_lines(const Request& request, const StreamOptions& options, const LineCallback& on_line,
                                    std::stop_token stop) override;

  /// "" if all that was expected happened and nothing else; else what was unexpected or is missing, a line each.
  std::string complaints() const;
  /// Waits until every expected exchange has begun.
  bool wait_all_begun(std::chrono::milliseconds timeout = std::chrono::seconds(30));
  std::vector<Request> requests() const;

 private:
  Result<Exchanged> next(const Request& request);

  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  std::deque<Exchanged> expected_;  // guarded by mutex_, as all below
  std::vector<std::string> unexpected_;
  std::vector<Request> requests_;
};

}  // namespace meshauth::http::testing
