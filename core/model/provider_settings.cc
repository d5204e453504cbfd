#include "core/model/provider_settings.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/base/text.h"
#include "core/model/common.h"
#include "core/model/profiles.h"

namespace meshauth::model {
namespace {

using nlohmann::json;

constexpr std::size_t kMostEntries = 8;

/// Headers that HTTP or the proxy itself uses: a claim forwarded in one of them would change the request.
constexpr std::string_view kReservedHeaders[] = {"host",
                                                 "connection",
                                                 "content-length",
                                                 "content-type",
                                                 "content-encoding",
                                                 "transfer-encoding",
                                                 "te",
                                                 "trailer",
                                                 "upgrade",
                                                 "keep-alive",
                                                 "expect",
                                                 "proxy-connection",
                                                 "proxy-authenticate",
                                                 "proxy-authorization",
                                                 "authorization",
                                                 "cookie",
                                                 "forwarded",
                                                 "x-forwarded-for",
                                                 "x-forwarded-host",
                                                 "x-forwarded-port",
                                                 "x-forwarded-proto",
                                                 "x-real-ip",
                                                 "traceparent",
                                                 "tracestate"};

AlgorithmSet read_algorithms(const json* value, const std::string& field, Faults& faults) {
  if (value == nullptr) return AlgorithmSet::all();
  AlgorithmSet out;
  read_list(*value, field, faults, 1, 10, [&](const json& item, const std::string& at) {
    if (read_word(item, at, faults,
                  {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}) < 0) {
      return;
    }
    const Algorithm algorithm = *algorithm_from_name(item.get_ref<const std::string&>());
    if (out.contains(algorithm))
      faults.add(at, fmt::format("{} stands twice; write it once", algorithm_name(algorithm)));
    out.add(algorithm);
  });
  return out;
}

std::vector<std::string> read_token_types(const json& value, const std::string& field, Faults& faults) {
  auto types = read_set(&value, field, faults, kTokenType, kMostEntries);
  for (std::string& type : types) {
    type = to_lower(type);
    constexpr std::string_view kPrefix = "application/";  // RFC 7515 section 4.1.9
    if (type.starts_with(kPrefix)) type.erase(0, kPrefix.size());
  }
  return types;
}

std::vector<TokenSource> read_token_sources(const json& value, const std::string& field, Faults& faults) {
  std::vector<TokenSource> out;
  read_list(value, field, faults, 1, kMostEntries, [&](const json& item, const std::string& at) {
    const ObjectReader object(item, at, faults, {"header", "scheme", "cookie"});
    if (!object.is_object()) return;
    TokenSource source;
    if (const json* name = object.member("header")) {
      source.header = to_lower(read_text(*name, object.field("header"), faults, kHeaderName));
    }
    if (const json* name = object.member("scheme"))
      source.scheme = read_text(*name, object.field("scheme"), faults, kToken);
    if (const json* name = object.member("cookie"))
      source.cookie = read_text(*name, object.field("cookie"), faults, kToken);
    if (object.has("header") == object.has("cookie")) faults.add(at, "needs exactly one of header and cookie");
    if (object.has("scheme") && !object.has("header")) {
      faults.add(object.field("scheme"), "scheme is used only with header: remove it, or name the header");
    }
    out.push_back(std::move(source));
  });
  return out;
}

void read_mappings(const json& value, const std::string& field, Faults& faults, ClaimMappings& mappings) {
  const ObjectReader object(value, field, faults, {"subject", "client", "scopes", "groups", "roles"});
  object.not_empty("write at least one mapping, such as groups: [{path: [groups]}]");
  const auto read_path = [&](const json& item, const std::string& at) {
    const ObjectReader place(item, at, faults, {"path"});
    return read_claim_path(place.needed("path", "write a list of names, such as [sub]"), place.field("path"), faults);
  };
  const auto read_paths = [&](std::string_view name, std::vector<ClaimPath>& paths) {
    const json* list = object.member(name);
    if (list == nullptr) return;
    paths.clear();
    read_list(*list, object.field(name), faults, 1, kMostEntries,
              [&](const json& item, const std::string& at) { paths.push_back(read_path(item, at)); });
  };
  if (const json* subject = object.member("subject")) mappings.subject = read_path(*subject, object.field("subject"));
  read_paths("client", mappings.client);
  read_paths("scopes", mappings.scopes);
  read_paths("groups", mappings.groups);
  read_paths("roles", mappings.roles);
}

std::vector<ForwardedClaim> read_forwarded(const json& value, const std::string& field, Faults& faults) {
  std::vector<ForwardedClaim> out;
  std::vector<std::string> names;
  read_list(value, field, faults, 1, 16, [&](const json& item, const std::string& at) {
    const ObjectReader object(item, at, faults, {"path", "header"});
    ForwardedClaim claim;
    claim.path =
        read_claim_path(object.needed("path", "write a list of names, such as [email]"), object.field("path"), faults);
    if (const json* header = object.needed("header", "write the header's name, such as X-User-Email")) {
      claim.header = read_text(*header, object.field("header"), faults, kForwardHeader);
    }
    const std::string name = to_lower(claim.header);
    if (std::find(std::begin(kReservedHeaders), std::end(kReservedHeaders), name) != std::end(kReservedHeaders)) {
      faults.add(object.field("header"),
                 fmt::format("{} is a header that HTTP or the proxy itself uses: choose another, such as X-User-Email",
                             in_quotes(claim.header)));
    }
    if (!name.empty() && std::find(names.begin(), names.end(), name) != names.end()) {
      faults.add(at, fmt::format("header {} stands twice (case does not count): use a header of its own for each claim",
                                 in_quotes(claim.header)));
    }
    names.push_back(name);
    out.push_back(std::move(claim));
  });
  return out;
}

void read_forward(const json* value, const std::string& field, Faults& faults, ProviderSettings& settings) {
  if (value == nullptr) return;
  const ObjectReader object(*value, field, faults, {"claims", "token"});
  object.not_empty("write claims or token, or leave forward out");
  if (const json* claims = object.member("claims")) {
    settings.forward_claims = read_forwarded(*claims, object.field("claims"), faults);
  }
  if (const json* token = object.member("token")) {
    settings.forward_token = read_word(*token, object.field("token"), faults, {"Keep", "Remove"}) == 0;
  }
}

}  // namespace

void read_settings(const ObjectReader& spec, IdentityProvider& provider) {
  using namespace std::chrono_literals;
  Faults& faults = spec.faults();
  ProviderSettings& settings = provider.settings;
  settings.id = provider.meta.id();
  if (const json* issuer = spec.needed("issuer", "write the issuer exactly as claim iss has it")) {
    settings.issuer = read_text(*issuer, spec.field("issuer"), faults, kIssuer);
  }
  ProfileDefaults defaults = defaults_of(provider.profile, settings.issuer);
  const auto given = [&](std::string_view name) { return spec.member(name); };
  settings.issuer_aliases =
      given("issuerAliases") == nullptr
          ? defaults.issuer_aliases
          : read_set(given("issuerAliases"), spec.field("issuerAliases"), faults, kIssuerAlias, 8);
  settings.audiences = read_set(spec.needed("audiences", "list whom the tokens are for, such as [api://orders]"),
                                spec.field("audiences"), faults, kAudience, 16);
  settings.audience_claim = given("audienceClaim") == nullptr
                                ? defaults.audience_claim
                                : read_claim_path(given("audienceClaim"), spec.field("audienceClaim"), faults);
  settings.algorithms = read_algorithms(given("algorithms"), spec.field("algorithms"), faults);
  settings.token_types = given("tokenTypes") == nullptr
                             ? defaults.token_types
                             : read_token_types(*given("tokenTypes"), spec.field("tokenTypes"), faults);
  settings.required_claims = given("requiredClaims") == nullptr
                                 ? defaults.required_claims
                                 : read_claim_conditions(given("requiredClaims"), spec.field("requiredClaims"), faults);
  settings.clock_skew = read_duration(given("clockSkew"), spec.field("clockSkew"), faults, 0s, 5min, 30s);
  if (given("maxTokenLifetime") != nullptr) {
    settings.max_token_lifetime =
        read_duration(given("maxTokenLifetime"), spec.field("maxTokenLifetime"), faults, 1s, 8760h, 24h);
  }
  settings.token_sources = given("tokenSources") == nullptr
                               ? defaults.token_sources
                               : read_token_sources(*given("tokenSources"), spec.field("tokenSources"), faults);
  settings.mappings = defaults.mappings;
  if (given("claimMappings") != nullptr) {
    read_mappings(*given("claimMappings"), spec.field("claimMappings"), faults, settings.mappings);
  }
  read_forward(given("forward"), spec.field("forward"), faults, settings);
}

}  // namespace meshauth::model
