// `meshauthctl dev-app`: something to put behind a sidecar while trying things out.
#include <csignal>
#include <iostream>

#include "cli/command.h"
#include "cli/commands.h"
#include "operator/http/echo.h"

namespace meshauth::cli {
namespace {

int dev_app(const std::string& listen, Streams& io) {
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGINT);
  sigaddset(&ends, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &ends, nullptr);  // before the server's threads, which inherit it
  const auto listening = [&] {
    io.out << "FOR DEVELOPMENT: answers every request on " << listen << " with what it received" << std::endl;
  };
  const auto wait = [&] {
    int number = 0;
    sigwait(&ends, &number);
  };
  const auto served = http::serve_echo(listen, listening, wait);
  if (served) return kOk;
  io.err << "--listen " << served.error().message << "\n";
  return kFailed;
}

}  // namespace

void add_dev_app(Program& program) {
  auto listen = std::make_shared<std::string>("127.0.0.1:8080");
  Command command = program.command("dev-app", "a development application: answers with what it received");
  command.option("--listen", *listen, "ADDRESS:PORT to serve HTTP on").with_default();
  command.on([listen](Streams& io) { return dev_app(*listen, io); });
}

}  // namespace meshauth::cli
