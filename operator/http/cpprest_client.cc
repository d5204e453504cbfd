#include "operator/http/cpprest_client.h"

#include <cpprest/astreambuf.h>
#include <cpprest/http_client.h>
#include <pplx/threadpool.h>

#include "core/base/text.h"
#include "operator/http/exchange.h"
#include "operator/http/lines.h"

namespace meshauth::http {
namespace {

using std::chrono::steady_clock;

// cpprest would start 40 threads. Ours only move bytes between sockets and exchanges and never block.
constexpr std::size_t kThreads = 2;

// cpprest's own timeout is one of silence and is only there as a last resort: deadlines are kept by the waiting thread.
constexpr std::chrono::minutes kLastResortTimeout{30};

constexpr std::size_t kPipeBytes = std::size_t{256} << 10;

void start_threads() {
  static std::once_flag once;
  std::call_once(once, [] {
    try {
      crossplat::threadpool::initialize_with_threads(kThreads);
    } catch (const std::exception&) {  // somebody else did: their number holds
    }
  });
}

// Gives the bytes of an answer to its exchange. cpprest reads on when the task of its write is done, so a full exchange
// slows down the sender.
class ExchangeBuffer : public Concurrency::streams::details::streambuf_state_manager<std::uint8_t> {
 public:
  explicit ExchangeBuffer(std::shared_ptr<Exchange> exchange)
      : streambuf_state_manager(std::ios_base::out), exchange_(std::move(exchange)) {}

  bool can_seek() const override { return false; }
  bool has_size() const override { return false; }
  std::size_t buffer_size(std::ios_base::openmode) const override { return 0; }
  void set_buffer_size(std::size_t, std::ios_base::openmode) override {}
  std::size_t in_avail() const override { return 0; }
  pos_type getpos(std::ios_base::openmode) const override { return static_cast<pos_type>(traits::eof()); }
  pos_type seekpos(pos_type, std::ios_base::openmode) override { return static_cast<pos_type>(traits::eof()); }
  pos_type seekoff(off_type, std::ios_base::seekdir, std::ios_base::openmode) override {
    return static_cast<pos_type>(traits::eof());
  }
  bool acquire(std::uint8_t*& pointer, std::size_t& count) override {
    pointer = nullptr;
    count = 0;
    return false;
  }
  void release(std::uint8_t*, std::size_t) override {}

 protected:
  pplx::task<std::size_t> _putn(const std::uint8_t* bytes, std::size_t count) override {
    const std::string_view piece(reinterpret_cast<const char*>(bytes), count);
    pplx::task_completion_event<std::size_t> room;
    switch (exchange_->put(piece, [room, count] { room.set(count); })) {
      case Exchange::Put::More:
        return pplx::task_from_result(count);
      case Exchange::Put::Full:
        return pplx::create_task(room);
      case Exchange::Put::Gone:
        break;
    }
    return pplx::task_from_exception<std::size_t>(std::runtime_error("nobody reads this answer any more"));
  }
  pplx::task<int_type> _putc(std::uint8_t byte) override {
    return _putn(&byte, 1).then([byte](std::size_t) { return static_cast<int_type>(byte); });
  }
  pplx::task<bool> _sync() override { return pplx::task_from_result(true); }
  std::uint8_t* _alloc(std::size_t) override { return nullptr; }
  void _commit(std::size_t) override {}
  // Nothing is ever read through cpprest.
  pplx::task<int_type> _bumpc() override { return pplx::task_from_result<int_type>(traits::eof()); }
  int_type _sbumpc() override { return traits::eof(); }
  pplx::task<int_type> _getc() override { return pplx::task_from_result<int_type>(traits::eof()); }
  int_type _sgetc() override { return traits::eof(); }
  pplx::task<int_type> _nextc() override { return pplx::task_from_result<int_type>(traits::eof()); }
  pplx::task<int_type> _ungetc() override { return pplx::task_from_result<int_type>(traits::eof()); }
  pplx::task<std::size_t> _getn(std::uint8_t*, std::size_t) override { return pplx::task_from_result<std::size_t>(0); }
  std::size_t _scopy(std::uint8_t*, std::size_t) override { return 0; }

 private:
  std::shared_ptr<Exchange> exchange_;
};

Headers to_headers(const web::http::http_headers& headers) {
  Headers out;
  for (const auto& [name, value] : headers) out.emplace_back(name, value);
  return out;
}

// Tells the exchange how the body ended.
void finish_with(const std::shared_ptr<Exchange>& exchange, const web::http::http_response& answer) {
  answer.content_ready().then([exchange](const pplx::task<web::http::http_response>& done) {
    try {
      done.get();
      exchange->end({});
    } catch (const std::exception& error) {
      exchange->end(error.what());
    }
  });
}

class CpprestClient : public Client {
 public:
  CpprestClient(const CpprestOptions& options, std::shared_ptr<TlsSetup> tls)
      : base_url_(options.base_url),
        user_agent_(options.user_agent),
        server_name_(options.tls.server_name),
        tls_(std::move(tls)),
        client_(web::uri(options.base_url), config(options, tls_)) {}

  Result<Response> send(const Request& request, const SendOptions& options, std::stop_token stop) override;
  Result<StreamResult> stream_lines(const Request& request, const StreamOptions& options, const LineCallback& on_line,
                                    std::stop_token stop) override;

 private:
  // A started request; the destructor ends it however far it came.
  struct Running {
    std::shared_ptr<Exchange> exchange = std::make_shared<Exchange>(kPipeBytes);
    pplx::cancellation_token_source source;

    Running() = default;
    Running(const Running&) = delete;
    Running& operator=(const Running&) = delete;
    ~Running() {
      exchange->abandon();
      source.cancel();
    }
  };

  static web::http::client::http_client_config config(const CpprestOptions& options,
                                                      const std::shared_ptr<TlsSetup>& tls);
  void start(const Request& request, Running& running);
  tl::unexpected<Error> no_answer(const Request& request, Exchange::Wait wait, const Exchange& exchange,
                                  std::chrono::milliseconds deadline);

  const std::string base_url_;
  const std::string user_agent_;
  const std::string server_name_;
  const std::shared_ptr<TlsSetup> tls_;
  web::http::client::http_client client_;
};

web::http::client::http_client_config CpprestClient::config(const CpprestOptions& options,
                                                            const std::shared_ptr<TlsSetup>& tls) {
  web::http::client::http_client_config config;
  config.set_timeout(kLastResortTimeout);
  config.set_max_redirects(0);
  config.set_validate_certificates(!options.tls.insecure_skip_verify);
  config.set_ssl_context_callback([tls](boost::asio::ssl::context& context) { tls->apply(context.native_handle()); });
  return config;
}

void CpprestClient::start(const Request& request, Running& running) {
  const std::shared_ptr<Exchange> exchange = running.exchange;
  web::http::http_request out(request.method);
  out.set_request_uri(web::uri(request.target));
  if (!request.body.empty()) out.set_body(request.body);  // first: it sets a Content-Type of its own
  for (const auto& [name, value] : request.headers) out.headers()[name] = value;
  out.headers()["User-Agent"] = user_agent_;
  // cpprest verifies the certificate against the Host header where there is one.
  if (!server_name_.empty()) out.headers()["Host"] = server_name_;
  out.set_response_stream(
      Concurrency::streams::streambuf<std::uint8_t>(std::make_shared<ExchangeBuffer>(exchange)).create_ostream());
  client_.request(out, running.source.get_token()).then([exchange](const pplx::task<web::http::http_response>& answer) {
    try {
      const web::http::http_response response = answer.get();
      exchange->head(response.status_code(), to_headers(response.headers()));
      finish_with(exchange, response);
    } catch (const std::exception& error) {
      exchange->end(error.what());
    }
  });
}

tl::unexpected<Error> CpprestClient::no_answer(const Request& request, Exchange::Wait wait, const Exchange& exchange,
                                               std::chrono::milliseconds deadline) {
  // The query is left out: it may be long, and says nothing about why.
  const std::string what = request.method + " " + base_url_ + request.target.substr(0, request.target.find('?'));
  if (wait == Exchange::Wait::Cancelled) return fail("{}: cancelled", what);
  if (wait == Exchange::Wait::Timeout) return fail("{}: no answer within {} ms", what, deadline.count());
  const std::string verify = tls_->take_verify_error();
  return fail("{}: {}{}{}", what, exchange.error(), verify.empty() ? "" : "; ", verify);
}

Result<Response> CpprestClient::send(const Request& request, const SendOptions& options, std::stop_token stop) {
  const auto deadline = steady_clock::now() + options.deadline;
  Running running;
  try {
    start(request, running);
  } catch (const std::exception& error) {
    return fail("{} {}{}: {}", request.method, base_url_, request.target.substr(0, request.target.find('?')),
                error.what());
  }
  Exchange& exchange = *running.exchange;
  if (const auto wait = exchange.wait_head(deadline, stop); wait != Exchange::Wait::Ready) {
    return no_answer(request, wait, exchange, options.deadline);
  }
  Exchange::Head head = exchange.take_head();
  Response response{head.status, std::move(head.headers), {}};
  std::string piece;
  for (;;) {
    const auto wait = exchange.take(piece, deadline, stop);
    if (wait == Exchange::Wait::End && exchange.error().empty()) return response;
    if (wait != Exchange::Wait::Ready) return no_answer(request, wait, exchange, options.deadline);
    if (response.body.size() + piece.size() > options.max_body) {
      return fail("{} {}: the answer is longer than {} bytes", request.method, base_url_, options.max_body);
    }
    response.body += piece;
  }
}

StreamEnd end_of(Exchange::Wait wait, const Exchange& exchange) {
  switch (wait) {
    case Exchange::Wait::Cancelled:
      return StreamEnd::Cancelled;
    case Exchange::Wait::Timeout:
      return StreamEnd::Idle;
    default:
      return exchange.error().empty() ? StreamEnd::Closed : StreamEnd::Broken;
  }
}

// An answer that is no stream, read to its end or to the limit.
void read_refusal(Exchange& exchange, const StreamOptions& options, const std::stop_token& stop, StreamResult& result) {
  result.end = StreamEnd::NotStreamed;
  const auto deadline = steady_clock::now() + options.header_deadline;
  std::string piece;
  while (exchange.take(piece, deadline, stop) == Exchange::Wait::Ready) {
    result.body.append(piece, 0, options.max_error_body - result.body.size());
    if (result.body.size() >= options.max_error_body) break;
  }
}

Result<StreamResult> CpprestClient::stream_lines(const Request& request, const StreamOptions& options,
                                                 const LineCallback& on_line, std::stop_token stop) {
  Running running;
  try {
    start(request, running);
  } catch (const std::exception& error) {
    return fail("{} {}: {}", request.method, base_url_, error.what());
  }
  Exchange& exchange = *running.exchange;
  const auto head_wait = exchange.wait_head(steady_clock::now() + options.header_deadline, stop);
  if (head_wait != Exchange::Wait::Ready) return no_answer(request, head_wait, exchange, options.header_deadline);
  Exchange::Head head = exchange.take_head();
  StreamResult result{head.status, std::move(head.headers), {}, StreamEnd::Closed, {}};
  if (result.status < 200 || result.status > 299) {
    read_refusal(exchange, options, stop, result);
    return result;
  }
  if (options.on_open) options.on_open();
  LineSplitter lines(options.max_line);
  std::string piece;
  for (;;) {
    const auto wait = exchange.take(piece, steady_clock::now() + options.idle, stop);
    if (wait != Exchange::Wait::Ready) {
      result.end = end_of(wait, exchange);
      result.detail = wait == Exchange::Wait::End ? exchange.error() : "";
      return result;
    }
    const auto outcome = lines.feed(piece, on_line);
    if (outcome == LineSplitter::Outcome::More) continue;
    result.end = outcome == LineSplitter::Outcome::Stopped ? StreamEnd::Stopped : StreamEnd::LineTooLong;
    return result;
  }
}

}  // namespace

Result<std::shared_ptr<Client>> make_cpprest_client(const CpprestOptions& options) {
  auto tls = TlsSetup::make(options.tls);
  if (!tls) return tl::unexpected(tls.error());
  start_threads();
  try {
    const web::uri url(options.base_url);
    if ((url.scheme() != "http" && url.scheme() != "https") || url.host().empty()) {
      return fail("\"{}\" is no server's URL; it should be https://HOST:PORT", options.base_url);
    }
    if (url.host().starts_with('[')) {
      return fail(
          "{} names an IPv6 address, which cpprestsdk cannot connect to; give a host name for it (with "
          "tls-server-name if the certificate is for another)",
          in_quotes(options.base_url));
    }
    return std::make_shared<CpprestClient>(options, std::move(*tls));
  } catch (const std::exception& error) {
    return fail("\"{}\" is no server's URL: {}; it should be https://HOST:PORT", options.base_url, error.what());
  }
}

}  // namespace meshauth::http
