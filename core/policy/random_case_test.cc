#include "core/policy/random_case_test.h"

#include <fmt/format.h>

namespace meshauth::policy::testing {
namespace {

using nlohmann::json;
using Strings = std::vector<std::string>;

const Strings kProviders{"a/dex", "a/okta", "root/okta", "z/entra"};
const Strings kSubjects{"alice", "bob", "svc:shop:web", "svc:shop:", ""};
const Strings kSubjectPatterns{"alice", "bob", "svc:*", "*", "*:web", "svc:*:web", "a*e", "svc:shop:*", "alice*alice"};
const Strings kClients{"web", "cli", "batch"};
const Strings kScopes{"read", "write", "admin", "orders:read"};
const Strings kGroups{"traders", "ops", "/staff/eu"};
const Strings kRoles{"owner", "auditor"};
const Strings kPaths{"/",       "/**",       "/users/{id}", "/users/{id}/**", "/users/*",  "/users/alice", "/users/",
                     "/{id}/x", "/{id}/**",  "/a/b/c",      "/a/**",          "/a/*/c",    "/a/{id}/{x}",  "/*/b/**",
                     "/users",  "/a/b/c/**", "/*",          "/a/b/",          "/*/*/*/**", "/{x}/{id}"};
const Strings kVariablePaths{"/users/{id}", "/users/{id}/**", "/{id}/**", "/a/{id}/{x}", "/{x}/{id}", "/{id}/x"};
const Strings kSegments{"users", "a", "b", "c", "x", "alice", "bob", "7", "true", "*", "{id}", "1.5"};
const Strings kHosts{
    "orders.example.com", "example.com", "a.b.example.com", "other.org", "x.other.org", "[::1]", "com"};
const Strings kHostPatterns{"orders.example.com", "*.example.com", "example.com",    "*.com",
                            "other.org",          "[0:0::1]",      "*.b.example.com"};
const Strings kMethods{"GET", "POST", "DELETE", "PATCH", "M-SEARCH"};
const std::vector<std::uint16_t> kPorts{80, 8080, 9090};
const Strings kNetworks{"10.0.0.0/8", "10.1.0.0/16", "10.1.2.3/32",     "2001:db8::/33",
                        "0.0.0.0/0",  "::/0",        "192.168.1.128/25"};
const Strings kAddresses{"10.1.2.3",    "10.2.0.1",         "192.168.1.127",  "192.168.1.128",
                         "2001:db8::1", "2001:db8:8000::1", "::ffff:10.1.2.3"};
const Strings kHeaders{"x-tenant", "x-env"};
const Strings kHeaderValues{"blue", "green", "blue, green", "green,red"};
const Strings kBlanks{"", "", "", " ", "\t", " \t "};  // around a header's value
const std::vector<Strings> kClaimPaths{{"sub"}, {"tier"},  {"realm", "roles"}, {"n"},
                                       {"a.b"}, {"realm"}, {"list"},           {"flag"}};
const Strings kClaimValues{"alice", "gold", "silver", "7", "true", "x", "1.5", "al", "old"};
const Strings kOperators{"In", "NotIn", "Exists", "NotExists", "Contains", "Prefix", "Suffix"};

json random_claim(Random& random) {
  switch (random.below(9)) {
    case 0:
      return 7;
    case 1:
      return true;
    case 2:
      return nullptr;
    case 3:
      return 1.5;
    case 4:
      return json::array();
    case 5:
    case 6: {
      json list = json::array();
      for (std::size_t i = random.below(4); i > 0; --i) list.push_back(random.pick(kClaimValues));
      if (random.one_in(4)) list.push_back(7);
      if (random.one_in(6)) list.push_back(json::object());
      if (random.one_in(6)) list.push_back(json::array({"gold"}));
      return list;
    }
    default:
      return random.pick(kClaimValues);
  }
}

json random_claim_condition(Random& random) {
  const std::string& op = random.pick(kOperators);
  json out{{"path", random.pick(kClaimPaths)}, {"operator", op}};
  if (op != "Exists" && op != "NotExists")
    out["values"] = random.some(kClaimValues, op == "Contains" ? 1 + random.below(2) : 4);
  return out;
}

json random_match(Random& random, const Strings& values) {
  return {{random.one_in(2) ? "all" : "any", random.some(values, 2)}};
}

json random_from(Random& random) {
  if (random.one_in(9)) return {{"anyone", true}};
  const std::string& id = random.pick(kProviders);
  const auto slash = id.find('/');
  json out{{"identityProvider", {{"namespace", id.substr(0, slash)}, {"name", id.substr(slash + 1)}}}};
  if (random.one_in(4)) out["subjects"] = random.some(kSubjectPatterns, 2);
  if (random.one_in(8)) out["clients"] = random.some(kClients, 2);
  if (random.one_in(3)) out["scopes"] = random_match(random, kScopes);
  if (random.one_in(8)) out["groups"] = random_match(random, kGroups);
  if (random.one_in(8)) out["roles"] = random_match(random, kRoles);
  if (random.one_in(4)) {
    for (std::size_t i = 1 + random.below(2); i > 0; --i) out["claims"].push_back(random_claim_condition(random));
  }
  return out;
}

json random_to(Random& random, bool with_variable) {
  json out = json::object();
  const auto maybe = [&](std::size_t n, const char* name, const auto& values, std::size_t most) {
    if (random.one_in(n)) out[name] = random.some(values, most);
  };
  if (with_variable) {
    out["paths"] = random.some(kVariablePaths, 3);
  } else {
    maybe(2, "paths", kPaths, 3);
  }
  maybe(3, "methods", kMethods, 3);
  maybe(6, "hosts", kHostPatterns, 2);
  maybe(8, "ports", kPorts, 2);
  maybe(9, "notPaths", kPaths, 2);
  maybe(9, "notMethods", kMethods, 2);
  maybe(9, "notHosts", kHostPatterns, 2);
  maybe(9, "notPorts", kPorts, 1);
  if (out.empty()) out["methods"] = kMethods;
  return out;
}

json random_when(Random& random, bool with_variable) {
  json out = json::array();
  if (with_variable) out.push_back({{"pathVariable", "id"}, {"equalsClaim", random.pick(kClaimPaths)}});
  if (random.one_in(6)) out.push_back({{"sourceIPs", random.some(kNetworks, 2)}});
  if (random.one_in(8)) out.push_back({{"header", random.pick(kHeaders)}, {"values", random.some(kHeaderValues, 2)}});
  return out;
}

json random_rule(Random& random, std::size_t number) {
  const bool deny = random.one_in(4), with_variable = random.one_in(4);
  json out{{"name", fmt::format("r{}", number)}, {"action", deny ? "Deny" : "Allow"}};
  if (!deny || !random.one_in(5)) {
    for (std::size_t i = 1 + random.below(2); i > 0; --i) out["from"].push_back(random_from(random));
  }
  if (with_variable || deny || random.one_in(2)) {
    for (std::size_t i = 1 + random.below(2); i > 0; --i) out["to"].push_back(random_to(random, with_variable));
  }
  json when = random_when(random, with_variable);
  if (!when.empty()) out["when"] = std::move(when);
  return out;
}

}  // namespace

std::vector<reference::Policy> random_policies(Random& random) {
  std::vector<reference::Policy> out;
  for (std::size_t i = random.below(5); i > 0; --i) {
    json rules = json::array();
    for (std::size_t j = random.below(6); j > 0; --j) rules.push_back(random_rule(random, j));
    const json object{{"apiVersion", "meshauth.dev/v1alpha1"},
                      {"kind", "AccessPolicy"},
                      {"metadata", {{"namespace", random.one_in(3) ? "root" : "a"}, {"name", fmt::format("p{}", i)}}},
                      {"spec", {{"mode", random.one_in(4) ? "Audit" : "Enforce"}, {"rules", std::move(rules)}}}};
    reference::Policy policy{model::parse_access_policy(object).value(), {}};
    if (random.one_in(4)) policy.unresolved.insert(random.pick(kProviders));
    out.push_back(std::move(policy));
  }
  return out;
}

reference::Caller random_caller(Random& random) {
  reference::Caller out;
  if (random.one_in(8)) return out;
  out.claims = json::object();
  for (const auto& path : kClaimPaths) {
    if (random.one_in(3)) continue;
    if (path.size() == 2) {
      out.claims[path[0]] = {{path[1], random_claim(random)}};
    } else if (!out.claims.contains(path[0])) {
      out.claims[path[0]] = random_claim(random);
    }
  }
  for (const std::string& provider : random.some(kProviders, random.one_in(3) ? 3 : 1)) {
    reference::Identity identity{provider, random.pick(kSubjects), random.pick(kClients), {}, {}, {}};
    if (!random.one_in(3)) identity.scopes = random.some(kScopes, 3);
    if (!random.one_in(3)) identity.groups = random.some(kGroups, 3);
    if (!random.one_in(3)) identity.roles = random.some(kRoles, 2);
    out.identities.push_back(std::move(identity));
  }
  if (random.one_in(2)) std::swap(out.identities.front(), out.identities.back());
  return out;
}

reference::Request random_request(Random& random) {
  reference::Request out;
  out.method = random.one_in(20) ? "PURGE" : random.pick(kMethods);
  for (std::size_t i = random.below(4); i > 0; --i) {
    out.segments.push_back(random.one_in(3) && out.segments.empty() ? "users" : random.pick(kSegments));
  }
  if (out.segments.empty() || random.one_in(6)) out.segments.emplace_back();
  out.host = random.pick(kHosts);
  out.port = random.pick(kPorts);
  out.source = IpAddress::parse(random.pick(kAddresses)).value();
  for (const auto& name : kHeaders) {
    while (random.one_in(2)) {
      out.headers.emplace(name, random.pick(kBlanks) + random.pick(kHeaderValues) + random.pick(kBlanks));
    }
  }
  return out;
}

CompiledPolicy compiled(const std::vector<reference::Policy>& policies, model::Action default_action) {
  std::vector<PolicyInput> inputs;
  for (const auto& policy : policies) inputs.push_back({&policy.policy, policy.unresolved});
  return compile(inputs, default_action);
}

OwnedPrincipal::OwnedPrincipal(const reference::Caller& caller) : claims(JsonDoc::parse(caller.claims.dump()).value()) {
  for (const auto& identity : caller.identities) {
    principal.identities.push_back(
        {identity.provider, identity.subject, identity.client, &identity.scopes, &identity.groups, &identity.roles});
  }
  if (!caller.claims.is_null()) principal.claims = claims.root();
}

Request request_of(const reference::Request& from, const Path& path) {
  Request request;
  request.method = from.method;
  request.path = &path;
  request.host = from.host;
  request.port = from.port;
  request.source = from.source;
  request.headers = [&from](std::string_view name) {
    std::vector<std::string_view> out;
    const auto [begin, end] = from.headers.equal_range(std::string(name));
    for (auto at = begin; at != end; ++at) out.push_back(at->second);
    return out;
  };
  return request;
}

}  // namespace meshauth::policy::testing
