#include "core/bundle/provider_json.h"

#include <nlohmann/json.hpp>

#include "core/base/text.h"

namespace meshauth::bundle {
namespace {

using nlohmann::json;
using simdjson::dom::element;

json conditions_to_json(const std::vector<ClaimCondition>& conditions) {
  json out = json::array();
  for (const ClaimCondition& condition : conditions) {
    out.push_back(
        {{"path", condition.path}, {"operator", claim_operator_name(condition.op)}, {"values", condition.values}});
  }
  return out;
}

json optional_seconds(const std::optional<Seconds>& value) {
  return value ? json(value->count()) : json(nullptr);
}

/// Reads members one by one and remembers the first that was missing or of another type.
class Reader {
 public:
  explicit Reader(element value) : value_(value) {}

  template <class T>
  T get(const char* name) {
    T out{};
    if (value_[name].get(out) != simdjson::SUCCESS) miss(name);
    return out;
  }
  std::string text(const char* name) { return std::string(get<std::string_view>(name)); }
  std::vector<std::string> texts(const char* name) { return texts(name, list(name)); }
  std::vector<ClaimPath> paths(const char* name) {
    std::vector<ClaimPath> out;
    for (const element item : list(name)) out.push_back(texts(name, items(name, item.get_array())));
    return out;
  }
  std::vector<element> list(const char* name) { return items(name, value_[name].get_array()); }
  std::optional<Seconds> seconds(const char* name) {
    element item;
    if (value_[name].get(item) != simdjson::SUCCESS) {
      miss(name);
      return std::nullopt;
    }
    if (item.is_null()) return std::nullopt;
    std::int64_t count = 0;
    if (item.get(count) != simdjson::SUCCESS || count < 0) miss(name);
    return Seconds(count);
  }
  void miss(std::string_view name) {
    if (missing_.empty()) missing_ = name;
  }
  const std::string& missing() const { return missing_; }

 private:
  /// A dom::array that is none must not be walked.
  std::vector<element> items(const char* name, simdjson::simdjson_result<simdjson::dom::array> found) {
    std::vector<element> out;
    simdjson::dom::array array;
    if (std::move(found).get(array) != simdjson::SUCCESS) {
      miss(name);
      return out;
    }
    for (const element item : array) out.push_back(item);
    return out;
  }
  std::vector<std::string> texts(const char* name, const std::vector<element>& found) {
    std::vector<std::string> out;
    for (const element item : found) {
      std::string_view text;
      if (item.get(text) != simdjson::SUCCESS) miss(name);
      out.emplace_back(text);
    }
    return out;
  }

  element value_;
  std::string missing_;
};

ClaimCondition read_condition(Reader& outer, element item) {
  Reader reader(item);
  ClaimCondition condition{reader.texts("path"), ClaimOperator::Exists, reader.texts("values")};
  const auto op = claim_operator_from_name(reader.get<std::string_view>("operator"));
  if (!op || !reader.missing().empty()) outer.miss("requiredClaims");
  condition.op = op.value_or(ClaimOperator::Exists);
  return condition;
}

}  // namespace

json provider_to_json(const ProviderSettings& provider) {
  json sources = json::array();
  for (const TokenSource& source : provider.token_sources) {
    sources.push_back({{"header", source.header}, {"scheme", source.scheme}, {"cookie", source.cookie}});
  }
  json forward = json::array();
  for (const ForwardedClaim& claim : provider.forward_claims) {
    forward.push_back({{"path", claim.path}, {"header", claim.header}});
  }
  return {{"id", provider.id},
          {"issuer", provider.issuer},
          {"issuerAliases", provider.issuer_aliases},
          {"audiences", provider.audiences},
          {"audienceClaim", provider.audience_claim},
          {"algorithms", provider.algorithms.names()},
          {"tokenTypes", provider.token_types},
          {"requiredClaims", conditions_to_json(provider.required_claims)},
          {"clockSkew", provider.clock_skew.count()},
          {"maxTokenLifetime", optional_seconds(provider.max_token_lifetime)},
          {"tokenSources", sources},
          {"subject", provider.mappings.subject},
          {"client", provider.mappings.client},
          {"scopes", provider.mappings.scopes},
          {"groups", provider.mappings.groups},
          {"roles", provider.mappings.roles},
          {"forwardClaims", forward},
          {"forwardToken", provider.forward_token},
          {"keySource", provider.key_source},
          {"maxStale", optional_seconds(provider.max_stale)}};
}

Result<ProviderSettings> provider_from_json(element value) {
  Reader reader(value);
  ProviderSettings out;
  out.id = reader.text("id");
  out.issuer = reader.text("issuer");
  out.issuer_aliases = reader.texts("issuerAliases");
  out.audiences = reader.texts("audiences");
  out.audience_claim = reader.texts("audienceClaim");
  for (const std::string& name : reader.texts("algorithms")) {
    const auto algorithm = algorithm_from_name(name);
    if (!algorithm) return fail("jwks.json: provider {}: unknown algorithm {}", in_quotes(out.id), in_quotes(name));
    out.algorithms.add(*algorithm);
  }
  out.token_types = reader.texts("tokenTypes");
  for (const element item : reader.list("requiredClaims")) out.required_claims.push_back(read_condition(reader, item));
  out.clock_skew = Seconds(reader.get<std::int64_t>("clockSkew"));
  out.max_token_lifetime = reader.seconds("maxTokenLifetime");
  for (const element item : reader.list("tokenSources")) {
    Reader source(item);
    out.token_sources.push_back({source.text("header"), source.text("scheme"), source.text("cookie")});
    if (!source.missing().empty()) reader.miss("tokenSources");
  }
  out.mappings = {reader.texts("subject"), reader.paths("client"), reader.paths("scopes"), reader.paths("groups"),
                  reader.paths("roles")};
  for (const element item : reader.list("forwardClaims")) {
    Reader claim(item);
    out.forward_claims.push_back({claim.texts("path"), claim.text("header")});
    if (!claim.missing().empty()) reader.miss("forwardClaims");
  }
  out.forward_token = reader.get<bool>("forwardToken");
  out.key_source = reader.text("keySource");
  out.max_stale = reader.seconds("maxStale");
  if (!reader.missing().empty()) {
    return fail("jwks.json: provider {}: {} is missing or of another type", in_quotes(out.id), reader.missing());
  }
  return out;
}

}  // namespace meshauth::bundle
