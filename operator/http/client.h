// The one way to the API server: a request, and either its whole answer or its answer line by line.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/result.h"

namespace meshauth::http {

/// Names are compared without case (RFC 9110 section 5.1); order is kept.
using Headers = std::vector<std::pair<std::string, std::string>>;

/// The first header of that name.
std::optional<std::string_view> find_header(const Headers& headers, std::string_view name);

struct Request {
  std::string method = "GET";
  std::string target{};  ///< path and query, already percent-encoded, from the client's base URL on
  Headers headers{};
  std::string body{};
};

struct Response {
  int status = 0;
  Headers headers{};
  std::string body{};
};

struct SendOptions {
  std::chrono::milliseconds deadline{30'000};  ///< for the whole exchange, name lookup to last byte
  std::size_t max_body = std::size_t{64} << 20;
};

struct StreamOptions {
  std::chrono::milliseconds header_deadline{30'000};  ///< from the start to the answer's headers
  std::chrono::milliseconds idle{150'000};            ///< the longest silence after them
  std::size_t max_line = std::size_t{4} << 20;
  std::size_t max_error_body = std::size_t{256} << 10;  ///< of an answer that is not 2xx
  std::function<void()> on_open{};                      ///< once, in the calling thread, when a 2xx answer begins
};

/// How a stream came to its end.
enum class StreamEnd {
  Closed,       ///< the server ended the answer properly
  Broken,       ///< the connection was lost in the middle
  Idle,         ///< nothing came for StreamOptions::idle
  LineTooLong,  ///< a line longer than StreamOptions::max_line
  Stopped,      ///< the line callback returned false
  Cancelled,    ///< the stop token
  NotStreamed,  ///< the status was not 2xx: body holds the answer
};

std::string_view stream_end_name(StreamEnd end) noexcept;

struct StreamResult {
  int status = 0;
  Headers headers{};
  std::string body{};  ///< only for NotStreamed
  StreamEnd end = StreamEnd::Closed;
  std::string detail{};  ///< what broke, for Broken
};

/// Gets each line without its LF; empty lines are left out. Returning false ends the stream. The view lives as long as
/// the call does.
using LineCallback = std::function<bool(std::string_view line)>;

/// Calls may come from several threads at once. An Error is a failure of the transport (name lookup, connection, TLS,
/// deadline, too large a body, cancelled); any HTTP status is an answer. Messages never hold headers or bodies.
class Client {
 public:
  virtual ~Client() = default;

  virtual Result<Response> send(const Request& request, const SendOptions& options, std::stop_token stop) = 0;

  /// Blocks until the stream ends; on_line runs in the calling thread. A slow callback slows the sender down: at most
  /// about max_line bytes wait in between. An Error means that no headers came.
  virtual Result<StreamResult> stream_lines(const Request& request, const StreamOptions& options,
                                            const LineCallback& on_line, std::stop_token stop) = 0;
};

}  // namespace meshauth::http
