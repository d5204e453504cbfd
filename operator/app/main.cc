#include <csignal>

#include "operator/app/cluster.h"
#include "operator/app/options.h"
#include "operator/app/removal.h"
#include "operator/app/signals.h"
#include "operator/app/standalone.h"

int main(int argc, char** argv) {
  using namespace meshauth;
  int exit_code = 0;
  const auto options = app::parse_options(argc, argv, exit_code);
  if (!options) return exit_code;
  log::init(options->log_format, options->log_level);
  const app::Signals signals;  // before the first thread: all of them inherit the mask
  const auto run = options->standalone()     ? app::run_standalone
                   : options->remove_records ? app::remove_records
                                             : app::run_in_cluster;
  const Status ended = run(*options, signals.stop());
  if (ended) return 0;
  log::error("operator stops", {{"error", ended.error()}});
  return 1;
}
