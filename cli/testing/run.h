// Runs meshauthctl in the test's own process. Never part of a program.
#pragma once

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "cli/command.h"

namespace meshauth::cli::testing {

struct Outcome {
  int code = -1;
  std::string out, err;

  /// The last line of err, without its end.
  std::string last_line() const {
    const auto end = err.find_last_not_of('\n');
    if (end == std::string::npos) return "";
    const auto start = err.rfind('\n', end);
    return err.substr(start == std::string::npos ? 0 : start + 1,
                      end - (start == std::string::npos ? 0 : start + 1) + 1);
  }
};

/// add: registers the subcommands under test.
inline Outcome run(void (*add)(Program&), std::vector<std::string> arguments, const std::string& input = "") {
  std::istringstream in(input);
  std::ostringstream out, err;
  Streams io{in, out, err};
  Program program;
  add(program);
  std::vector<const char*> argv{"meshauthctl"};
  for (const std::string& argument : arguments) argv.push_back(argument.c_str());
  const int code = program.run(static_cast<int>(argv.size()), argv.data(), io);
  return {code, out.str(), err.str()};
}

/// A folder that is gone at the end of the test.
class TempFolder {
 public:
  TempFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "mesh-auth-cli-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp");
    path_ = name;
  }
  ~TempFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;

  /// Writes a file and gives its path.
  std::string file(const std::string& name, const std::string& content) const {
    std::ofstream(path_ / name, std::ios::binary) << content;
    return (path_ / name).string();
  }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace meshauth::cli::testing
