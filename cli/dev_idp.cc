#include "cli/dev_idp/dev_idp.h"

#include <memory>

#include "cli/command.h"
#include "cli/commands.h"

namespace meshauth::cli {

void add_dev_idp(Program& program) {
  auto options = std::make_shared<dev_idp::DevIdpOptions>();
  Command command = program.command("dev-idp", "a development identity provider: signs any claims for anybody");
  command.option("--listen", options->listen, "ADDRESS:PORT to serve HTTPS on; port 0: any free one").required();
  command.option("--issuer", options->issuer, "what tokens and discovery say; default: https://ADDRESS:PORT");
  command.option("--state", options->state,
                 "folder for ca.pem and the keys, made if missing and used again; default: in memory");
  command.on([options](Streams& io) { return dev_idp::dev_idp(*options, io.out, io.err); });
}

}  // namespace meshauth::cli
