// `meshauthctl prove`: what the chart's test asks a workload.

#include <chrono>
#include <iostream>
#include <nlohmann/json.hpp>
#include <thread>

#include "cli/command.h"
#include "cli/commands.h"
#include "core/base/text.h"
#include "operator/http/cpprest_client.h"

namespace meshauth::cli {
namespace {

using nlohmann::json;
using std::chrono::steady_clock;

constexpr std::size_t kMostAnswer = 64UL * 1024;
constexpr std::size_t kMostCa = 256UL * 1024;
constexpr std::chrono::seconds kAsk{5};    // for one exchange
constexpr std::chrono::seconds kPause{1};  // a workload that starts tells nobody: it is asked again
constexpr int kAllowed = 200, kUnauthorized = 401;

struct ProveOptions {
  std::string url, path = "/", dev_idp, ca_file, claims = "{}";
  double within = 60;
};

/// The two servers, and what the development provider is to say of the caller.
struct Parties {
  std::shared_ptr<http::Client> workload, provider;
  std::string path, mint;  ///< mint: the body for /token
};

Result<Parties> meet(const ProveOptions& options, Streams& io) {
  const auto ca = read_input(options.ca_file, kMostCa, io);
  if (!ca) return tl::unexpected(ca.error());
  const json claims = json::parse(options.claims, nullptr, false);
  if (!claims.is_object()) return fail("--claims is no JSON object; {{\"aud\": \"orders\"}} would be right");
  auto workload = http::make_cpprest_client({.base_url = options.url});
  if (!workload) return fail("--url: {}", workload.error().message);
  auto provider = http::make_cpprest_client({.base_url = options.dev_idp, .tls = {.ca_pem = *ca}});
  if (!provider) return fail("--dev-idp: {}", provider.error().message);
  return Parties{std::move(*workload), std::move(*provider), options.path, json{{"claims", claims}}.dump()};
}

Result<std::string> mint(const Parties& parties) {
  const auto answer = parties.provider->send(
      {.method = "POST", .target = "/token", .headers = {{"Content-Type", "application/json"}}, .body = parties.mint},
      {.deadline = kAsk, .max_body = kMostAnswer}, {});
  if (!answer) return tl::unexpected(answer.error());
  const json body = json::parse(answer->body, nullptr, false);
  const auto token = body.is_object() ? body.find("access_token") : body.end();
  if (answer->status != kAllowed || !body.is_object() || token == body.end() || !token->is_string())
    return fail("the development provider minted no token (status {})", answer->status);
  return token->get<std::string>();
}

Result<int> ask(const Parties& parties, const std::string& token) {
  http::Request request{.target = parties.path};
  if (!token.empty()) request.headers.emplace_back("Authorization", "Bearer " + token);
  const auto answer = parties.workload->send(request, {.deadline = kAsk, .max_body = kMostAnswer}, {});
  if (!answer) return tl::unexpected(answer.error());
  return answer->status;
}

/// What one round of both requests showed.
struct Round {
  std::string said;  ///< a line for each request
  bool proved = false;
  bool open = false;  ///< somebody was let in without a token: no waiting makes that right
};

Round ask_both(const Parties& parties) {
  const auto line = [&](std::string_view how, const Result<int>& status) {
    return fmt::format("GET {} {} a token: {}\n", parties.path, how,
                       status ? std::to_string(*status) : status.error().message);
  };
  const auto without = ask(parties, "");
  Round round{.said = line("without", without)};
  round.open = without && *without >= 200 && *without < 300;
  if (round.open) return round;
  const auto token = mint(parties);
  if (!token) {
    round.said += token.error().message + "\n";
    return round;
  }
  const auto with = ask(parties, *token);
  round.said += line("with", with);
  round.proved = without && *without == kUnauthorized && with && *with == kAllowed;
  return round;
}

int prove(const ProveOptions& options, Streams& io) {
  const auto parties = meet(options, io);
  if (!parties) throw UsageError{parties.error().message};
  const auto end = steady_clock::now() +
                   std::chrono::duration_cast<steady_clock::duration>(std::chrono::duration<double>(options.within));
  for (;;) {
    const Round round = ask_both(*parties);
    if (round.proved) {
      io.out << round.said << "proved\n";
      return kOk;
    }
    if (round.open || steady_clock::now() >= end) {
      io.err << round.said
             << (round.open ? "the workload lets everybody in: is its sidecar before it, and does a policy select it?\n"
                            : fmt::format("not {} and {} within {} s\n", kUnauthorized, kAllowed, options.within));
      return kFailed;
    }
    std::this_thread::sleep_for(kPause);
  }
}

}  // namespace

void add_prove(Program& program) {
  auto options = std::make_shared<ProveOptions>();
  Command command = program.command(
      "prove", "that a workload answers 401 without a token, and 200 with one that a development provider mints");
  command.option("--url", options->url, "the workload, http://HOST:PORT").required();
  command.option("--path", options->path, "what is asked for").with_default();
  command.option("--dev-idp", options->dev_idp, "where `dev-idp` listens, https://HOST:PORT").required();
  command.option("--dev-idp-ca", options->ca_file, "the file with its CA").required();
  command.option("--claims", options->claims, "claims of the token, a JSON object").with_default();
  command.option("--within", options->within, "seconds until both must hold; asked every second")
      .between(0, 3600)
      .with_default();
  command.on([options](Streams& io) { return prove(*options, io); });
}

}  // namespace meshauth::cli
