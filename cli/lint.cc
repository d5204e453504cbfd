// meshauthctl lint: what is refused, and what is valid and yet cannot be meant.
#include <algorithm>
#include <memory>
#include <ostream>
#include <set>

#include "cli/commands.h"
#include "cli/resources.h"
#include "core/base/text.h"
#include "core/jose/key_set.h"
#include "core/policy/pattern.h"

namespace meshauth::cli {
namespace {

class Linter {
 public:
  explicit Linter(const Resources& resources) : resources_(resources) {}

  void lint() {
    for (const auto& held : resources_.policies) policy(*held.value);
    for (const auto& [id, held] : resources_.providers) provider(*held.value);
  }

  const std::vector<std::string>& errors() const { return errors_; }
  const std::vector<std::string>& warnings() const { return warnings_; }

 private:
  template <class... Args>
  void error(fmt::format_string<Args...> format, Args&&... args) {
    errors_.push_back(where_ + fmt::format(format, std::forward<Args>(args)...));
  }
  template <class... Args>
  void warn(fmt::format_string<Args...> format, Args&&... args) {
    warnings_.push_back(where_ + "warning: " + fmt::format(format, std::forward<Args>(args)...));
  }

  void policy(const model::AccessPolicy& policy) {
    const std::string label = "AccessPolicy " + policy.meta.id();
    where_ = fmt::format("{}: {}: ", resources_.files.at(label), label);
    for (std::size_t i = 0; i < policy.rules.size(); ++i)
      rule(policy, policy.rules[i], fmt::format("spec.rules[{}]", i));
  }

  void rule(const model::AccessPolicy& policy, const model::Rule& rule, const std::string& at) {
    bool takes_tokens = false;
    for (std::size_t i = 0; i < rule.from.size(); ++i) {
      const model::From& from = rule.from[i];
      if (!from.provider) continue;
      takes_tokens = true;
      reference(policy, rule, *from.provider, fmt::format("{}.from[{}].identityProvider", at, i));
    }
    for (std::size_t i = 0; i < rule.to.size(); ++i) never(rule.to[i], fmt::format("{}.to[{}]", at, i));
    const bool compares_claims = std::any_of(rule.when.begin(), rule.when.end(), [](const model::When& when) {
      return std::holds_alternative<model::PathVariableCondition>(when);
    });
    if (compares_claims && !takes_tokens) {
      warn(
          "{}.when: compares a claim, but the rule names no provider: it holds only for callers whose provider another "
          "rule "
          "names",
          at);
    }
  }

  void reference(const model::AccessPolicy& policy, const model::Rule& rule, const model::ProviderRef& ref,
                 const std::string& at) {
    const auto provider = resources_.providers.find(ref.id());
    const bool there = provider != resources_.providers.end();
    if (there && model::shared_with(*provider->second.value, policy.meta.ns, labels_of(policy.meta.ns))) return;
    const char* effect = rule.action == model::Action::Deny ? "this Deny entry then matches every caller"
                                                            : "this Allow entry then matches nobody";
    if (there) {
      error("{}: {} does not share itself with namespace {}: {}; set its spec.allowedNamespaces", at, ref.id(),
            policy.meta.ns, effect);
    } else {
      error("{}: there is no IdentityProvider {} among the files: {}", at, ref.id(), effect);
    }
  }

  std::map<std::string, std::string> labels_of(const std::string& ns) const {
    const auto known = resources_.namespaces.find(ns);
    auto labels = known == resources_.namespaces.end() ? std::map<std::string, std::string>() : known->second;
    labels.emplace("kubernetes.io/metadata.name", ns);
    return labels;
  }

  /// An entry whose not-fields take back all that its fields ask for.
  void never(const model::To& to, const std::string& at) {
    const auto covered = [&](const char* name, const auto& list, const auto& taken_back) {
      if (list.empty()) return;
      const bool all = std::all_of(list.begin(), list.end(), [&](const auto& item) {
        return std::find(taken_back.begin(), taken_back.end(), item) != taken_back.end();
      });
      if (all) warn("{}: can never match: every one of its {} is taken back by the not-field", at, name);
    };
    covered("methods", to.methods, to.not_methods);
    covered("paths", to.paths, to.not_paths);
    covered("hosts", to.hosts, to.not_hosts);
    covered("ports", to.ports, to.not_ports);
    for (const std::string& path : to.not_paths) {
      if (path == "/**") warn("{}: can never match: notPaths holds /**", at);
    }
    for (const std::string& path : to.paths) {
      if (path.find(';') != std::string::npos) {
        warn("{}: path {} holds a semicolon, which sidecars refuse unless told --path-allow semicolon", at,
             in_quotes(path));
      }
    }
  }

  void provider(const model::IdentityProvider& provider) {
    const std::string label = "IdentityProvider " + provider.meta.id();
    where_ = fmt::format("{}: {}: ", resources_.files.at(label), label);
    if (const auto* keys = std::get_if<model::InlineJwks>(&provider.keys)) inline_keys(keys->jwks);
    const std::string id = provider.meta.id();
    const auto names_it = [&](const plan::HeldPolicy& policy) {
      for (const model::Rule& rule : policy.value->rules) {
        for (const model::From& from : rule.from) {
          if (from.provider && from.provider->id() == id) return true;
        }
      }
      return false;
    };
    if (std::none_of(resources_.policies.begin(), resources_.policies.end(), names_it)) {
      warn("no policy among the files names it, so none of its tokens is looked at");
    }
  }

  void inline_keys(const std::string& jwks) {
    const auto set = jose::parse_key_set(jwks);
    if (!set) {
      error("spec.jwks.inline: {}", set.error().message);
      return;
    }
    for (const auto& [kid, reason] : set->skipped)
      warn("spec.jwks.inline: key {} is not used: {}", in_quotes(kid), reason);
    for (const std::string& kid : set->ambiguous_kids)
      warn("spec.jwks.inline: kid {} names two different keys: neither is used", in_quotes(kid));
    if (set->keys.empty()) error("spec.jwks.inline: holds no key that can verify a signature");
  }

  const Resources& resources_;
  std::string where_;
  std::vector<std::string> errors_, warnings_;
};

int run_lint(const ResourceOptions& options, Streams& io) {
  const Resources resources = read_resources(options, io);
  print_faults(resources, io);
  Linter linter(resources);
  linter.lint();
  for (const std::string& line : linter.errors()) io.err << line << '\n';
  for (const std::string& line : linter.warnings()) io.err << line << '\n';
  const std::size_t errors = resources.faults.size() + linter.errors().size();
  io.out << resources.providers.size() << " providers and " << resources.policies.size() << " policies read, " << errors
         << " errors, " << linter.warnings().size() << " warnings" << std::endl;
  return errors == 0 ? kOk : kFailed;
}

}  // namespace

void add_lint(Program& program) {
  auto options = std::make_shared<ResourceOptions>();
  Command app =
      program.command("lint", "what the operator would refuse, and what cannot be meant: exit 1 if there are errors");
  add_resource_options(app, *options, true);
  app.on([options](Streams& io) { return run_lint(*options, io); });
}

}  // namespace meshauth::cli
