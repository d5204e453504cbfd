#include <cstdio>

#include "operator/log/log.h"
#include "sidecar/agent/agent.h"
#include "sidecar/agent/options.h"

int main(int argc, char** argv) {
  using namespace meshauth;
  const auto usage = agent::parse_options(argc, argv);
  if (!usage.options) {
    std::fputs(usage.text.c_str(), usage.exit_code == 0 ? stdout : stderr);
    return usage.exit_code;
  }
  log::init(usage.options->log_format, usage.options->log_level);
  const auto made = agent::Agent::create(*usage.options);
  if (!made) {
    log::error("the agent cannot start", {{"error", made.error()}});
    return 1;
  }
  return (*made)->run();
}
