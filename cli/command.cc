#include "cli/command.h"

#include <CLI/CLI.hpp>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <istream>
#include <ostream>

#include "core/base/text.h"

namespace meshauth::cli {
namespace {

Result<std::string> read_stream(std::istream& in, const std::string& name, std::size_t limit) {
  std::string out(limit + 1, '\0');
  in.read(out.data(), static_cast<std::streamsize>(out.size()));
  out.resize(static_cast<std::size_t>(in.gcount()));
  if (in.bad()) return fail("cannot read {}", name);
  if (out.size() > limit) return fail("{} holds more than {} bytes", name, limit);
  return out;
}

/// kubectl finds plug-ins by their file name and is called without it.
std::string shown_name(const char* argv0) {
  const auto file = std::filesystem::path(argv0).filename().string();
  return file == "kubectl-mesh_auth" ? "kubectl mesh-auth" : "meshauthctl";
}

}  // namespace

Option& Option::required() {
  option_->required();
  return *this;
}

Option& Option::one_at_a_time() {
  option_->expected(1)->take_all();
  return *this;
}

Option& Option::one_of(std::vector<std::string> words) {
  option_->check(CLI::IsMember(std::move(words)));
  return *this;
}

Option& Option::between(double least, double most) {
  option_->check(CLI::Range(least, most));
  return *this;
}

Option& Option::with_default() {
  option_->capture_default_str();
  return *this;
}

Command Command::command(const std::string& name, const std::string& description) {
  app_->require_subcommand(1);
  return {app_->add_subcommand(name, description), chosen_};
}

Option Command::option(const std::string& name, std::string& out, const std::string& description) {
  return Option(app_->add_option(name, out, description));
}

Option Command::option(const std::string& name, std::vector<std::string>& out, const std::string& description) {
  return Option(app_->add_option(name, out, description));
}

Option Command::option(const std::string& name, std::uint16_t& out, const std::string& description) {
  return Option(app_->add_option(name, out, description));
}

Option Command::option(const std::string& name, double& out, const std::string& description) {
  return Option(app_->add_option(name, out, description));
}

void Command::flag(const std::string& name, bool& out, const std::string& description) {
  app_->add_flag(name, out, description);
}

void Command::on(Action action) {
  app_->callback([chosen = chosen_, action = std::move(action)] { *chosen = action; });
}

Program::Program()
    : app_(std::make_unique<CLI::App>(
          "Answers about identity providers, access policies and tokens of nginx-mesh-auth.")) {
  app_->require_subcommand(1);
  app_->set_version_flag("--version", MESH_AUTH_VERSION);
}

Program::~Program() = default;

Command Program::command(const std::string& name, const std::string& description) {
  return {app_->add_subcommand(name, description), &chosen_};
}

int Program::run(int argc, const char* const* argv, Streams& io) {
  app_->name(shown_name(argc > 0 ? argv[0] : ""));
  try {
    app_->parse(argc, argv);
    return chosen_(io);
  } catch (const CLI::ParseError& error) {
    return app_->exit(error, io.out, io.err) == 0 ? kOk : kUsage;
  } catch (const UsageError& error) {
    io.err << error.message << "\nRun " << app_->get_name() << " with --help to see the options.\n";
    return kUsage;
  } catch (const std::exception& error) {
    io.err << error.what() << "\ninternal\n";
    return kFailed;
  }
}

Result<std::string> read_input(const std::string& path, std::size_t limit, Streams& io) {
  if (path == "-") return read_stream(io.in, "the standard input", limit);
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) return fail("{} is a folder, not a file", in_quotes(path));
  std::ifstream file(path, std::ios::binary);
  if (!file) return fail("cannot open {}: check that it is there and readable", in_quotes(path));
  return read_stream(file, in_quotes(path), limit);
}

double unix_now() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

}  // namespace meshauth::cli
