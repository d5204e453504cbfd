#include "core/model/identity_provider.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/base/digest.h"
#include "core/base/json_doc.h"
#include "core/base/text.h"
#include "core/model/common.h"
#include "core/model/pem.h"
#include "core/model/profiles.h"
#include "core/model/provider_settings.h"

namespace meshauth::model {
namespace {

using nlohmann::json;

constexpr std::string_view kTenantId = "{tenantid}";
constexpr std::size_t kMostLabels = 16;

Profile read_profile(const json* value, const std::string& field, Faults& faults) {
  if (value == nullptr) return Profile::Generic;
  const int index = read_word(*value, field, faults,
                              {"okta", "auth0", "cognito", "entra", "keycloak", "google", "kubernetes", "dex"});
  return static_cast<Profile>(index + 1);
}

LabelSelector::Expression read_expression(const json& item, const std::string& field, Faults& faults) {
  const ObjectReader object(item, field, faults, {"key", "operator", "values"});
  LabelSelector::Expression out;
  if (const json* key = object.needed("key", "write a label's key")) {
    out.key = read_text(*key, object.field("key"), faults, kLabelKey);
  }
  const json* op = object.needed("operator", "write In, NotIn, Exists or DoesNotExist");
  out.values = read_texts(object.member("values"), object.field("values"), faults, kLabelValue);
  if (op == nullptr ||
      read_word(*op, object.field("operator"), faults, {"In", "NotIn", "Exists", "DoesNotExist"}) < 0) {
    return out;
  }
  out.op = op->get<std::string>();
  if (object.has("values") != (out.op == "In" || out.op == "NotIn")) {
    faults.add(object.field("values"), "operators In and NotIn need values; Exists and DoesNotExist take none");
  }
  return out;
}

LabelSelector read_selector(const json& value, const std::string& field, Faults& faults) {
  const ObjectReader object(value, field, faults, {"matchLabels", "matchExpressions"});
  object.not_empty("write matchLabels or matchExpressions, or allowedNamespaces: {from: All}");
  LabelSelector out;
  if (const json* labels = object.member("matchLabels")) {
    const std::string at = object.field("matchLabels");
    if (!labels->is_object() || labels->empty() || labels->size() > kMostLabels) {
      faults.add(at, fmt::format("{}; write an object of 1 to {} labels", found(*labels), kMostLabels));
    } else {
      for (const auto& [key, text] : labels->items()) {
        out.match_labels[key] = read_text(text, fmt::format("{}[{}]", at, in_quotes(key)), faults, kLabelValue);
      }
    }
  }
  if (const json* expressions = object.member("matchExpressions")) {
    read_list(*expressions, object.field("matchExpressions"), faults, 1, kMostLabels,
              [&](const json& item, const std::string& at) {
                out.match_expressions.push_back(read_expression(item, at, faults));
              });
  }
  return out;
}

AllowedNamespaces read_allowed_namespaces(const json* value, const std::string& field, Faults& faults) {
  AllowedNamespaces out;
  if (value == nullptr) return out;
  const ObjectReader object(*value, field, faults, {"from", "selector"});
  const json* from = object.needed("from", "write Same, All or Selector");
  if (from != nullptr) {
    const int index = read_word(*from, object.field("from"), faults, {"Same", "All", "Selector"});
    if (index >= 0) out.from = static_cast<AllowedNamespaces::From>(index);
  }
  if (const json* selector = object.member("selector")) {
    out.selector = read_selector(*selector, object.field("selector"), faults);
    if (out.from != AllowedNamespaces::From::Selector) {
      faults.add(object.field("selector"),
                 "selector is used only with from: Selector: write from: Selector, or remove selector");
    }
  } else if (out.from == AllowedNamespaces::From::Selector) {
    faults.add(object.field("selector"),
               "missing; from: Selector needs selector, such as {matchLabels: {team: orders}}");
  }
  return out;
}

std::string read_inline_jwks(const json& value, const std::string& field, Faults& faults) {
  std::string text = read_text(value, field, faults, kInlineJwks);
  if (text.empty()) return text;
  // A code point has at most four bytes.
  const auto doc = JsonDoc::parse(text, {.bytes = 4 * kInlineJwks.most, .depth = 16});
  simdjson::dom::array keys;
  if (!doc) {
    faults.add(field, fmt::format("is not a JSON Web Key Set: {}", json_fault(doc.error())));
  } else if (doc->root()["keys"].get(keys) != simdjson::SUCCESS) {
    faults.add(field, "is not a JSON Web Key Set: it has no list `keys` (RFC 7517 section 5)");
  }
  return text;
}

KeyOrigin read_keys(const ObjectReader& spec, const IdentityProvider& provider) {
  Faults& faults = spec.faults();
  const json* discovery = spec.member("discovery");
  const json* jwks = spec.member("jwks");
  KeyOrigin origin = Discovery{default_discovery_url(provider.settings.issuer, provider.profile)};
  if (discovery != nullptr) {
    const ObjectReader object(*discovery, spec.field("discovery"), faults, {"url"});
    if (const json* url = object.needed("url", "write the https URL of the discovery document")) {
      origin = Discovery{read_text(*url, object.field("url"), faults, kUrl)};
    }
    if (jwks != nullptr) faults.add(spec.field("discovery"), "jwks replaces discovery: keep one of them");
  }
  if (jwks != nullptr) {
    const ObjectReader object(*jwks, spec.field("jwks"), faults, {"uri", "inline"});
    if (object.is_object() && object.has("uri") == object.has("inline")) {
      faults.add(object.field(), "needs exactly one of uri and inline");
    }
    if (const json* uri = object.member("uri")) origin = JwksUri{read_text(*uri, object.field("uri"), faults, kUrl)};
    if (const json* text = object.member("inline")) {
      origin = InlineJwks{read_inline_jwks(*text, object.field("inline"), faults)};
      if (spec.has("tls") || spec.has("rotation")) {
        faults.add(object.field("inline"), "inline keys are never fetched: remove tls and rotation, or use uri");
      }
    }
  }
  if (provider.profile != Profile::Kubernetes) return origin;
  if (discovery != nullptr || jwks != nullptr || spec.has("tls")) {
    faults.add(spec.field("profile"),
               "profile kubernetes reads the keys of the connected API server: remove discovery, jwks and tls, or the "
               "profile");
  }
  return ClusterKeys{};
}

std::string read_ca_bundle(const json* value, const std::string& field, Faults& faults) {
  if (value == nullptr) return {};
  const ObjectReader object(*value, field, faults, {"caBundle"});
  const json* bundle = object.needed("caBundle", "write PEM certificates");
  if (bundle == nullptr) return {};
  std::string pem = read_text(*bundle, object.field("caBundle"), faults, kCaBundle);
  if (pem.empty()) return pem;
  if (const auto count = count_certificates(pem); !count) faults.add(object.field("caBundle"), count.error().message);
  return pem;
}

Rotation read_rotation(const json* value, const std::string& field, Faults& faults) {
  using namespace std::chrono_literals;
  Rotation out;
  if (value == nullptr) return out;
  const ObjectReader object(*value, field, faults, {"refreshInterval", "minRefetchInterval", "overlap", "maxStale"});
  object.not_empty("write at least one of its fields, or leave rotation out");
  const auto duration = [&](std::string_view name, Seconds least, Seconds most, Seconds& target) {
    target = read_duration(object.member(name), object.field(name), faults, least, most, target);
  };
  duration("refreshInterval", 10s, 24h, out.refresh_interval);
  duration("minRefetchInterval", 1s, 1h, out.min_refetch_interval);
  duration("overlap", 0s, 168h, out.overlap);
  duration("maxStale", 1min, 8760h, out.max_stale);
  if (out.max_stale < out.refresh_interval) {
    faults.add(object.field("maxStale"),
               fmt::format("is {}, shorter than refreshInterval ({}): keys would go stale between two "
                           "fetches; write a longer one",
                           format_duration(out.max_stale), format_duration(out.refresh_interval)));
  }
  return out;
}

/// {tenantid} stands for any tenant, so the tenants must be listed.
void check_template(const ObjectReader& spec, const IdentityProvider& provider) {
  if (provider.settings.issuer.find(kTenantId) == std::string::npos) return;
  if (provider.profile != Profile::Entra) {
    spec.faults().add(
        spec.field("issuer"),
        "{tenantid} is known to profile entra alone: add profile: entra, or write the issuer of one tenant");
  }
  const auto& required = provider.settings.required_claims;
  const bool listed = std::any_of(required.begin(), required.end(), [](const ClaimCondition& condition) {
    return condition.path == ClaimPath{"tid"} && condition.op == ClaimOperator::In;
  });
  if (!listed) {
    spec.faults().add(
        spec.field("requiredClaims"),
        "an issuer with {tenantid} accepts every tenant: list yours, such as requiredClaims: [{path: [tid], "
        "operator: In, values: [TENANT-ID]}]");
  }
}

}  // namespace

tl::expected<IdentityProvider, FieldErrors> parse_identity_provider(const json& object) {
  Faults faults;
  IdentityProvider provider;
  const ObjectReader spec =
      open_resource(object, "IdentityProvider", provider.meta, faults,
                    {"profile", "issuer", "issuerAliases", "audiences", "audienceClaim", "allowedNamespaces",
                     "discovery", "jwks", "tls", "algorithms", "tokenTypes", "requiredClaims", "clockSkew",
                     "maxTokenLifetime", "tokenSources", "claimMappings", "forward", "rotation"});
  provider.profile = read_profile(spec.member("profile"), spec.field("profile"), faults);
  read_settings(spec, provider);
  check_template(spec, provider);
  provider.allowed_namespaces =
      read_allowed_namespaces(spec.member("allowedNamespaces"), spec.field("allowedNamespaces"), faults);
  provider.keys = read_keys(spec, provider);
  provider.ca_bundle = read_ca_bundle(spec.member("tls"), spec.field("tls"), faults);
  provider.rotation = read_rotation(spec.member("rotation"), spec.field("rotation"), faults);
  if (!faults.none()) return tl::unexpected(faults.take());
  provider.settings.key_source = key_source_id(provider.keys, provider.ca_bundle, provider.settings.id);
  if (!std::holds_alternative<InlineJwks>(provider.keys)) provider.settings.max_stale = provider.rotation.max_stale;
  return provider;
}

std::string key_source_id(const KeyOrigin& keys, std::string_view ca_bundle, std::string_view provider_id) {
  constexpr std::size_t kHexDigits = 40;
  std::string text;
  const auto add = [&](std::string_view part) { text.append(part).push_back('\0'); };
  if (const auto* discovery = std::get_if<Discovery>(&keys)) {
    for (const std::string_view part : {std::string_view("discovery"), std::string_view(discovery->url), ca_bundle})
      add(part);
  } else if (const auto* jwks = std::get_if<JwksUri>(&keys)) {
    for (const std::string_view part : {std::string_view("jwks"), std::string_view(jwks->uri), ca_bundle}) add(part);
  } else if (std::holds_alternative<InlineJwks>(keys)) {
    for (const std::string_view part : {std::string_view("inline"), provider_id}) add(part);
  } else {
    return "kubernetes";
  }
  return sha256_hex(text).substr(0, kHexDigits);
}

}  // namespace meshauth::model
