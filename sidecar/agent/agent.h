// The agent: the stream or the mounted folder on one side, nginx and its workers on the other.
#pragma once

#include <memory>

#include "core/base/result.h"
#include "sidecar/agent/options.h"

namespace meshauth::agent {

class Agent {
 public:
  /// Errors: what keeps it from ever working, in words for who wrote the command line.
  static Result<std::unique_ptr<Agent>> create(Options options);
  ~Agent();

  /// Until SIGTERM, SIGQUIT (both let requests end) or SIGINT. The exit code.
  int run();

 private:
  class Impl;
  explicit Agent(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace meshauth::agent
