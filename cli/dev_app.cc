// `meshauthctl dev-app`: something to put behind a sidecar while trying things out.
#include <cpprest/http_listener.h>
#include <csignal>
#include <iostream>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/commands.h"
#include "core/base/text.h"

namespace meshauth::cli {
namespace {

using nlohmann::json;
using web::http::experimental::listener::http_listener;

constexpr std::size_t kMostHeaders = 64;

/// What arrived, but for what could let its reader in elsewhere.
json seen(const web::http::http_request& request) {
  json headers = json::object();
  for (const auto& [name, value] : request.headers()) {
    const std::string lower = to_lower(name);
    if (headers.size() < kMostHeaders)
      headers[lower] = lower == "authorization" || lower == "cookie" ? "(not shown)" : value;
  }
  return {{"from", "meshauthctl dev-app"},
          {"method", request.method()},
          {"path", request.relative_uri().to_string()},
          {"headers", std::move(headers)}};
}

int dev_app(const std::string& listen, Streams& io) {
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGINT);
  sigaddset(&ends, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &ends, nullptr);  // before the listener's threads, which inherit it
  try {
    http_listener listener("http://" + listen + "/");
    listener.support([](const web::http::http_request& request) {
      // Beyond ASCII what came may be no UTF-8.
      const auto text = seen(request).dump(-1, ' ', true, json::error_handler_t::replace) + "\n";
      request.reply(web::http::status_codes::OK, text, "application/json");
    });
    listener.open().wait();
    io.out << "FOR DEVELOPMENT: answers every request on " << listen << " with what it received" << std::endl;
    int number = 0;
    sigwait(&ends, &number);
    listener.close().wait();
  } catch (const std::exception& error) {
    io.err << "--listen " << in_quotes(listen) << ": " << error.what()
           << "; ADDRESS:PORT of this machine would be right\n";
    return kFailed;
  }
  return kOk;
}

}  // namespace

void add_dev_app(Program& program) {
  auto listen = std::make_shared<std::string>("127.0.0.1:8080");
  Command command = program.command("dev-app", "a development application: answers with what it received");
  command.option("--listen", *listen, "ADDRESS:PORT to serve HTTP on").with_default();
  command.on([listen](Streams& io) { return dev_app(*listen, io); });
}

}  // namespace meshauth::cli
