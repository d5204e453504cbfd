#include "cli/question.h"

#include <cmath>
#include <nlohmann/json.hpp>
#include <ostream>

#include "core/base/json_number.h"
#include "core/base/text.h"

namespace meshauth::cli {
namespace {

constexpr std::size_t kTokenBytes = 1024 * 1024;  // more than any token may have: the engine says token_too_large

OfflineRequest request_of(const QuestionOptions& options) {
  OfflineRequest out{options.method, options.path, options.host, options.port, {}, {}};
  const auto source = IpAddress::parse(options.source);
  if (!source) throw UsageError{fmt::format("--source {} is no IP address", in_quotes(options.source))};
  out.source = *source;
  for (const std::string& line : options.headers) out.headers.push_back(split_header(line));
  return out;
}

/// A line end after the token is no part of it.
std::string read_token(const std::string& file, Streams& io) {
  auto token = read_input(file, kTokenBytes, io);
  if (!token) throw UsageError{"--token-file: " + token.error().message};
  if (token->ends_with('\n')) token->pop_back();
  if (token->ends_with('\r')) token->pop_back();
  if (token->empty()) throw UsageError{"--token-file: " + in_quotes(file) + " is empty"};
  return std::move(*token);
}

nlohmann::json read_claims(const std::string& file, Streams& io) {
  const auto text = read_input(file, kClaimsBytes, io);
  if (!text) throw UsageError{"--claims: " + text.error().message};
  const auto doc = JsonDoc::parse(*text, {.bytes = kClaimsBytes});
  if (!doc || !doc->root().is_object()) {
    throw UsageError{fmt::format("--claims: {} holds no JSON object{}{}", in_quotes(file), doc ? "" : ": ",
                                 doc ? "" : json_fault(doc.error()))};
  }
  return nlohmann::json::parse(with_representable_numbers(*text));
}

OfflineCaller caller_of(const QuestionOptions& options, Streams& io) {
  if (!options.token_file.empty() && !options.claims.empty())
    throw UsageError{"give --token-file or --claims, not both"};
  if (options.claims.empty() != options.provider.empty()) {
    throw UsageError{"--claims and --provider go together: whose claims are they?"};
  }
  OfflineCaller out;
  if (!options.token_file.empty()) out.token = read_token(options.token_file, io);
  if (!options.claims.empty()) {
    out.provider = options.provider;
    out.claims = read_claims(options.claims, io);
  }
  return out;
}

}  // namespace

std::string header_fault(const std::string& name, const std::string& value) {
  constexpr const char* kNameCharacters = "abcdefghijklmnopqrstuvwxyz0123456789!#$%&'*+-.^_`|~";
  if (name.empty() || name.find_first_not_of(kNameCharacters) != std::string::npos) {
    return fmt::format("{} is no name of a header", in_quotes(name));
  }
  if (value.find_first_of(std::string("\r\n\0", 3)) != std::string::npos) {
    return fmt::format("header {} holds a line end, which no request can carry", in_quotes(name));
  }
  return "";
}

std::pair<std::string, std::string> split_header(const std::string& line) {
  const auto colon = line.find(':');
  if (colon == std::string::npos) throw UsageError{fmt::format("header {} is not 'Name: value'", in_quotes(line))};
  const std::string name = to_lower(line.substr(0, colon));
  const std::string value(trim(std::string_view(line).substr(colon + 1)));
  if (const std::string fault = header_fault(name, value); !fault.empty()) throw UsageError{"--header: " + fault};
  return {name, value};
}

jose::KeySet read_key_set(const std::string& path, Streams& io) {
  const auto text = read_input(path, kJwksBytes, io);
  if (!text) throw UsageError{"--jwks: " + text.error().message};
  auto set = jose::parse_key_set(*text);
  if (!set) throw UsageError{"--jwks: " + set.error().message};
  for (const auto& [kid, reason] : set->skipped)
    io.err << "key " << in_quotes(kid) << " is not used: " << reason << '\n';
  for (const std::string& kid : set->ambiguous_kids)
    io.err << "kid " << in_quotes(kid) << " names two different keys: neither is used\n";
  if (set->keys.empty() && set->ambiguous_kids.empty())
    throw UsageError{fmt::format("--jwks: {} holds no key that can verify a signature", in_quotes(path))};
  return std::move(*set);
}

void add_question_options(Command& app, QuestionOptions& options) {
  add_resource_options(app, options.resources, true);
  app.option("--workload", options.workload, "NAMESPACE/NAME").required();
  app.option("--method", options.method, "of the request").required();
  app.option("--path", options.path, "raw, as in the request line; a query may follow").required();
  app.option("--host", options.host, "the Host header; default: none");
  app.option("--port", options.port, "the application's port");
  app.option("--source", options.source, "the address of the TCP peer").with_default();
  app.option("--header", options.headers, "'Name: value'; repeat it for several").one_at_a_time();
  app.option("--path-allow", options.path_allow, "encoded-slash,semicolon,double-slash: plain data inside a segment");
  app.option("--token-file", options.token_file, "a file with the caller's token; - is the standard input");
  app.option("--jwks", options.jwks, "a file with the keys of the providers");
  app.option("--claims", options.claims, "instead of a token: a file with claims that count as verified");
  app.option("--provider", options.provider, "NAMESPACE/NAME of the provider that the claims are of");
  app.option("--now", options.now, "the time to judge at, in unix seconds; default: the clock")
      .between(0.0, 9007199254740991.0);
}

std::optional<Answer> ask(const QuestionOptions& options, Streams& io) {
  const auto allow = policy::parse_path_allow(options.path_allow);
  if (!allow) throw UsageError{"--path-allow: " + allow.error().message};
  const OfflineRequest request = request_of(options);
  const OfflineCaller caller = caller_of(options, io);
  Keys keys;
  if (!options.jwks.empty()) keys.otherwise = read_key_set(options.jwks, io);
  const Resources resources = read_resources(options.resources, io);
  if (print_faults(resources, io)) return std::nullopt;
  if (!caller.provider.empty() && resources.providers.count(caller.provider) == 0) {
    throw UsageError{fmt::format("--provider {} is not among the resources", in_quotes(caller.provider))};
  }
  auto snapshot = offline_snapshot(resources, options.resources, options.workload, keys);
  if (!snapshot) throw UsageError{snapshot.error().message};
  auto answered =
      answer(**snapshot, resources, request, caller, *allow, std::isnan(options.now) ? unix_now() : options.now);
  if (!answered) throw UsageError{answered.error().message};
  if (const std::string id = keyless_provider(*answered, resources); options.jwks.empty() && !id.empty()) {
    throw UsageError{fmt::format(
        "no keys of provider {} were given, so none of its tokens can be judged: add --jwks FILE, its key set", id)};
  }
  answered->snapshot = std::move(*snapshot);
  return std::move(*answered);
}

}  // namespace meshauth::cli
