#include "cli/dev_idp/https_server.h"

#include <charconv>
#include <optional>
#include <utility>

#include "core/base/cidr.h"
#include "core/base/text.h"
#include "operator/asio/asio.h"
#include "operator/asio/message.h"

namespace meshauth::dev_idp {
namespace {

namespace asio = net::asio;
namespace beast = net::beast;
namespace bhttp = net::http;
using net::error_code;

constexpr int kMaxConnections = 64;
constexpr std::uint32_t kMaxHeader = 16 * 1024;
constexpr std::uint64_t kMaxBody = 64 * 1024;
constexpr std::chrono::seconds kPatience{10};  // for the handshake, a request, an answer
constexpr std::chrono::seconds kLingerPatience{1};
constexpr std::size_t kMaxLinger = 1024 * 1024;
constexpr std::size_t kLingerPiece = 16 * 1024;
constexpr std::size_t kFloodBytes = 100UL * 1024 * 1024;
constexpr std::chrono::milliseconds kDrip{1000};

std::string text(beast::string_view view) {
  return {view.data(), view.size()};
}

/// One connection; it lives as long as an operation of it is under way.
class Session : public std::enable_shared_from_this<Session> {
 public:
  Session(asio::ip::tcp::socket socket, asio::ssl::context& tls, const HttpsServer::Handler& handler, int& count)
      : stream_(std::move(socket), tls), timer_(stream_.get_executor()), handler_(handler), count_(count) {
    ++count_;
  }
  ~Session() { --count_; }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  void start() {
    lowest().expires_after(kPatience);
    stream_.async_handshake(asio::ssl::stream_base::server, [self = shared_from_this()](const error_code& error) {
      if (!error) self->read();
    });
  }

 private:
  enum class After { Read, Close, Linger };
  /// One type for all of them: each type of handler has the whole of Asio instantiated for it.
  using Then = std::function<void(const error_code&, std::size_t)>;

  beast::tcp_stream& lowest() { return beast::get_lowest_layer(stream_); }

  void read() {
    parser_.emplace();
    parser_->header_limit(kMaxHeader);
    parser_->body_limit(kMaxBody);
    lowest().expires_after(kPatience);
    bhttp::async_read(
        stream_, buffer_, *parser_,
        Then([self = shared_from_this()](const error_code& error, std::size_t) { self->on_read(error); }));
  }

  void on_read(const error_code& error) {
    if (error == bhttp::error::body_limit || error == bhttp::error::header_limit ||
        error == bhttp::error::buffer_overflow) {
      Answer answer;
      answer.status = error == bhttp::error::body_limit ? 413 : 431;
      answer.body = "{\"error\":\"invalid_request\",\"error_description\":\"the request is too large\"}\n";
      return reply(answer, After::Linger);
    }
    if (error) return close();
    const auto& request = parser_->get();
    Ask ask;
    ask.method = text(request.method_string());
    ask.target = text(request.target());
    ask.content_type = text(request[bhttp::field::content_type]);
    ask.authorization = text(request[bhttp::field::authorization]);
    ask.if_none_match = text(request[bhttp::field::if_none_match]);
    ask.body = request.body();
    const Answer answer = handler_(ask);
    switch (answer.manner) {
      case Answer::Manner::Whole:
        return reply(answer, request.keep_alive() ? After::Read : After::Close);
      case Answer::Manner::Hang:
        lowest().close();
        return;
      case Answer::Manner::Drip:
        return begin(fmt::format("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", 10'000), [this] { drip(); });
      case Answer::Manner::Flood:
        return begin(fmt::format("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", kFloodBytes), [this] {
          out_.assign(64 * 1024, ' ');
          flood(0);
        });
    }
  }

  void reply(const Answer& answer, After after) {
    bhttp::response<bhttp::string_body> response(static_cast<bhttp::status>(answer.status), 11);
    response.set(bhttp::field::content_type, answer.content_type);
    response.set(bhttp::field::server, "meshauthctl dev-idp");
    response.set(bhttp::field::cache_control, "no-cache");
    if (!answer.etag.empty()) response.set(bhttp::field::etag, answer.etag);
    if (!answer.allow.empty()) response.set(bhttp::field::allow, answer.allow);
    response.keep_alive(after == After::Read);
    response.body() = answer.body;
    response.prepare_payload();
    out_ = net::to_bytes(response);
    write([self = shared_from_this(), after](const error_code& error, std::size_t) {
      if (error) return;
      if (after == After::Read) return self->read();
      if (after == After::Close) return self->close();
      self->out_.resize(kLingerPiece);
      self->linger(0);
    });
  }

  /// A connection that is closed with unread bytes is reset, and the client may never see the answer: so what it still
  /// sends is read for a while.
  void linger(std::size_t seen) {
    if (seen > kMaxLinger) return close();
    lowest().expires_after(kLingerPatience);
    stream_.async_read_some(asio::buffer(out_),
                            Then([self = shared_from_this(), seen](const error_code& error, std::size_t n) {
                              if (error) return self->close();
                              self->linger(seen + n);
                            }));
  }

  void close() {
    lowest().expires_after(kPatience);
    stream_.async_shutdown([self = shared_from_this()](const error_code&) {});
  }

  /// Writes a head by hand, since what follows is meant to be wrong.
  void begin(std::string head, std::function<void()> then) {
    out_ = std::move(head);
    write([self = shared_from_this(), then = std::move(then)](const error_code& error, std::size_t) {
      if (!error) then();
    });
  }

  /// All of out_.
  void write(Then then) {
    lowest().expires_after(kPatience);
    asio::async_write(stream_, asio::buffer(out_), std::move(then));
  }

  void drip() {
    out_ = " ";
    timer_.expires_after(kDrip);
    timer_.async_wait([self = shared_from_this()](const error_code& error) {
      if (error) return;
      self->begin(" ", [session = self.get()] { session->drip(); });
    });
  }

  void flood(std::size_t sent) {
    if (sent >= kFloodBytes) return close();
    write([self = shared_from_this(), sent](const error_code& error, std::size_t count) {
      if (!error) self->flood(sent + count);
    });
  }

  beast::ssl_stream<beast::tcp_stream> stream_;
  asio::steady_timer timer_;
  const HttpsServer::Handler& handler_;
  int& count_;
  beast::flat_buffer buffer_{kMaxHeader + 4096};
  std::optional<bhttp::request_parser<bhttp::string_body>> parser_;
  std::string out_;
};

Status use(asio::ssl::context& tls, const http::Credentials& credentials) {
  error_code error;
  tls.use_certificate_chain(asio::buffer(credentials.certificate), error);
  if (!error) tls.use_private_key(asio::buffer(credentials.key), asio::ssl::context::pem, error);
  SSL_CTX_set_min_proto_version(tls.native_handle(), TLS1_2_VERSION);
  if (error) return fail("the server's certificate cannot be used: {}", error.message());
  return {};
}

}  // namespace

Result<ListenAddress> ListenAddress::parse(std::string_view text) {
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos) return fail("{} has no port; write ADDRESS:PORT", in_quotes(text));
  ListenAddress address;
  std::string_view host = text.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  if (host == "localhost") host = "127.0.0.1";
  if (!host.empty()) address.host = host;
  if (!IpAddress::parse(address.host)) return fail("{} is no IP address to listen on", in_quotes(host));
  const std::string_view digits = text.substr(colon + 1);
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), address.port);
  if (error != std::errc() || end != digits.data() + digits.size())
    return fail("{} is no port; 0 to 65535, 0 for any free one", in_quotes(digits));
  return address;
}

struct HttpsServer::Impl {
  // Before the context, whose end takes the sessions with it.
  asio::ssl::context tls{asio::ssl::context::tls_server};
  Handler handler;
  int connections = 0;
  asio::io_context context{1};
  asio::ip::tcp::acceptor acceptor{context};

  void accept() {
    acceptor.async_accept([this](const error_code& error, asio::ip::tcp::socket socket) {
      if (error == asio::error::operation_aborted) return;
      // Beyond the limit a connection is closed at once: a development server owes nobody a queue.
      if (!error && connections < kMaxConnections)
        std::make_shared<Session>(std::move(socket), tls, handler, connections)->start();
      accept();
    });
  }
};

HttpsServer::HttpsServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
HttpsServer::~HttpsServer() = default;

Result<std::unique_ptr<HttpsServer>> HttpsServer::bind(const ListenAddress& address) {
  auto impl = std::make_unique<Impl>();
  const asio::ip::tcp::endpoint endpoint(asio::ip::make_address(address.host), address.port);
  error_code error;
  impl->acceptor.open(endpoint.protocol(), error);
  if (!error) impl->acceptor.set_option(asio::socket_base::reuse_address(true), error);
  if (!error) impl->acceptor.bind(endpoint, error);
  if (!error) impl->acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (error) return fail("cannot listen on {} port {}: {}", address.host, address.port, error.message());
  return std::unique_ptr<HttpsServer>(new HttpsServer(std::move(impl)));
}

std::uint16_t HttpsServer::port() const {
  return impl_->acceptor.local_endpoint().port();
}

Status HttpsServer::run(const http::Credentials& credentials, Handler handler, bool until_signal) {
  if (Status used = use(impl_->tls, credentials); !used) return used;
  impl_->handler = std::move(handler);
  impl_->accept();
  asio::signal_set signals(impl_->context);
  if (until_signal) {
    signals.add(SIGINT);
    signals.add(SIGTERM);
    signals.async_wait([this](const error_code& error, int) {
      if (!error) impl_->context.stop();
    });
  }
  impl_->context.run();
  return {};
}

void HttpsServer::stop() {
  impl_->context.stop();
}

}  // namespace meshauth::dev_idp
