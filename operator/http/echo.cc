#include "operator/http/echo.h"

#include <cpprest/http_listener.h>

#include <nlohmann/json.hpp>

#include "core/base/text.h"

namespace meshauth::http {
namespace {

using nlohmann::json;

constexpr std::size_t kMostHeaders = 64;

json seen(const web::http::http_request& request) {
  json headers = json::object();
  for (const auto& [name, value] : request.headers()) {
    const std::string lower = to_lower(name);
    if (headers.size() >= kMostHeaders) break;
    headers[lower] = lower == "authorization" || lower == "cookie" ? "(not shown)" : value;
  }
  return {{"from", "meshauthctl dev-app"},
          {"method", request.method()},
          {"path", request.relative_uri().to_string()},
          {"headers", std::move(headers)}};
}

}  // namespace

Status serve_echo(const std::string& address, const std::function<void()>& listening,
                  const std::function<void()>& wait) {
  try {
    web::http::experimental::listener::http_listener listener("http://" + address + "/");
    listener.support([](const web::http::http_request& request) {
      // Beyond ASCII what came may be no UTF-8.
      const auto text = seen(request).dump(-1, ' ', true, json::error_handler_t::replace) + "\n";
      request.reply(web::http::status_codes::OK, text, "application/json");
    });
    listener.open().wait();
    listening();
    wait();
    listener.close().wait();
  } catch (const std::exception& error) {
    return fail("{}: {}; ADDRESS:PORT of this machine would be right", in_quotes(address), error.what());
  }
  return {};
}

}  // namespace meshauth::http
