// How a subcommand of meshauthctl is written and registered.
//
// One file per subcommand (cli/token.cc): it offers `void add_token(Program&)`, which declares its options and hands
// over what runs when it is chosen. main.cc calls it: one line. Options live in a shared_ptr that the action holds:
//
//   void add_render(Program& program) {
//     auto options = std::make_shared<RenderOptions>();
//     CLI::App* render = program.command("render", "what the operator would write, offline");
//     render->add_option("-f,--file", options->files, "...")->required();
//     program.on(render, [options](Streams& io) { return run_render(*options, io); });
//   }
#pragma once

#include <CLI/CLI.hpp>

#include <functional>
#include <iosfwd>
#include <string>

#include "core/base/result.h"

namespace meshauth::cli {

// Exit codes that every subcommand shares; 3 is `decide`'s "denied".
constexpr int kOk = 0;
constexpr int kFailed = 1;
constexpr int kUsage = 2;
constexpr int kDenied = 3;

/// Where a subcommand reads and writes: answers to out, everything said about them to err.
struct Streams {
  std::istream& in;
  std::ostream& out;
  std::ostream& err;
};

using Action = std::function<int(Streams&)>;

/// Thrown by an action for wrong usage that the options themselves could not see: printed, exit code 2.
struct UsageError {
  std::string message;
};

class Program {
 public:
  Program();

  /// A new subcommand.
  CLI::App* command(const std::string& name, const std::string& description);

  /// What runs if this subcommand (of any depth) is the one that was chosen.
  void on(CLI::App* command, Action action);

  /// Parses and runs. Wrong usage: a message on err, 2. An exception: its message and `internal` on err, 1.
  int run(int argc, const char* const* argv, Streams& io);

 private:
  CLI::App app_;
  Action chosen_;
};

/// The whole of a file, or of `io.in` for "-". More than `limit` bytes is an error.
Result<std::string> read_input(const std::string& path, std::size_t limit, Streams& io);

/// The clock that --now replaces: unix seconds.
double unix_now();

}  // namespace meshauth::cli
