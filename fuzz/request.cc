// A request's target and headers: first line the target, each other line `name: value`. What is found is the only token
// there is, and the host is one that both would read the same.
#include <algorithm>
#include <vector>

#include "core/base/text.h"
#include "core/engine/decide.h"
#include "core/jose/verifier.h"
#include "fuzz/check.h"

using namespace meshauth;

namespace {

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

ProviderSettings provider(const std::string& id, TokenSource source) {
  ProviderSettings out;
  out.id = id;
  out.issuer = "https://" + id;
  out.audiences = {"api"};
  out.audience_claim = {"aud"};
  out.algorithms = AlgorithmSet::all();
  out.token_types = {""};
  out.token_sources = {std::move(source)};
  out.mappings.subject = {"sub"};
  return out;
}

model::Rule rule(const std::string& name, const std::string& path) {
  model::Rule out;
  out.name = name;
  out.to.emplace_back();
  out.to.back().paths = {path};
  return out;
}

/// Anyone may read what is below /public; callers of each provider what is below /private.
policy::CompiledPolicy public_and_private() {
  model::Rule open = rule("open", "/public/**"), closed = rule("closed", "/private/**");
  open.from.emplace_back();
  open.from.back().anyone = true;
  for (const char* name : {"a", "b", "c", "d"}) {
    closed.from.emplace_back();
    closed.from.back().provider = model::ProviderRef{"ns", name};
  }
  policy::CompiledPolicy out;
  out.policies.push_back({"ns/policy", model::Mode::Enforce, {open, closed}, {}});
  return out;
}

bundle::JwksFile four_places() {
  bundle::JwksFile out;
  out.providers = {provider("ns/a", {"authorization", "bearer", ""}), provider("ns/b", {"authorization", "jwt", ""}),
                   provider("ns/c", {"x-token", "", ""}), provider("ns/d", {"", "", "session"})};
  return out;
}

engine::Snapshot& snapshot() {
  static engine::Snapshot made(four_places(), public_and_private());
  return made;
}

bool begins_with_word(std::string_view text, std::string_view word) {
  return iequals(text.substr(0, word.size()), word) &&
         (text.size() == word.size() || text[word.size()] == ' ' || text[word.size()] == '\t');
}

/// How many tokens somebody might see, who reads each header as generously as it can be read.
std::size_t credentials(const std::vector<engine::Header>& headers) {
  std::size_t count = 0;
  for (const engine::Header& header : headers) {
    if (header.name == "x-token") count += split(header.value, ',').size();
    for (const std::string_view part : split(header.value, ',')) {
      const std::string_view text = trimmed(part);
      if (header.name == "authorization") count += begins_with_word(text, "bearer") || begins_with_word(text, "jwt");
      if (header.name != "cookie") continue;
      for (const std::string_view pair : split(part, ';')) {
        const auto equals = pair.find('=');
        count += equals != std::string_view::npos && trimmed(pair.substr(0, equals)) == "session";
      }
    }
  }
  return count;
}

/// What one might take for a token, if there is anything.
enum class Seen : std::uint8_t { Nothing, NoToken, Token };

Seen check_tokens(const std::vector<engine::Header>& headers) {
  engine::ProviderMask all(4, true);
  const auto found = engine::TokenSources(snapshot().providers(), all).find(headers);
  const std::size_t count = credentials(headers);
  if (!found) {
    FUZZ_CHECK(reason_status(found.error()) == 400 || found.error() == Reason::token_too_large);
    FUZZ_CHECK(count > 0);
    return Seen::NoToken;
  }
  FUZZ_CHECK(count == (*found ? 1 : 0));
  if (!*found) return Seen::Nothing;
  const std::string_view token = (*found)->token;
  FUZZ_CHECK(token.size() <= jose::kMaxTokenBytes);
  return engine::is_token(token) ? Seen::Token : Seen::NoToken;
}

void check_host(const engine::Target& target, std::vector<engine::Header> headers) {
  FUZZ_CHECK(target.path.starts_with('/'));
  const auto host = engine::decided_host(target, headers);
  if (!host) {
    FUZZ_CHECK(host.error() == Reason::host_mismatch);
    return;
  }
  FUZZ_CHECK(host->find_first_of(" \t/@?#\\\r\n") == std::string::npos && *host == to_lower(*host));
  const auto count = std::count_if(headers.begin(), headers.end(), [](const auto& h) { return h.name == "host"; });
  FUZZ_CHECK(count <= 1 && (host->empty() || count == 1 || target.authority));
  if (host->empty()) return;
  const engine::Header same[] = {{"host", *host}};
  FUZZ_CHECK(engine::decided_host({}, same) == *host);
  headers.insert(headers.end(), 2, same[0]);
  FUZZ_CHECK(!engine::decided_host(target, headers));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto lines = split(fuzz::text_of(data, size), '\n');
  std::vector<std::string> names;
  std::vector<engine::Header> headers;
  names.reserve(lines.size());
  for (std::size_t i = 1; i < lines.size(); ++i) {
    const auto colon = lines[i].find(':');
    if (colon == std::string_view::npos) continue;
    names.push_back(to_lower(lines[i].substr(0, colon)));
    headers.push_back({names.back(), lines[i].substr(colon + 1)});
  }
  const Seen seen = check_tokens(headers);
  const auto target = engine::split_target(lines[0]);
  if (target) check_host(*target, headers);
  const engine::Outcome outcome = engine::decide(snapshot(), {"GET", lines[0], headers, {}, 8080}, 1000, {}, nullptr);
  FUZZ_CHECK(outcome.allow == (outcome.reason == Reason::none));
  FUZZ_CHECK(!outcome.caller);  // there is no key
  if (outcome.allow) FUZZ_CHECK(seen == Seen::Nothing && target && target->path.starts_with("/public"));
  if (seen == Seen::NoToken) FUZZ_CHECK(outcome.status() == 400 || outcome.reason == Reason::token_too_large);
  return 0;
}
