#include "core/render/plus.h"

#include <algorithm>

#include "core/base/text.h"
#include "core/render/plus_pattern.h"
#include "core/render/template.h"

namespace meshauth::render {
namespace {

using nlohmann::json;

constexpr std::string_view kOtherFlavour = "; leave it out, or use flavour Module or AuthRequest";
/// Of NGINX Plus R33; PS* came later.
constexpr AlgorithmSet kAlgorithms{Algorithm::RS256, Algorithm::RS384, Algorithm::RS512, Algorithm::ES256,
                                   Algorithm::ES384, Algorithm::ES512, Algorithm::EdDSA};

/// The key of an empty value, to which nginx shows no regular expression.
const std::string kMissing;

using Limit = tl::unexpected<Error>;

/// The maps of one configuration, each a variable that is 1 or 0.
class Maps {
 public:
  /// A variable that is 1 where one of the keys fits the input.
  std::string any_key(const std::string& name, const std::string& input, const std::vector<std::string>& keys) {
    return add(name, {input}, keys, "1", "0");
  }
  /// 1 where none does.
  std::string no_key(const std::string& name, const std::string& input, const std::vector<std::string>& keys) {
    return add(name, {input}, keys, "0", "1");
  }
  std::string all_of(const std::string& name, const std::vector<std::string>& inputs) {
    return add(name, inputs, {R"(~\A1+\z)"}, "1", "0");
  }
  std::string any_of(const std::string& name, const std::vector<std::string>& inputs) {
    return add(name, inputs, {"~1"}, "1", "0");
  }
  /// A text that never changes. input: any variable.
  std::string constant(const std::string& name, const std::string& input, std::string_view text) {
    return add(name, {input}, {}, "", text);
  }
  /// 1 where the key fits the inputs, one after the other.
  std::string joined_key(const std::string& name, const std::vector<std::string>& inputs, const std::string& key) {
    return add(name, inputs, {key}, "1", "0");
  }
  json take() { return std::move(maps_); }

 private:
  std::string add(const std::string& name, const std::vector<std::string>& inputs, const std::vector<std::string>& keys,
                  std::string_view value, std::string_view otherwise) {
    json in = json::array(), cases = json::array();
    for (const std::string& input : inputs) in.push_back({{"input", input}});
    for (const std::string& key : keys) cases.push_back({{"key", key}, {"value", value}});
    maps_.push_back({{"inputs", in}, {"output", name}, {"otherwise", otherwise}, {"cases", cases}});
    return name;
  }

  json maps_ = json::array();
};

std::vector<std::string> exact_keys(const std::vector<std::string>& values) {
  std::vector<std::string> out;
  std::transform(values.begin(), values.end(), std::back_inserter(out), exact_key);
  return out;
}

/// Where a field stands, for a message.
struct Place {
  std::string where;  ///< "AccessPolicy shop/p, rule r"
  Limit cannot(std::string_view field, std::string_view why) const {
    return Limit(Error{fmt::format("{}, {}: {}{}", where, field, why, kOtherFlavour)});
  }
};

constexpr std::string_view kNoWords = "NGINX Plus has no words for it";
constexpr std::string_view kList = "NGINX Plus joins the elements of a list with commas, so that two lists look alike";

class Builder {
 public:
  explicit Builder(const ProviderSettings& provider) : provider_(provider) {}

  Status add_provider();
  Status add_policy(const model::AccessPolicy& policy);
  json values();

 private:
  Status check_provider(const Place& place) const;
  Status check_from(const Place& place, const model::From& from) const;
  Result<std::string> add_from(const Place& place, const std::string& name, const model::From& from);
  Result<std::string> add_to(const Place& place, const std::string& name, const model::To& to);
  Status add_hosts(const Place& place, const std::string& name, const model::To& to, std::vector<std::string>& parts);
  std::string one_host();
  Status add_rule(const Place& place, const model::Rule& rule);
  Result<std::vector<std::string>> path_keys(const Place& place, std::string_view field,
                                             const std::vector<std::string>& patterns) const;
  std::string claim(const std::string& name, const ClaimPath& path) {
    json names = json::array();
    for (const std::string& part : path) names.push_back({{"name", part}});
    claims_.push_back({{"variable", name}, {"path", names}});
    return name;
  }

  const ProviderSettings& provider_;
  Maps maps_;
  json claims_ = json::array();
  std::vector<std::string> valid_, allows_, denies_;
  std::size_t rules_ = 0;
  bool by_host_ = false;  ///< some rule looks at the host
};

Status Builder::check_provider(const Place& at) const {
  const ProviderSettings& p = provider_;
  if (p.issuer.find("{tenantid}") != std::string::npos) return at.cannot("spec.issuer {tenantid}", kNoWords);
  const TokenSource bearer{"authorization", p.token_sources.empty() ? "" : p.token_sources.front().scheme, ""};
  if (p.token_sources.size() != 1 || p.token_sources.front() != bearer || !iequals(bearer.scheme, "bearer")) {
    return at.cannot("spec.tokenSources", "NGINX Plus takes the token of Authorization: Bearer alone exactly");
  }
  for (const std::string& name : p.algorithms.names()) {
    if (kAlgorithms.contains(*algorithm_from_name(name))) continue;
    return at.cannot(
        "spec.algorithms",
        name + " is not known to R33; list those of RS256 to RS512, ES256 to ES512 and EdDSA that you use");
  }
  if (!p.required_claims.empty()) return at.cannot("spec.requiredClaims", kNoWords);
  if (p.max_token_lifetime) return at.cannot("spec.maxTokenLifetime", "a map cannot subtract");
  if (!p.forward_claims.empty())
    return at.cannot("spec.forward.claims", "NGINX Plus cannot encode a claim for a header");
  for (const std::string& audience : p.audiences) {
    if (audience.find(',') != std::string::npos) return at.cannot("spec.audiences " + audience, kList);
  }
  return {};
}

/// What makes a token one of this provider, beside its signature and times.
Status Builder::add_provider() {
  const ProviderSettings& p = provider_;
  if (auto good = check_provider({"IdentityProvider " + p.id}); !good) return good;
  std::vector<std::string> issuers = p.issuer_aliases, types;
  issuers.push_back(p.issuer);
  for (const std::string& type : p.token_types) {
    types.push_back(type.empty() ? kMissing : fmt::format(R"(~*\A(?:application/)?{}\z)", escape_regex(type)));
  }
  valid_ = {maps_.any_key("mesh_auth_alg", "jwt_header_alg", exact_keys(p.algorithms.names())),
            maps_.any_key("mesh_auth_typ", "jwt_header_typ", types),
            maps_.any_key("mesh_auth_iss", claim("mesh_auth_claim_iss", {"iss"}), exact_keys(issuers)),
            maps_.any_key("mesh_auth_aud", claim("mesh_auth_claim_aud", p.audience_claim), exact_keys(p.audiences)),
            maps_.no_key("mesh_auth_exp", claim("mesh_auth_claim_exp", {"exp"}), {kMissing})};
  claim("mesh_auth_claim_sub", p.mappings.subject);
  claim("mesh_auth_claim_client", p.mappings.client.empty() ? ClaimPath{"azp"} : p.mappings.client.front());
  claim("mesh_auth_claim_scope", p.mappings.scopes.empty() ? ClaimPath{"scope"} : p.mappings.scopes.front());
  maps_.any_key("mesh_auth_plain", "request_uri", {plain_path_key()});
  return {};
}

Status Builder::check_from(const Place& at, const model::From& from) const {
  if (from.anyone) return at.cannot("from.anyone", "auth_jwt always asks for a token");
  if (from.provider->id() != provider_.id)
    return at.cannot("from.identityProvider " + from.provider->id(), "it is not there");
  if (!from.groups.empty()) return at.cannot("from.groups", kList);
  if (!from.roles.empty()) return at.cannot("from.roles", kList);
  if (!from.claims.empty()) return at.cannot("from.claims", "NGINX Plus does not tell a claim's type");
  if (!from.clients.empty() && provider_.mappings.client.size() != 1) {
    return at.cannot("from.clients", "its provider names several claims; set claimMappings.client to one");
  }
  if (!from.scopes.empty() && provider_.mappings.scopes.size() != 1) {
    return at.cannot("from.scopes", "its provider names several claims; set claimMappings.scopes to one");
  }
  return {};
}

Result<std::string> Builder::add_from(const Place& at, const std::string& name, const model::From& from) {
  if (auto good = check_from(at, from); !good) return tl::unexpected(good.error());
  std::vector<std::string> parts;
  if (!from.subjects.empty()) {
    std::vector<std::string> keys;
    std::transform(from.subjects.begin(), from.subjects.end(), std::back_inserter(keys), wildcard_key);
    parts.push_back(maps_.any_key(name + "_sub", "mesh_auth_claim_sub", keys));
  }
  if (!from.clients.empty()) {
    parts.push_back(maps_.any_key(name + "_client", "mesh_auth_claim_client", exact_keys(from.clients)));
  }
  std::vector<std::string> any;
  std::transform(from.scopes.any.begin(), from.scopes.any.end(), std::back_inserter(any), scope_key);
  if (!any.empty()) parts.push_back(maps_.any_key(name + "_scope", "mesh_auth_claim_scope", any));
  for (std::size_t i = 0; i < from.scopes.all.size(); ++i) {
    parts.push_back(
        maps_.any_key(fmt::format("{}_scope{}", name, i), "mesh_auth_claim_scope", {scope_key(from.scopes.all[i])}));
  }
  // Any caller of the provider: a token that got this far is one.
  if (parts.empty()) parts.push_back("mesh_auth_iss");
  return maps_.all_of(name, parts);
}

Result<std::vector<std::string>> Builder::path_keys(const Place& at, std::string_view field,
                                                    const std::vector<std::string>& patterns) const {
  std::vector<std::string> keys;
  for (const std::string& pattern : patterns) {
    auto key = path_key(pattern);
    if (!key)
      return at.cannot(fmt::format("{} {}", field, pattern),
                       "a client may spell it in other ways, which no map decodes");
    keys.push_back(std::move(*key));
  }
  return keys;
}

Status Builder::add_hosts(const Place& at, const std::string& name, const model::To& to,
                          std::vector<std::string>& parts) {
  const auto keys_of = [&](std::string_view field, const std::vector<std::string>& hosts) {
    Result<std::vector<std::string>> keys;
    for (const std::string& host : hosts) {
      auto key = host_key(host);
      if (!key)
        return Result<std::vector<std::string>>(
            at.cannot(fmt::format("{} {}", field, host), "an address has several spellings"));
      keys->push_back(std::move(*key));
    }
    return keys;
  };
  const auto hosts = keys_of("to.hosts", to.hosts), not_hosts = keys_of("to.notHosts", to.not_hosts);
  if (!hosts) return tl::unexpected(hosts.error());
  if (!not_hosts) return tl::unexpected(not_hosts.error());
  if (!hosts->empty()) parts.push_back(maps_.any_key(name + "_host", "host", *hosts));
  if (!not_hosts->empty()) parts.push_back(maps_.no_key(name + "_no_host", "host", *not_hosts));
  by_host_ = by_host_ || !hosts->empty() || !not_hosts->empty();
  return {};
}

/// Where nginx and a rule could think of two hosts, nobody passes, whatever the rule says.
std::string Builder::one_host() {
  return maps_.joined_key("mesh_auth_one_host", {"host", maps_.constant("mesh_auth_slash", "host", "/"), "http_host"},
                          one_host_key());
}

Result<std::string> Builder::add_to(const Place& at, const std::string& name, const model::To& to) {
  if (!to.ports.empty()) return at.cannot("to.ports", "which port is the application's is in your nginx.conf");
  if (!to.not_ports.empty()) return at.cannot("to.notPorts", "which port is the application's is in your nginx.conf");
  const auto paths = path_keys(at, "to.paths", to.paths), not_paths = path_keys(at, "to.notPaths", to.not_paths);
  if (!paths) return tl::unexpected(paths.error());
  if (!not_paths) return tl::unexpected(not_paths.error());
  std::vector<std::string> parts{"mesh_auth_plain"};
  if (!to.methods.empty()) {
    parts.push_back(maps_.any_key(name + "_method", "request_method", exact_keys(to.methods)));
  }
  if (!to.not_methods.empty()) {
    parts.push_back(maps_.no_key(name + "_no_method", "request_method", exact_keys(to.not_methods)));
  }
  if (auto added = add_hosts(at, name, to, parts); !added) return tl::unexpected(added.error());
  if (!paths->empty()) parts.push_back(maps_.any_key(name + "_path", "request_uri", *paths));
  if (!not_paths->empty()) parts.push_back(maps_.no_key(name + "_no_path", "request_uri", *not_paths));
  return maps_.all_of(name, parts);
}

Status Builder::add_rule(const Place& at, const model::Rule& rule) {
  const bool deny = rule.action == model::Action::Deny;
  // Where a claim of a Deny is not read exactly, it would let pass.
  if (deny && !rule.from.empty())
    return at.cannot("from of a Deny", "a claim in a form that NGINX Plus does not read would pass");
  if (!rule.when.empty()) {
    const char* const kinds[] = {"when.pathVariable", "when.sourceIPs", "when.header"};
    return at.cannot(kinds[rule.when.front().index()], kNoWords);
  }
  const std::string name = fmt::format("mesh_auth_rule{}", rules_++);
  std::vector<std::string> from, to;
  for (std::size_t i = 0; i < rule.from.size(); ++i) {
    auto made = add_from(at, fmt::format("{}_from{}", name, i), rule.from[i]);
    if (!made) return tl::unexpected(made.error());
    from.push_back(std::move(*made));
  }
  for (std::size_t i = 0; i < rule.to.size(); ++i) {
    auto made = add_to(at, fmt::format("{}_to{}", name, i), rule.to[i]);
    if (!made) return tl::unexpected(made.error());
    to.push_back(std::move(*made));
  }
  std::vector<std::string> both;
  if (!from.empty()) both.push_back(maps_.any_of(name + "_from", from));
  both.push_back(to.empty() ? "mesh_auth_plain" : maps_.any_of(name + "_to", to));
  (deny ? denies_ : allows_).push_back(maps_.all_of(name, both));
  return {};
}

Status Builder::add_policy(const model::AccessPolicy& policy) {
  const std::string id = "AccessPolicy " + policy.meta.id();
  if (policy.mode == model::Mode::Audit)
    return Place{id}.cannot("spec.mode Audit", "NGINX Plus cannot say what it would have done");
  for (const model::Rule& rule : policy.rules) {
    if (auto added = add_rule({id + ", rule " + rule.name}, rule); !added) return added;
  }
  return {};
}

json Builder::values() {
  // Nothing fits an empty list: the value of a variable that is never 1.
  std::vector<std::string> all{"mesh_auth_plain"};
  if (by_host_) all.push_back(one_host());
  all.push_back(allows_.empty() ? maps_.no_key("mesh_auth_allow", "mesh_auth_plain", {R"(~\A)"})
                                : maps_.any_of("mesh_auth_allow", allows_));
  if (!denies_.empty()) {
    maps_.any_of("mesh_auth_deny", denies_);
    all.push_back(maps_.no_key("mesh_auth_no_deny", "mesh_auth_deny", {"~1"}));
  }
  maps_.all_of("mesh_auth_allowed", all);
  json valid = json::array();
  for (const std::string& variable : valid_) valid.push_back({{"variable", variable}});
  return {{"claims", claims_},
          {"maps", maps_.take()},
          {"valid", valid},
          {"allowed", "mesh_auth_allowed"},
          {"key_file", "keys.json"},
          {"leeway", fmt::format("{}s", provider_.clock_skew.count())},
          {"remove_token", !provider_.forward_token}};
}

}  // namespace

Result<json> plus_values(const std::vector<model::AccessPolicy>& policies,
                         const std::vector<ProviderSettings>& providers) {
  if (providers.size() != 1) {
    return fail(
        "{} providers: NGINX Plus verifies with one provider's keys; name exactly one that exists in all policies",
        providers.size());
  }
  Builder builder(providers.front());
  if (auto added = builder.add_provider(); !added) return tl::unexpected(added.error());
  for (const model::AccessPolicy& policy : policies) {
    if (auto added = builder.add_policy(policy); !added) return tl::unexpected(added.error());
  }
  return builder.values();
}

Result<PlusText> render_plus(const PlusText& templates, const std::vector<model::AccessPolicy>& policies,
                             const std::vector<ProviderSettings>& providers) {
  const auto values = plus_values(policies, providers);
  if (!values) return tl::unexpected(values.error());
  auto http = render_template(templates.http, *values);
  if (!http) return tl::unexpected(http.error());
  auto location = render_template(templates.location, *values);
  if (!location) return tl::unexpected(location.error());
  return PlusText{std::move(*http), std::move(*location)};
}

}  // namespace meshauth::render
