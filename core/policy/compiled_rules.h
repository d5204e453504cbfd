// The rules of a policy in the form that is decided on: providers, methods and claims are numbers, and each way that a
// request can fit a rule is one Route.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/policy/compiled_policy.h"
#include "core/policy/engine.h"
#include "core/policy/pattern.h"

namespace meshauth::policy {

constexpr std::uint32_t kNone = 0xffffffff;

/// Texts by number: sorted, each once.
class Names {
 public:
  void add(std::string_view name);  ///< before freeze()
  void freeze();
  std::uint32_t find(std::string_view name) const;  ///< kNone if it is not there
  const std::string& operator[](std::uint32_t index) const { return names_[index]; }
  std::size_t size() const { return names_.size(); }
  const std::vector<std::string>& all() const { return names_; }

 private:
  std::vector<std::string> names_;
};

/// One entry of `to`: what is left of it once its paths and hosts have led to it, and its methods and ports let pass.
struct ToMatch {
  const model::To* to = nullptr;
  std::vector<HostPattern> not_hosts;
  std::vector<PathPattern> not_paths;

  bool excludes(const Request& request) const;
};

/// A header condition, its header as an index into CompiledRules::headers().
struct HeaderCheck {
  std::uint32_t header = 0;
  const std::vector<std::string>* values = nullptr;
};

/// Does a condition on a header hold, given its lines? For an Allow it must have been sent once, with one of the
/// values. A Deny is not got round by a second line or a list (RFC 9110 section 5.3): any line counts, and any member
/// of one.
bool header_holds(const std::vector<std::string>& wanted, const std::vector<std::string_view>& lines, bool deny);

/// The lines of one request's headers, each looked up when it is first asked for. Ends with the request.
class HeaderLines {
 public:
  HeaderLines(const Request& request, const Names& names) : request_(request), names_(names) {}
  const std::vector<std::string_view>& of(std::uint32_t header);

 private:
  const Request& request_;
  const Names& names_;
  std::vector<std::optional<std::vector<std::string_view>>> seen_;
};

/// One entry of `from`, ready to be compared with a principal.
struct FromMatch {
  enum class Kind : std::uint8_t { Anyone, Nobody, Provider } kind = Kind::Anyone;  ///< Nobody: unresolved, of an Allow
  std::uint32_t provider = kNone;     ///< index into CompiledRules::providers()
  const model::From* from = nullptr;  ///< what it asks for
};

struct VariableCheck {
  std::string variable;
  std::uint32_t claim = 0;  ///< index into CompiledRules::claims()
};

struct RuleMatch {
  const CompiledPolicy::Entry* policy = nullptr;
  const model::Rule* rule = nullptr;
  bool deny = false, audit = false;
  bool anyone = false;        ///< some entry of from is for anyone
  bool takes_tokens = false;  ///< some entry of from asks for a provider that resolves
  std::vector<FromMatch> from;
  std::vector<const model::SourceIpCondition*> sources;
  std::vector<HeaderCheck> headers;
  std::vector<VariableCheck> variables;

  bool conditions_hold(const Request& request, HeaderLines& lines) const;  ///< sources and headers
};

/// One path pattern and one host pattern of one entry of `to` of one rule.
struct Route {
  static constexpr std::uint16_t kUnbound = 0xffff;

  std::uint32_t rule = 0;
  std::uint32_t to = kNone;              ///< index into CompiledRules::tos(); kNone: everything
  std::vector<std::uint16_t> variables;  ///< segment of each of the rule's variables; kUnbound where the path lacks it
};

/// A route, and the patterns that lead to it.
struct Way {
  Route route;
  const std::string* host = nullptr;  ///< as the resource has it; null: every host
  std::optional<PathPattern> path;    ///< none: every path
};

/// Rules are numbered by policy id and their order in it: of several that match, the first decides.
class CompiledRules {
 public:
  /// The policy must outlive the rules.
  explicit CompiledRules(const CompiledPolicy& policy);

  const std::vector<RuleMatch>& rules() const { return rules_; }
  const std::vector<ToMatch>& tos() const { return tos_; }
  const std::vector<ClaimPath>& claims() const { return claims_; }  ///< that path variables are compared with

  /// Providers that resolve for a rule that names them.
  const Names& providers() const { return providers_; }
  bool enforced(std::uint32_t provider) const { return provider_enforced_[provider]; }

  const Names& headers() const { return headers_; }  ///< that conditions name, lower case

  std::vector<Way> ways() const;

 private:
  void add_rule(const CompiledPolicy& policy, const CompiledPolicy::Entry& entry, const model::Rule& rule);
  void add_ways(std::vector<Way>& out, std::uint32_t rule, std::uint32_t to) const;
  std::uint32_t claim(const ClaimPath& path);

  std::vector<RuleMatch> rules_;
  std::vector<ToMatch> tos_;
  std::vector<std::vector<std::uint32_t>> tos_of_rule_;
  Names providers_, headers_;
  std::vector<bool> provider_enforced_;
  std::vector<ClaimPath> claims_;
};

}  // namespace meshauth::policy
