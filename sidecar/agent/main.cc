#include <cstdio>

#include "operator/log/log.h"
#include "sidecar/agent/agent.h"
#include "sidecar/agent/drain.h"
#include "sidecar/agent/options.h"

namespace {

int drain(const std::string& file) {
  const auto told = meshauth::agent::ask_to_drain(file);
  if (told) return 0;
  std::fprintf(stderr, "%s\n", told.error().message.c_str());
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  using namespace meshauth;
  const auto usage = agent::parse_options(argc, argv);
  if (!usage.drain.empty()) return drain(usage.drain);
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
