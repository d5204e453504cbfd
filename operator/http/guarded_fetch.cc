#include "operator/http/guarded_fetch.h"

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl/ssl_stream.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>

#include "core/base/text.h"
#include "operator/http/address_guard.h"
#include "operator/http/deadline_io.h"
#include "operator/http/resolver.h"
#include "operator/http/tls_client.h"

namespace meshauth::http {
namespace {

namespace asio = boost::asio;
namespace bhttp = boost::beast::http;
using boost::system::error_code;
using std::chrono::steady_clock;
using Parser = bhttp::response_parser<bhttp::string_body>;
using Socket = asio::ip::tcp::socket;
using Outcome = tl::expected<void, FetchError>;

constexpr int kMaxRedirects = 3;
constexpr std::size_t kMaxAddresses = 8;
constexpr std::size_t kMaxEntityTag = 1024;
constexpr std::chrono::seconds kConnectPatience{3};  // per address, so that a dead one leaves time for the next

template <class... Args>
tl::unexpected<FetchError> refuse(FetchFault fault, fmt::format_string<Args...> format, Args&&... args) {
  return tl::unexpected(FetchError{fault, fmt::format(format, std::forward<Args>(args)...)});
}

tl::unexpected<FetchError> cut_short(const DeadlineIo& io, std::string_view doing, const Url& url) {
  if (io.stopped()) return refuse(FetchFault::Cancelled, "cancelled while {} {}", doing, url.authority());
  return refuse(FetchFault::TimedOut, "the deadline was over while {} {}", doing, url.authority());
}

std::string_view field(const Parser& parser, bhttp::field name) {
  const auto value = parser.get()[name];
  return {value.data(), value.size()};
}

// ---- resolve, check, connect -----------------------------------------------------------------------------------

tl::expected<std::vector<IpAddress>, FetchError> find_addresses(const Url& url, const FetchGuard& guard,
                                                                const DeadlineIo& io) {
  std::vector<IpAddress> found;
  if (const auto literal = IpAddress::parse(url.host)) {
    found.push_back(*literal);
  } else {
    Resolution resolution = resolve_until(url.host, guard.resolve, io.deadline(), io.stop());
    if (resolution.end != ResolveEnd::Done) return cut_short(io, "resolving", url);
    if (!resolution.addresses) return refuse(FetchFault::ResolveFailed, "{}", resolution.addresses.error().message);
    found = std::move(*resolution.addresses);
  }
  std::vector<IpAddress> allowed;
  std::string refusals;
  for (const IpAddress& address : found) {
    const std::string_view why = why_refused(address, guard.allow_loopback);
    if (why.empty()) {
      if (allowed.size() < kMaxAddresses) allowed.push_back(address);
    } else if (refusals.size() < 512) {
      refusals += fmt::format("{}{} is {}", refusals.empty() ? "" : ", ", address.text(), why);
    }
  }
  if (!allowed.empty()) return allowed;
  if (refusals.empty()) return refuse(FetchFault::ResolveFailed, "{} has no address", url.host);
  return refuse(FetchFault::AddressRefused, "{} must not be asked: {}", url.authority(), refusals);
}

asio::ip::tcp::endpoint to_endpoint(const IpAddress& address, std::uint16_t port) {
  if (!address.is_v4()) return {asio::ip::address_v6(address.bytes), port};
  asio::ip::address_v4::bytes_type bytes;
  std::copy_n(address.bytes.begin() + 12, bytes.size(), bytes.begin());
  return {asio::ip::address_v4(bytes), port};
}

Outcome connect(Socket& socket, const Url& url, const std::vector<IpAddress>& addresses, DeadlineIo& io) {
  std::string tried;
  for (const IpAddress& address : addresses) {
    error_code ignored;
    socket.close(ignored);
    const error_code error =
        io.run([&](DeadlineIo::Handler handler) { socket.async_connect(to_endpoint(address, url.port), handler); },
               [&] { socket.close(ignored); }, std::min(io.deadline(), steady_clock::now() + kConnectPatience));
    if (!error) return {};
    if (io.stopped() || io.expired()) return cut_short(io, "connecting to", url);
    tried += fmt::format("{}{}: {}", tried.empty() ? "" : ", ", address.text(),
                         error == asio::error::timed_out ? "no answer" : error.message());
  }
  return refuse(FetchFault::ConnectFailed, "cannot connect to {} ({})", url.authority(), tried);
}

// ---- the answer ------------------------------------------------------------------------------------------------

/// no-store and no-cache are an age of 0; directives are case-insensitive (RFC 9111 section 5.2).
std::optional<std::chrono::seconds> read_max_age(std::string_view cache_control) {
  std::optional<std::chrono::seconds> age;
  for (std::string_view part : split(cache_control, ',')) {
    part.remove_prefix(std::min(part.find_first_not_of(" \t"), part.size()));
    part = part.substr(0, part.find_last_not_of(" \t") + 1);
    const std::string directive = to_lower(part);
    if (directive == "no-store" || directive == "no-cache") return std::chrono::seconds(0);
    if (!directive.starts_with("max-age=")) continue;
    std::uint32_t seconds = 0;
    const char* last = directive.data() + directive.size();
    const auto [end, error] = std::from_chars(directive.data() + 8, last, seconds);
    if (error == std::errc() && end == last) age = std::chrono::seconds(seconds);
  }
  return age;
}

tl::unexpected<FetchError> read_failed(const error_code& error, const FetchRequest& request, const Url& url,
                                       const DeadlineIo& io) {
  if (io.stopped() || io.expired()) return cut_short(io, "reading the answer of", url);
  if (error == bhttp::error::body_limit)
    return refuse(FetchFault::BodyTooLarge, "the answer of {} is larger than {} bytes", url.text(), request.max_body);
  if (error == bhttp::error::header_limit || error == bhttp::error::buffer_overflow)
    return refuse(FetchFault::HeaderTooLarge, "the header of the answer of {} is larger than {} bytes", url.text(),
                  request.max_header);
  if (error == bhttp::error::end_of_stream || error == bhttp::error::partial_message ||
      error.category() != make_error_code(bhttp::error::bad_version).category())
    return refuse(FetchFault::ConnectionLost, "{} ended the connection before its answer was whole ({})",
                  url.authority(), error.message());
  return refuse(FetchFault::ResponseInvalid, "{} did not answer in HTTP/1.1 ({})", url.authority(), error.message());
}

std::string make_request(const FetchRequest& request, const Url& url) {
  std::string message = fmt::format(
      "GET {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: nginx-mesh-auth/{}\r\nAccept: application/json\r\n"
      "Accept-Encoding: identity\r\nConnection: close\r\n",
      url.target, url.authority(), MESH_AUTH_VERSION);
  // A tag may come back from a ConfigMap that a hand was on: one that could end the header early is not sent, which
  // costs a whole answer instead of a 304.
  const std::string& tag = request.if_none_match;
  const bool clean = std::all_of(tag.begin(), tag.end(), [](unsigned char c) { return c > 0x20 && c != 0x7f; });
  if (!tag.empty() && tag.size() <= kMaxEntityTag && clean) message += fmt::format("If-None-Match: {}\r\n", tag);
  return message + "\r\n";
}

template <class Stream>
Outcome exchange(Stream& stream, const FetchRequest& request, const Url& url, Parser& parser, DeadlineIo& io) {
  const auto cancel = [&] {
    error_code ignored;
    boost::beast::get_lowest_layer(stream).close(ignored);
  };
  const std::string message = make_request(request, url);
  if (io.run([&](DeadlineIo::Handler handler) { asio::async_write(stream, asio::buffer(message), handler); }, cancel)) {
    // A server may answer, say with 400, before it has read all: what it said is worth more than the failed write.
    if (io.stopped() || io.expired()) return cut_short(io, "asking", url);
  }
  boost::beast::flat_buffer buffer(request.max_header + 4096);
  parser.header_limit(static_cast<std::uint32_t>(request.max_header));
  // Set anew below: an error page of any size is a status, not a body too large. (boost::none refuses all in 1.74.)
  parser.body_limit(std::numeric_limits<std::uint64_t>::max());
  if (const error_code error = io.run(
          [&](DeadlineIo::Handler handler) { bhttp::async_read_header(stream, buffer, parser, handler); }, cancel))
    return read_failed(error, request, url, io);
  if (parser.get().result_int() != 200) return {};

  if (const auto coding = field(parser, bhttp::field::content_encoding);
      !coding.empty() && !iequals(coding, "identity"))
    return refuse(FetchFault::EncodingRefused, "{} answered with content coding {}; none was asked for", url.text(),
                  in_quotes(coding));
  if (parser.content_length().value_or(0) > request.max_body)
    return read_failed(bhttp::error::body_limit, request, url, io);
  parser.body_limit(request.max_body);
  if (const error_code error =
          io.run([&](DeadlineIo::Handler handler) { bhttp::async_read(stream, buffer, parser, handler); }, cancel))
    return read_failed(error, request, url, io);
  return {};
}

Outcome ask(const FetchRequest& request, const Url& url, const FetchGuard& guard, asio::ssl::context& tls,
            Parser& parser, DeadlineIo& io) {
  const auto addresses = find_addresses(url, guard, io);
  if (!addresses) return tl::unexpected(addresses.error());
  Socket socket(io.context());
  if (Outcome connected = connect(socket, url, *addresses, io); !connected) return connected;
  if (!url.https) return exchange(socket, request, url, parser, io);

  boost::beast::ssl_stream<Socket> stream(std::move(socket), tls);
  if (const Status expected = expect_server(stream.native_handle(), url); !expected)
    return refuse(FetchFault::UrlInvalid, "{}", expected.error().message);
  const error_code error =
      io.run([&](DeadlineIo::Handler handler) { stream.async_handshake(asio::ssl::stream_base::client, handler); },
             [&] {
               error_code ignored;
               stream.next_layer().close(ignored);
             });
  if (error) {
    if (io.stopped() || io.expired()) return cut_short(io, "the TLS handshake with", url);
    const std::string fault = certificate_fault(stream.native_handle(), url, !request.ca_bundle.empty());
    if (!fault.empty())
      return refuse(FetchFault::CertificateRefused, "the certificate of {} is refused: {}", url.authority(), fault);
    return refuse(FetchFault::TlsFailed, "the TLS handshake with {} failed: {}", url.authority(), error.message());
  }
  return exchange(stream, request, url, parser, io);
}

bool is_redirect(unsigned status) {
  constexpr std::array<unsigned, 5> kRedirects = {301, 302, 303, 307, 308};
  return std::find(kRedirects.begin(), kRedirects.end(), status) != kRedirects.end();
}

FetchResponse to_response(Parser&& parser) {
  FetchResponse response;
  response.status = static_cast<int>(parser.get().result_int());
  response.etag = field(parser, bhttp::field::etag);
  response.content_type = field(parser, bhttp::field::content_type);
  response.max_age = read_max_age(field(parser, bhttp::field::cache_control));
  response.body = std::move(parser.get().body());
  return response;
}

tl::expected<FetchResponse, FetchError> fetch(const FetchRequest& request, const FetchGuard& guard,
                                              const std::stop_token& stop) {
  DeadlineIo io(stop, steady_clock::now() + request.deadline);
  auto url = Url::parse(request.url);
  if (!url) return refuse(FetchFault::UrlInvalid, "{}", url.error().message);
  if (!url->https && !guard.allow_http)
    return refuse(FetchFault::HttpRefused, "{} is not https", in_quotes(request.url, 256));
  asio::ssl::context tls(asio::ssl::context::tls_client);
  if (const Status trust = set_up_client_tls(tls.native_handle(), request.ca_bundle); !trust)
    return refuse(FetchFault::CaInvalid, "{}", trust.error().message);

  for (int redirects = 0;; ++redirects) {
    Parser parser;
    if (const Outcome asked = ask(request, *url, guard, tls, parser, io); !asked) return tl::unexpected(asked.error());
    if (!is_redirect(parser.get().result_int())) return to_response(std::move(parser));

    const auto target = url->resolve(field(parser, bhttp::field::location));
    if (!target)
      return refuse(FetchFault::RedirectRefused, "{} redirects, but {}", url->text(), target.error().message);
    if (!target->same_origin(*url))
      return refuse(FetchFault::RedirectRefused,
                    "{} redirects to {}; only redirects on the same host and port are followed", url->text(),
                    target->text());
    if (redirects == kMaxRedirects)
      return refuse(FetchFault::TooManyRedirects, "{} redirects more than {} times, last to {}", request.url,
                    kMaxRedirects, target->text());
    url = target;
  }
}

}  // namespace

std::string_view fetch_fault_name(FetchFault fault) noexcept {
  switch (fault) {
#define X(name)          \
  case FetchFault::name: \
    return #name;
    MESH_AUTH_FETCH_FAULTS(X)
#undef X
  }
  return "";
}

tl::expected<FetchResponse, FetchError> guarded_fetch(const FetchRequest& request, const FetchGuard& guard,
                                                      const std::stop_token& stop) {
  try {
    return fetch(request, guard, stop);
  } catch (const std::exception& error) {  // what Asio and the standard library throw where the machine has no more
    return refuse(FetchFault::Internal, "fetching {}: {}", in_quotes(request.url, 256), error.what());
  }
}

}  // namespace meshauth::http
