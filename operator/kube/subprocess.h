// Runs one program to its end, bounded in time and output.
#pragma once

#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "core/base/result.h"

namespace meshauth::kube {

struct Command {
  std::string program;  ///< looked up in PATH if it has no slash
  std::vector<std::string> arguments{};
  std::vector<std::pair<std::string, std::string>> environment{};  ///< beside our own
  std::chrono::milliseconds deadline{60'000};
  std::size_t max_output = std::size_t{1} << 20;
};

struct Finished {
  int exit_code = 0;  ///< 128 + signal if a signal ended it
  std::string out;
};

/// Standard input is empty, standard error is ours. At the deadline, or over max_output, its process group is killed,
/// which is an error, as is a program that cannot be started.
Result<Finished> run_command(const Command& command);

}  // namespace meshauth::kube
