// What explain says of random rules: held against the second implementation condition by condition, and the smallest
// change done as it is told.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <type_traits>

#include "core/base/text.h"
#include "core/policy/explain.h"
#include "core/policy/random_case_test.h"
#include "core/policy/reference/conditions.h"
#include "core/policy/reference/failures.h"

namespace meshauth::policy {
namespace {

using nlohmann::json;
using testing::compiled;
using testing::Random;
using Strings = std::vector<std::string>;

constexpr std::size_t kCasesPerPolicies = 12;

std::size_t wanted_cases() {
  if (const char* text = std::getenv("MESH_AUTH_EXPLAINED")) return std::strtoull(text, nullptr, 10);
#ifdef NDEBUG
  return 24'000;
#else
  return 2'400;  // enough for every condition to be the first that fails
#endif
}

/// All that a decision is about.
struct RandomWorld {
  std::vector<reference::Policy> policies;
  reference::Caller caller;
  reference::Request request;
  bool default_allow = false;

  std::vector<const reference::Policy*> pointers() const {
    std::vector<const reference::Policy*> out;
    for (const auto& policy : policies) out.push_back(&policy);
    return out;
  }
  reference::Answer answer() const {
    return reference::decide(pointers(), default_allow, caller, {request}).front().enforced;
  }
};

struct Place {
  reference::Policy* policy = nullptr;
  const model::Rule* rule = nullptr;
};

Place find_rule(RandomWorld& world, const RuleExplanation& explained) {
  for (auto& policy : world.policies) {
    if (policy.policy.meta.id() != explained.policy) continue;
    for (const auto& rule : policy.policy.rules) {
      if (rule.name == explained.rule) return {&policy, &rule};
    }
  }
  return {};
}

/// Does to the world what one failed condition of a rule asks for, and nothing else.
class Doing {
 public:
  Doing(RandomWorld& world, Place place) : world_(world), policy_(*place.policy), rule_(*place.rule) {}

  void make(const std::string& field) {
    const auto open = field.find('['), close = field.find(']');
    const std::string list = field.substr(0, open), rest = field.substr(close + 1);
    const std::size_t index = std::stoul(field.substr(open + 1, close - open - 1));
    if (list == "from") from(rule_.from[index], rest);
    if (list == "to") to(rule_.to[index], rest);
    if (list == "when") when(rule_.when[index]);
  }

 private:
  using Identity = reference::Identity;

  Identity& identity(const model::From& from) {
    for (Identity& known : world_.caller.identities) {
      if (known.provider == from.provider->id()) return known;
    }
    return nobody_;
  }

  void from(const model::From& from, const std::string& field) {
    if (field == ".identityProvider") {
      if (world_.caller.claims.is_null()) world_.caller.claims = json::object();
      if (&identity(from) == &nobody_) world_.caller.identities.push_back({from.provider->id(), "", "", {}, {}, {}});
    }
    Identity& who = identity(from);
    if (field == ".subjects") {
      who.subject = from.subjects.front();
      std::erase(who.subject, '*');
    }
    if (field == ".clients") who.client = from.clients.front();
    list(field, ".scopes", from.scopes, who.scopes);
    list(field, ".groups", from.groups, who.groups);
    list(field, ".roles", from.roles, who.roles);
    if (field.starts_with(".claims[")) claim(from.claims[std::stoul(field.substr(8))]);
  }

  static void list(const std::string& field, const std::string& name, const model::ListMatch& wanted, Strings& given) {
    if (field == name + ".all") given.insert(given.end(), wanted.all.begin(), wanted.all.end());
    if (field == name + ".any") given.push_back(wanted.any.front());
  }

  void claim(const ClaimCondition& condition) {
    switch (condition.op) {
      case ClaimOperator::NotExists:
        return set(condition.path, nullptr);
      case ClaimOperator::NotIn:
      case ClaimOperator::Exists:
        return set(condition.path, std::string("something else"));
      case ClaimOperator::Contains:
        return set(condition.path, condition.values);
      default:
        return set(condition.path, condition.values.front());
    }
  }

  /// value: null takes the claim away.
  void set(const Strings& path, const json& value) {
    json* at = &world_.caller.claims;
    for (const std::string& name : path) {
      if (!at->is_object()) *at = json::object();
      if (&name == &path.back() && value.is_null()) {
        at->erase(name);
        return;
      }
      at = &(*at)[name];
    }
    *at = value;
  }

  void to(const model::To& to, const std::string& field) {
    auto& request = world_.request;
    if (field == ".methods" || field == ".notMethods") {
      pick(to.methods, {"GET", "PUT", "PURGE"}, request.method, [&](const std::string& method) {
        return (to.methods.empty() || reference::has(to.methods, method)) && !reference::has(to.not_methods, method);
      });
    } else if (field == ".hosts" || field == ".notHosts") {
      Strings some = to.hosts;
      for (std::string& host : some) host = *normalize_host(host[0] == '*' ? "q" + host.substr(1) : host);
      pick(some, {"free.test", "q.q.q.com"}, request.host, [&](const std::string& host) {
        return (to.hosts.empty() || reference::host_holds(to.hosts, host)) &&
               !reference::host_holds(to.not_hosts, host);
      });
    } else if (field == ".ports" || field == ".notPorts") {
      pick(to.ports, {1, 2}, request.port, [&](std::uint16_t port) {
        return (to.ports.empty() || reference::port_holds(to.ports, port)) &&
               !reference::port_holds(to.not_ports, port);
      });
    } else {
      path(to);
    }
  }

  template <class T, class Fits>
  static void pick(std::vector<T> some, const std::vector<std::type_identity_t<T>>& others, T& into, const Fits& fits) {
    some.insert(some.end(), others.begin(), others.end());
    const auto found = std::find_if(some.begin(), some.end(), fits);
    if (found != some.end()) into = *found;
  }

  /// What the variables of the rule's paths are compared with, as the caller's claims are by now.
  std::string wanted_of(const std::string& variable) const {
    for (const model::When& when : rule_.when) {
      const auto* condition = std::get_if<model::PathVariableCondition>(&when);
      if (condition == nullptr || condition->variable != variable || world_.caller.claims.is_null()) continue;
      const json* claim = reference::claim_at(world_.caller.claims, condition->equals_claim);
      if (claim != nullptr && reference::text_of(*claim)) return *reference::text_of(*claim);
    }
    return "";
  }

  /// A path of the pattern; `filler` where anything would do.
  Strings filled(const std::string& pattern, const std::string& filler, bool with_rest) const {
    Strings out;
    for (const auto piece : meshauth::split(std::string_view(pattern).substr(1), '/')) {
      if (piece == "**") {
        if (with_rest) out.push_back(filler);
      } else if (piece.starts_with('{')) {
        const std::string wanted = wanted_of(std::string(piece.substr(1, piece.size() - 2)));
        out.push_back(wanted.empty() ? filler : wanted);
      } else {
        out.emplace_back(piece == "*" ? filler : piece);
      }
    }
    return out;
  }

  void path(const model::To& to) {
    std::vector<Strings> some;
    for (const char* filler : {"q", "alice", "b"}) {
      for (const std::string& pattern : to.paths) {
        some.push_back(filled(pattern, filler, false));
        some.push_back(filled(pattern, filler, true));
      }
    }
    pick(some, {{"q"}, {""}, {"q", "q"}, {"q", "q", "q", ""}}, world_.request.segments, [&](const Strings& segments) {
      return (to.paths.empty() || reference::path_holds(to.paths, segments)) &&
             !reference::path_holds(to.not_paths, segments);
    });
  }

  void when(const model::When& when) {
    auto& request = world_.request;
    if (const auto* source = std::get_if<model::SourceIpCondition>(&when)) request.source = source->blocks.front().base;
    if (const auto* header = std::get_if<model::HeaderCondition>(&when)) {
      request.headers.erase(header->name);
      request.headers.emplace(header->name, header->values.front());
    }
    const auto* variable = std::get_if<model::PathVariableCondition>(&when);
    if (variable == nullptr) return;
    for (const model::To& to : rule_.to) {
      for (const std::string& pattern : to.paths) {
        const auto binding = reference::path_binding(pattern, request.segments);
        if (!binding) continue;
        if (world_.caller.claims.is_null()) world_.caller.claims = json::object();
        return set(variable->equals_claim, binding->variables.at(variable->variable));
      }
    }
  }

  RandomWorld& world_;
  reference::Policy& policy_;
  const model::Rule& rule_;
  Identity nobody_;
};

Strings fields_of(const RuleExplanation& rule) {
  Strings out;
  for (const Failure& failure : rule.failures) out.push_back(failure.field);
  return out;
}

struct ExplainTally {
  std::size_t cases = 0, rules = 0, changes = 0, allowed = 0, denied = 0;
  std::map<std::string, std::size_t> first;  ///< how often which condition was the first that failed
};

std::string without_numbers(std::string field) {
  std::erase_if(field, [](char c) { return (c >= '0' && c <= '9') || c == '[' || c == ']'; });
  return field;
}

Explanation explained_world(const RandomWorld& world) {
  const Engine engine(compiled(world.policies, world.default_allow ? model::Action::Allow : model::Action::Deny));
  const testing::OwnedPrincipal principal(world.caller);
  const Path path{world.request.segments};
  Explanation out = explain(engine, principal.principal, testing::request_of(world.request, path));
  // Its texts are the engine's.
  out.decision.enforced.policy = out.decision.enforced.rule = out.decision.enforced.provider = {};
  return out;
}

/// What the explanation made of the world, and nothing that it does not tell.
RandomWorld changed_world(const RandomWorld& before, const Explanation& explained) {
  RandomWorld world = before;
  const Change& change = explained.change;
  world.caller.identities.clear();
  for (const auto& it : change.identities)
    world.caller.identities.push_back({it.provider, it.subject, it.client, it.scopes, it.groups, it.roles});
  world.caller.claims = change.claims.empty() ? json() : json::parse(change.claims);
  world.request.method = change.method;
  world.request.segments = change.segments;
  world.request.host = change.host;
  world.request.port = change.port;
  world.request.source = change.source;
  for (const auto& [name, value] : change.headers) {
    world.request.headers.erase(name);
    world.request.headers.emplace(name, value);
  }
  const auto told = [&](const std::string& part) {
    return std::any_of(explained.needed.begin(), explained.needed.end(),
                       [&](const Failure& failure) { return failure.field.find(part) != std::string::npos; });
  };
  CHECK((told(".methods") || told(".notMethods") || world.request.method == before.request.method));
  CHECK((told(".paths") || told(".notPaths") || world.request.segments == before.request.segments));
  CHECK((told(".hosts") || told(".notHosts") || world.request.host == before.request.host));
  CHECK((told(".ports") || told(".notPorts") || world.request.port == before.request.port));
  CHECK((told(".sourceIPs") || world.request.source == before.request.source));
  CHECK((told(".header") || world.request.headers == before.request.headers));
  CHECK((told("from[") || world.caller.identities.size() == before.caller.identities.size()));
  CHECK((told("from[") || told("when[") || world.caller.claims == before.caller.claims));
  return world;
}

/// The smallest change, done: the rule matches then, and the request passes, or the Deny that is told is in its way.
void check_change(const RandomWorld& before, const Explanation& explained, ExplainTally& tally) {
  const RuleExplanation& nearest = explained.rules[*explained.nearest];
  RandomWorld world = changed_world(before, explained);
  const Place place = find_rule(world, nearest);
  REQUIRE(place.rule != nullptr);
  ++tally.changes;
  CHECK(!explained.needed.empty());
  CHECK(
      reference::failed_conditions(world.pointers(), *place.policy, *place.rule, world.caller, world.request).empty());
  const reference::Answer answer = world.answer();
  CHECK(answer.allow == explained.denied_by.empty());
  CHECK((answer.allow || fmt::format("rule {} of policy {}", answer.rule, answer.policy) == explained.denied_by));
  tally.allowed += answer.allow ? 1 : 0;
  tally.denied += answer.allow ? 0 : 1;
}

/// Does what is told of the rule, done by the test itself, let the request pass?
bool passes_by(const RandomWorld& before, const RuleExplanation& told) {
  RandomWorld world = before;
  const Place place = find_rule(world, told);
  Doing change(world, place);
  for (const Failure& failure : told.failures) change.make(failure.field);
  return reference::failed_conditions(world.pointers(), *place.policy, *place.rule, world.caller, world.request)
             .empty() &&
         world.answer().allow;
}

void check_case(const RandomWorld& world, ExplainTally& tally) {
  const Explanation explanation = explained_world(world);
  RandomWorld named = world;
  std::size_t fewest = SIZE_MAX;  // of what passes where the test does what is told
  for (std::size_t i = 0; i < explanation.rules.size(); ++i) {
    const RuleExplanation& rule = explanation.rules[i];
    const Place place = find_rule(named, rule);
    const Strings wanted =
        reference::failed_conditions(named.pointers(), *place.policy, *place.rule, world.caller, world.request);
    const Strings told = fields_of(rule);
    CAPTURE(to_json(compiled(world.policies, model::Action::Deny)));
    CAPTURE(world.caller.claims.dump());
    CAPTURE(rule.policy + " " + rule.rule);
    REQUIRE(told == wanted);
    ++tally.rules;
    ++tally.first[wanted.empty() ? "" : without_numbers(wanted.front())];
    for (const Failure& failure : rule.failures) CHECK((!failure.expected.empty() && !failure.actual.empty()));
    if (rule.action != model::Action::Allow || rule.mode == model::Mode::Audit || wanted.size() >= fewest) continue;
    if (passes_by(world, rule)) fewest = wanted.size();
  }
  const reference::Answer answer = world.answer();
  if (answer.allow || answer.reason == "denied_by_rule") {
    CHECK(!explanation.nearest);
  } else if (fewest != SIZE_MAX) {
    REQUIRE(explanation.nearest);
    CHECK(explanation.denied_by.empty());
    CHECK(explanation.needed.size() <= fewest);
  }
  if (explanation.nearest) check_change(world, explanation, tally);
}

}  // namespace

TEST_CASE("explain names what the reference finds, and its smallest change lets the request pass") {
  Random random(20260714);
  ExplainTally tally;
  const std::size_t cases = wanted_cases();
  while (tally.cases < cases) {
    RandomWorld world{testing::random_policies(random), {}, {}, random.one_in(2)};
    for (std::size_t i = 0; i < kCasesPerPolicies; ++i, ++tally.cases) {
      world.caller = testing::random_caller(random);
      world.request = testing::random_request(random);
      check_case(world, tally);
    }
  }
  for (const char* field : {"",
                            "from.identityProvider",
                            "from.subjects",
                            "from.clients",
                            "from.scopes.all",
                            "from.scopes.any",
                            "from.groups.all",
                            "from.groups.any",
                            "from.roles.all",
                            "from.roles.any",
                            "from.claims",
                            "to.methods",
                            "to.notMethods",
                            "to.paths",
                            "to.notPaths",
                            "to.hosts",
                            "to.notHosts",
                            "to.ports",
                            "to.notPorts",
                            "when",
                            "when.sourceIPs",
                            "when.header"}) {
    CAPTURE(std::string(field));
    CHECK(tally.first[field] * 1200 >= cases);
  }
  CHECK(tally.changes * 4 >= cases);
  CHECK(tally.allowed * 10 >= tally.changes * 9);
  CHECK(tally.denied > 0);
  MESSAGE(fmt::format("{} cases, {} rules; {} changes: {} let it pass, {} met a Deny", tally.cases, tally.rules,
                      tally.changes, tally.allowed, tally.denied));
}

}  // namespace meshauth::policy
