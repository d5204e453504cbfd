// How a subcommand of meshauthctl is written and registered.
//
// One file per subcommand (cli/token.cc): it offers `void add_token(Program&)`, which declares its options and hands
// over what runs when it is chosen. main.cc calls it: one line. Options live in a shared_ptr that the action holds:
//
//   void add_render(Program& program) {
//     auto options = std::make_shared<RenderOptions>();
//     Command render = program.command("render", "what the operator would write, offline");
//     render.option("-f,--file", options->files, "...").required();
//     render.on([options](Streams& io) { return run_render(*options, io); });
//   }
//
// CLI11 stays in command.cc: each file that includes it is compiled for seconds longer.
#pragma once

#include <cstdint>
#include <functional>
#include <iosfwd>
#include <memory>
#include <string>
#include <vector>

#include "core/base/result.h"

namespace CLI {
class App;
class Option;
}  // namespace CLI

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

class Option {
 public:
  explicit Option(CLI::Option* option) : option_(option) {}

  Option& required();
  /// Takes one value each time it is given: for a list whose command has further arguments, or whose values may be
  /// anything.
  Option& one_at_a_time();
  Option& one_of(std::vector<std::string> words);
  Option& between(double least, double most);
  /// --help names the value that the variable has now.
  Option& with_default();

 private:
  CLI::Option* option_;
};

/// One subcommand. What its options fill must be there until the program has run.
class Command {
 public:
  Command(CLI::App* app, Action* chosen) : app_(app), chosen_(chosen) {}

  /// A subcommand of this one, which then needs one.
  Command command(const std::string& name, const std::string& description);

  /// `name` as "-f,--file", or "FILE" for an argument without a flag.
  Option option(const std::string& name, std::string& out, const std::string& description);
  Option option(const std::string& name, std::vector<std::string>& out, const std::string& description);
  Option option(const std::string& name, std::uint16_t& out, const std::string& description);
  Option option(const std::string& name, double& out, const std::string& description);
  void flag(const std::string& name, bool& out, const std::string& description);

  /// What runs if this command is the one that was chosen.
  void on(Action action);

 private:
  CLI::App* app_;
  Action* chosen_;
};

class Program {
 public:
  Program();
  ~Program();

  /// A new subcommand.
  Command command(const std::string& name, const std::string& description);

  /// Parses and runs. Wrong usage: a message on err, 2. An exception: its message and `internal` on err, 1.
  int run(int argc, const char* const* argv, Streams& io);

 private:
  std::unique_ptr<CLI::App> app_;
  Action chosen_;
};

/// A file with a JWKS at most, as the operator takes it from a provider.
constexpr std::size_t kJwksBytes = 1024 * 1024;

/// The whole of a file, or of `io.in` for "-". More than `limit` bytes is an error.
Result<std::string> read_input(const std::string& path, std::size_t limit, Streams& io);

/// The clock that --now replaces: unix seconds.
double unix_now();

}  // namespace meshauth::cli
