#include "operator/http/listener.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <charconv>
#include <map>
#include <optional>
#include <thread>

#include "core/base/text.h"

// On Beast and not on cpprest's listener, which bounds neither headers nor connections nor time.

namespace meshauth::http {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
using asio::ip::tcp;

struct Endpoint {
  std::string host;
  std::uint16_t port;
};

Result<Endpoint> parse_address(const std::string& text) {
  const std::size_t colon = text.rfind(':');
  Endpoint endpoint{colon == std::string::npos ? "" : text.substr(0, colon), 0};
  const char* const end = text.data() + text.size();
  const char* const start = colon == std::string::npos ? end : text.data() + colon + 1;
  const auto [stop, problem] = std::from_chars(start, end, endpoint.port);
  if (problem != std::errc() || stop != end) {
    return fail("{} is no address to listen on; it should be HOST:PORT or :PORT", in_quotes(text));
  }
  if (endpoint.host.starts_with('[') && endpoint.host.ends_with(']')) {
    endpoint.host = endpoint.host.substr(1, endpoint.host.size() - 2);
  }
  return endpoint;
}

// What all connections share; of the listener's thread alone once it runs.
struct Shared {
  ListenerOptions options;
  std::map<std::string, Listener::Handler, std::less<>> handlers;
  std::size_t connections = 0;
};

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(tcp::socket socket, std::shared_ptr<Shared> shared)
      : stream_(std::move(socket)), shared_(std::move(shared)) {
    ++shared_->connections;
  }
  ~Connection() { --shared_->connections; }

  void read() {
    parser_.emplace();
    parser_->header_limit(static_cast<std::uint32_t>(shared_->options.max_header_bytes));
    parser_->body_limit(0);
    stream_.expires_after(shared_->options.request_deadline);
    beast::http::async_read(stream_, buffer_, *parser_,
                            [self = shared_from_this()](beast::error_code error, std::size_t) {
                              if (error == beast::http::error::end_of_stream) return self->close();
                              if (error == beast::http::error::body_limit)
                                return self->write({400, "text/plain", "no bodies, please\n"}, false);
                              if (error == beast::http::error::header_limit)
                                return self->write({431, "text/plain", "too long\n"}, false);
                              if (error) return;
                              self->write(self->answer(), self->parser_->get().keep_alive());
                            });
  }

 private:
  Answer answer() const {
    const auto& request = parser_->get();
    const bool get = request.method() == beast::http::verb::get || request.method() == beast::http::verb::head;
    if (!get) return {405, "text/plain", "GET only\n"};
    const auto target = request.target();
    const std::string_view path(target.data(), std::min(target.find('?'), target.size()));
    const auto found = shared_->handlers.find(path);
    if (found == shared_->handlers.end()) return {404, "text/plain", "not found\n"};
    try {
      return found->second();
    } catch (const std::exception&) {
      return {500, "text/plain", "internal error\n"};
    }
  }

  void write(const Answer& answer, bool keep_alive) {
    // By hand: Beast's serializer costs seconds of compile time for what are five lines.
    const auto reason = beast::http::obsolete_reason(static_cast<beast::http::status>(answer.status));
    out_ = fmt::format("HTTP/1.1 {} {}\r\nContent-Type: {}\r\n{}Content-Length: {}\r\n{}\r\n", answer.status,
                       std::string_view(reason.data(), reason.size()), answer.content_type,
                       answer.status == 405 ? "Allow: GET, HEAD\r\n" : "", answer.body.size(),
                       keep_alive ? "" : "Connection: close\r\n");
    if (parser_->get().method() != beast::http::verb::head) out_ += answer.body;
    stream_.expires_after(shared_->options.request_deadline);
    asio::async_write(stream_, asio::buffer(out_),
                      [self = shared_from_this(), keep_alive](beast::error_code error, std::size_t) {
                        if (error) return;
                        if (keep_alive) return self->read();
                        self->close();
                      });
  }

  void close() {
    beast::error_code ignored;
    stream_.socket().shutdown(tcp::socket::shutdown_send, ignored);
  }

  beast::tcp_stream stream_;
  std::shared_ptr<Shared> shared_;
  beast::flat_buffer buffer_;
  std::optional<beast::http::request_parser<beast::http::empty_body>> parser_;
  std::string out_;
};

class BeastListener : public Listener {
 public:
  explicit BeastListener(ListenerOptions options) : acceptor_(context_) { shared_->options = std::move(options); }

  ~BeastListener() override {
    context_.stop();
    if (thread_.joinable()) thread_.join();
  }

  Status bind(const Endpoint& endpoint) {
    try {
      const auto address = endpoint.host.empty()
                               ? tcp::endpoint(tcp::v6(), endpoint.port)
                               : *tcp::resolver(context_).resolve(endpoint.host, std::to_string(endpoint.port));
      open_at(address);
    } catch (const boost::system::system_error& error) {
      // A machine without IPv6.
      if (!endpoint.host.empty() || error.code() != boost::system::errc::address_family_not_supported) {
        return fail("cannot listen on {}: {}", in_quotes(shared_->options.address), error.code().message());
      }
      return bind({"0.0.0.0", endpoint.port});
    }
    return {};
  }

  void handle(std::string path, Handler handler) override { shared_->handlers[std::move(path)] = std::move(handler); }
  int port() const override { return port_; }

  void start() override {
    accept();
    thread_ = std::thread([this] { context_.run(); });
  }

 private:
  void open_at(const tcp::endpoint& endpoint) {
    acceptor_.open(endpoint.protocol());
    acceptor_.set_option(asio::socket_base::reuse_address(true));
    if (endpoint.protocol() == tcp::v6()) acceptor_.set_option(asio::ip::v6_only(false));
    acceptor_.bind(endpoint);
    acceptor_.listen();
    port_ = acceptor_.local_endpoint().port();
  }

  void accept() {
    acceptor_.async_accept([this](beast::error_code error, tcp::socket socket) {
      if (error == asio::error::operation_aborted) return;
      if (!error && shared_->connections < shared_->options.max_connections) {
        std::make_shared<Connection>(std::move(socket), shared_)->read();
      }
      accept();
    });
  }

  asio::io_context context_{1};
  std::shared_ptr<Shared> shared_ = std::make_shared<Shared>();
  tcp::acceptor acceptor_;
  int port_ = 0;
  std::thread thread_;
};

}  // namespace

Result<std::unique_ptr<Listener>> Listener::open(ListenerOptions options) {
  const auto endpoint = parse_address(options.address);
  if (!endpoint) return tl::unexpected(endpoint.error());
  auto listener = std::make_unique<BeastListener>(std::move(options));
  if (auto bound = listener->bind(*endpoint); !bound) return tl::unexpected(bound.error());
  return listener;
}

}  // namespace meshauth::http
