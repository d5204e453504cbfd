// The flags that decide and explain share: which resources, which workload, which request, which caller.
#pragma once

#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "cli/offline.h"

namespace meshauth::cli {

struct QuestionOptions {
  ResourceOptions resources;
  std::string workload, method, path, host, source = "127.0.0.1", path_allow;
  std::uint16_t port = 0;
  std::vector<std::string> headers;
  std::string token_file, jwks, claims, provider;
  double now = std::numeric_limits<double>::quiet_NaN();  ///< the clock
};

void add_question_options(Command& app, QuestionOptions& options);

/// Reads everything and asks the engine. nullopt: bad resources, already told. Throws UsageError.
std::optional<Answer> ask(const QuestionOptions& options, Streams& io);

/// "Name: value", the name in lower case. Throws UsageError.
std::pair<std::string, std::string> split_header(const std::string& line);

/// What is wrong with a field line that a case or a flag gives; empty if nothing is. name: in lower case.
std::string header_fault(const std::string& name, const std::string& value);

/// A key set file with at least one usable key, or a kid that two keys share: that is an answer about a token. Throws
/// UsageError.
jose::KeySet read_key_set(const std::string& path, Streams& io);

}  // namespace meshauth::cli
