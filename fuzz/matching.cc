// The index of routes against each pattern by itself. First line: host and path of the request; each other line one
// rule:
// `+` or `-` (Allow, Deny), a host pattern or `*` alone for any, a path pattern; parted by blanks.
#include "core/model/forms.h"
#include "core/policy/engine.h"
#include "core/policy/pattern.h"

#include "core/base/text.h"
#include "fuzz/check.h"

using namespace meshauth;

namespace {

std::optional<model::Rule> rule_of(std::string_view line, std::size_t number) {
  const auto words = split(line, ' ');
  if (words.size() != 3 || (words[0] != "+" && words[0] != "-")) return std::nullopt;
  model::Rule rule;
  rule.name = "r" + std::to_string(number);
  rule.action = words[0] == "+" ? model::Action::Allow : model::Action::Deny;
  rule.from.push_back({});
  rule.from.back().anyone = true;
  model::To to;
  if (words[1] != "*") {
    if (!model::fits(model::kHostPattern, words[1])) return std::nullopt;
    to.hosts.emplace_back(words[1]);
  }
  if (!model::fits(model::kPathPattern, words[2])) return std::nullopt;
  to.paths.emplace_back(words[2]);
  rule.to.push_back(std::move(to));
  return rule;
}

/// The first rule of that action that matches; "" for none.
std::string first_match(const std::vector<model::Rule>& rules, model::Action action, std::string_view host,
                        const policy::Path& path) {
  for (const model::Rule& rule : rules) {
    const model::To& to = rule.to.front();
    const bool host_fits = to.hosts.empty() || policy::HostPattern(to.hosts.front()).matches(host);
    if (rule.action == action && host_fits && policy::PathPattern(to.paths.front()).matches(path)) return rule.name;
  }
  return "";
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto lines = split(fuzz::text_of(data, size), '\n');
  const auto request_line = split(lines[0], ' ');
  if (request_line.size() != 2) return 0;
  const auto host = policy::normalize_host(request_line[0]);
  const auto path = policy::decode_path(request_line[1]);
  if (!host || !path) return 0;
  policy::CompiledPolicy compiled;
  compiled.policies.push_back({"a/p", model::Mode::Enforce, {}, {}});
  auto& rules = compiled.policies.back().rules;
  for (std::size_t i = 1; i < lines.size() && rules.size() < 64; ++i) {
    if (auto rule = rule_of(lines[i], i)) rules.push_back(std::move(*rule));
  }
  const std::string deny = first_match(rules, model::Action::Deny, *host, *path);
  const std::string allow = first_match(rules, model::Action::Allow, *host, *path);
  const policy::Engine engine(std::move(compiled));
  policy::Request request;
  request.method = "GET";
  request.path = &*path;
  request.host = *host;
  const policy::Verdict verdict = engine.decide(policy::Principal{}, request).enforced;
  FUZZ_CHECK(verdict.rule == (deny.empty() ? allow : deny));
  FUZZ_CHECK(verdict.allow == (deny.empty() && !allow.empty()));
  return 0;
}
