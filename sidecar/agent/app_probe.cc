#include "sidecar/agent/app_probe.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/base/text.h"
#include "operator/asio/message.h"

namespace meshauth::agent {
namespace {

using net::error_code;
using net::into;
using nlohmann::json;

constexpr std::size_t kMostBytes = 16 * 1024;  // of one flag
constexpr std::size_t kMostHeaders = 64;
constexpr std::size_t kMostAnswerHeader = 32 * 1024;
constexpr std::int64_t kLongestTimeout = 300;

Result<std::int64_t> number_at(const json& object, const char* name, std::int64_t otherwise, std::int64_t most) {
  const auto at = object.find(name);
  if (at == object.end()) return otherwise;
  if (!at->is_number_integer() || *at < 1 || *at > most) {
    return fail("{} is {}; a number from 1 to {} would be right", name, in_quotes(at->dump()), most);
  }
  return at->get<std::int64_t>();
}

bool is_visible(std::string_view text, bool blanks) {
  return std::all_of(text.begin(), text.end(), [blanks](unsigned char c) {
    return (c > 0x20 && c != 0x7f) || (blanks && (c == ' ' || c == '\t'));
  });
}

bool is_header_name(std::string_view text) {
  constexpr std::string_view kAllowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!#$%&'*+-.^_`|~";
  return !text.empty() && text.find_first_not_of(kAllowed) == std::string_view::npos;
}

std::string string_at(const json& object, const char* name) {
  const auto at = object.is_object() ? object.find(name) : object.end();
  return object.is_object() && at != object.end() && at->is_string() ? at->get<std::string>() : "";
}

Status read_http(const json& get, AppProbe& probe) {
  if (const auto path = string_at(get, "path"); !path.empty()) probe.path = path;
  if (!probe.path.starts_with('/')) probe.path.insert(0, "/");
  if (!is_visible(probe.path, false)) return fail("path holds blanks or control characters");
  const auto headers = get.find("httpHeaders");
  if (headers == get.end()) return {};
  if (!headers->is_array() || headers->size() > kMostHeaders)
    return fail("httpHeaders: a list of at most {} would be right", kMostHeaders);
  for (const json& header : *headers) {
    auto name = string_at(header, "name"), value = string_at(header, "value");
    if (!is_header_name(name) || !is_visible(value, true)) return fail("httpHeaders: {} is no header", in_quotes(name));
    probe.headers.emplace_back(std::move(name), std::move(value));
  }
  return {};
}

Status read_action(const json& asked, AppProbe& probe) {
  const auto get = asked.find("httpGet"), socket = asked.find("tcpSocket");
  probe.http = get != asked.end();
  const auto& action = probe.http ? get : socket;
  if (action == asked.end() || !action->is_object()) return fail("there is neither httpGet nor tcpSocket in it");
  const auto port = number_at(*action, "port", 0, 65535);
  if (!port) return tl::unexpected(port.error());
  if (*port == 0) return fail("port is missing");
  probe.port = static_cast<std::uint16_t>(*port);
  const auto timeout = number_at(asked, "timeoutSeconds", 1, kLongestTimeout);
  if (!timeout) return tl::unexpected(timeout.error());
  probe.timeout = std::chrono::seconds(*timeout);
  return probe.http ? read_http(*action, probe) : Status();
}

std::string request_of(const AppProbe& probe) {
  net::http::request<net::http::string_body> request(net::http::verb::get, probe.path, 11);
  request.set(net::http::field::host, fmt::format("127.0.0.1:{}", probe.port));
  request.set(net::http::field::user_agent, "kube-probe/mesh-auth");
  request.set(net::http::field::accept, "*/*");
  for (const auto& [name, value] : probe.headers) request.set(name, value);
  request.set(net::http::field::connection, "close");
  return net::to_bytes(request);
}

HealthAnswer unanswered(const error_code& error) {
  return {503, fmt::format("the application did not answer: {}\n", error.message()), false};
}

}  // namespace

Result<AppProbe> parse_app_probe(std::string_view text) {
  const auto wrong = [text](std::string_view why) {
    return fail("--probe is {}: {}; CONTAINER/KIND={{\"httpGet\": {{\"port\": 8080, \"path\": \"/\"}}}} would be right",
                in_quotes(text), why);
  };
  const auto equals = text.find('=');
  if (equals == std::string_view::npos || text.size() > kMostBytes) return wrong("too long, or without a =");
  AppProbe probe;
  probe.name = text.substr(0, equals);
  constexpr std::string_view kName = "abcdefghijklmnopqrstuvwxyz0123456789-/";
  if (std::count(probe.name.begin(), probe.name.end(), '/') != 1 ||
      probe.name.find_first_not_of(kName) != std::string::npos)
    return wrong("the name is not CONTAINER/KIND");
  const json asked = json::parse(text.substr(equals + 1), nullptr, false);
  if (!asked.is_object()) return wrong("no JSON object stands behind the =");
  if (const auto read = read_action(asked, probe); !read) return wrong(read.error().message);
  return probe;
}

net::Task<HealthAnswer> ask_application(const AppProbe& probe) {
  net::beast::tcp_stream stream(co_await net::asio::this_coro::executor);
  error_code error;
  stream.expires_after(probe.timeout);
  co_await stream.async_connect(net::tcp::endpoint(net::asio::ip::address_v4::loopback(), probe.port), into(error));
  if (error) co_return unanswered(error);
  if (!probe.http) co_return HealthAnswer{200, "ok\n", false};
  const std::string request = request_of(probe);
  co_await net::asio::async_write(stream, net::asio::buffer(request), into(error));
  if (error) co_return unanswered(error);
  net::beast::flat_buffer buffer(2 * kMostAnswerHeader);
  net::http::response_parser<net::http::empty_body> parser;
  parser.header_limit(kMostAnswerHeader);
  co_await net::http::async_read_header(stream, buffer, parser, into(error));
  if (error) co_return unanswered(error);
  const unsigned status = parser.get().result_int();
  if (status >= 200 && status < 400) co_return HealthAnswer{200, "ok\n", false};
  co_return HealthAnswer{status < 400 ? 503 : status, fmt::format("the application answered {}\n", status), false};
}

}  // namespace meshauth::agent
