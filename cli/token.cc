// meshauthctl token verify: is this token good?  token inspect: what does it say, and which check fails?
#include <cmath>
#include <iostream>
#include <limits>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/commands.h"
#include "cli/question.h"
#include "cli/token_report.h"
#include "core/base/text.h"
#include "core/jose/verifier.h"

namespace meshauth::cli {
namespace {

struct TokenOptions {
  std::string jwks, issuer, token_file, dash;
  std::vector<std::string> audiences, algorithms;
  double now = std::numeric_limits<double>::quiet_NaN();  ///< the clock
  bool signature_only = false;

  double time() const { return std::isnan(now) ? unix_now() : now; }
};

AlgorithmSet algorithms_of(const TokenOptions& options) {
  if (options.algorithms.empty()) return AlgorithmSet::all();
  AlgorithmSet set;
  for (const std::string& name : options.algorithms) {
    const auto algorithm = algorithm_from_name(name);
    if (!algorithm) {
      throw UsageError{fmt::format("--algorithm {} is none of {}{}", in_quotes(name),
                                   fmt::join(AlgorithmSet::all().names(), ", "),
                                   alg_from_name(name) ? "; EdDSA allows Ed25519 and Ed448" : "")};
    }
    set.add(*algorithm);
  }
  return set;
}

/// A provider of the design's defaults that the flags describe.
ProviderSettings provider_of(const TokenOptions& options) {
  ProviderSettings out;
  out.id = "(flags)";
  out.issuer = options.issuer;
  out.audiences = options.audiences;
  out.audience_claim = {"aud"};
  out.algorithms = algorithms_of(options);
  out.token_types = {"at+jwt", "jwt", ""};
  out.mappings.subject = {"sub"};
  out.key_source = "--jwks";
  return out;
}

/// One line end after the token is no part of it: files end with one.
std::string read_token(const TokenOptions& options, Streams& io) {
  if (!options.dash.empty() && options.dash != "-") {
    throw UsageError{"a token does not belong on the command line, where others can read it; write - and pipe it in"};
  }
  if (!options.dash.empty() && !options.token_file.empty()) throw UsageError{"give --token-file or -, not both"};
  // Larger than any token, so that token_too_large is said of the token and not of the file.
  auto token = read_input(options.token_file.empty() ? "-" : options.token_file, 1024 * 1024, io);
  if (!token) throw UsageError{"--token-file: " + token.error().message};
  if (token->ends_with('\n')) token->pop_back();
  if (token->ends_with('\r')) token->pop_back();
  return std::move(*token);
}

int refuse(const jose::Refusal& refusal, Streams& io) {
  io.err << "the token is refused: " << refusal.detail << '\n' << reason_name(refusal.reason) << '\n';
  return kFailed;
}

int verify(const TokenOptions& options, Streams& io) {
  if (!options.signature_only && (options.issuer.empty() || options.audiences.empty())) {
    throw UsageError{"--issuer and --audience are needed, or --signature-only to check no claim"};
  }
  if (options.jwks == "-" && options.token_file.empty()) {
    throw UsageError{"the standard input cannot be both --jwks and the token"};
  }
  ProviderSettings provider = provider_of(options);
  jose::KeySet keys = read_key_set(options.jwks, io);
  const std::string token = read_token(options, io);
  if (options.signature_only) {
    const auto payload = jose::verify_signature(token, keys, provider.algorithms);
    if (!payload) return refuse(payload.error(), io);
    io.out << *payload << std::flush;
    return kOk;
  }
  const std::string source = provider.key_source;
  jose::Verifier verifier({std::move(provider)}, {{source, std::move(keys)}});
  const auto verified = verifier.verify(token, options.time());
  if (!verified) return refuse(verified.error(), io);
  io.out << verified->claims_json << std::endl;
  return kOk;
}

int inspect(const TokenOptions& options, Streams& io) {
  const ProviderSettings provider = provider_of(options);
  std::optional<jose::KeySet> keys;
  if (!options.jwks.empty()) keys = read_key_set(options.jwks, io);
  const std::string token = read_token(options, io);
  const jose::Inspection inspection = jose::inspect(token, provider, keys ? &*keys : nullptr, options.time());
  print_inspection(inspection, options.time(), io.out);
  if (inspection.first_failure() == Reason::none) return kOk;
  io.err << reason_name(inspection.first_failure()) << '\n';
  return kFailed;
}

void add_common(Command& app, TokenOptions& options) {
  app.option("--issuer", options.issuer,
             "what iss must be, byte for byte; {tenantid} in it is a template: the token's tid");
  app.option("--audience", options.audiences, "what aud must name; repeat it to allow several").one_at_a_time();
  app.option("--algorithm", options.algorithms, "an algorithm to allow; repeat it; default: every asymmetric one")
      .one_at_a_time();
  app.option("--now", options.now, "the time to judge at, in unix seconds, with a skew of 30 s; default: the clock")
      .between(0.0, 9007199254740991.0);
  app.option("--token-file", options.token_file, "the file that holds the token; - or nothing: the standard input");
  app.option("dash", options.dash, "-: the token is on the standard input");
}

}  // namespace

void add_token(Program& program) {
  Command token = program.command("token", "verify a token, or see what it says; it is never sent anywhere");

  auto to_verify = std::make_shared<TokenOptions>();
  Command verify_app = token.command(
      "verify",
      "exit 0 and the claims as JSON; exit 1 and the reason alone on the last line of stderr; exit 2 for wrong usage");
  verify_app.option("--jwks", to_verify->jwks, "the provider's key set, a file").required();
  verify_app.flag("--signature-only", to_verify->signature_only,
                  "check the signature and no claim, and print the payload's bytes; --issuer, --audience and "
                  "--now do nothing then");
  add_common(verify_app, *to_verify);
  verify_app.on([to_verify](Streams& io) { return verify(*to_verify, io); });

  auto to_inspect = std::make_shared<TokenOptions>();
  Command inspect_app = token.command("inspect", "header, claims, and every check: passed, failed or not asked for");
  inspect_app.option("--jwks", to_inspect->jwks, "the provider's key set; without it no signature is checked");
  add_common(inspect_app, *to_inspect);
  inspect_app.on([to_inspect](Streams& io) { return inspect(*to_inspect, io); });
}

}  // namespace meshauth::cli
