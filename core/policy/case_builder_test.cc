#include <stdexcept>

#include "core/policy/case_builder_test.h"

namespace meshauth::policy::testing {

using nlohmann::json;

model::AccessPolicy make_policy(const std::string& id, const std::string& rules, model::Mode mode) {
  const auto slash = id.find('/');
  const json object{
      {"apiVersion", "meshauth.dev/v1alpha1"},
      {"kind", "AccessPolicy"},
      {"metadata", {{"namespace", id.substr(0, slash)}, {"name", id.substr(slash + 1)}}},
      {"spec", {{"mode", mode == model::Mode::Audit ? "Audit" : "Enforce"}, {"rules", json::parse(rules)}}}};
  auto policy = model::parse_access_policy(object);
  if (!policy) throw std::runtime_error(model::to_message(policy.error()));
  return *policy;
}

Caller::Caller(std::string provider, std::string subject, std::vector<std::string> scopes, std::string claims) {
  identities_.push_back({std::move(provider), std::move(subject), {}, std::move(scopes), {}, {}});
  claims_ = std::make_shared<JsonDoc>(JsonDoc::parse(claims).value());
}

Caller& Caller::also(std::string provider) {
  identities_.push_back(identities_.front());
  identities_.back().provider = std::move(provider);
  return *this;
}
Caller& Caller::client(std::string client) {
  identities_.front().client = std::move(client);
  return *this;
}
Caller& Caller::groups(std::vector<std::string> groups) {
  identities_.front().groups = std::move(groups);
  return *this;
}
Caller& Caller::roles(std::vector<std::string> roles) {
  identities_.front().roles = std::move(roles);
  return *this;
}

Principal Caller::principal() const {
  Principal out;
  for (const Owned& identity : identities_) {
    out.identities.push_back(
        {identity.provider, identity.subject, identity.client, &identity.scopes, &identity.groups, &identity.roles});
  }
  if (claims_) out.claims = claims_->root();
  return out;
}

namespace {

template <class Use>
auto with_request(const Call& call, Use use) {
  const auto path = decode_path(call.path);
  if (!path) throw std::runtime_error("the test's path is ambiguous: " + call.path);
  Request request;
  request.method = call.method;
  request.path = &*path;
  request.host = call.host;
  request.port = call.port;
  request.source = IpAddress::parse(call.source).value();
  request.headers = [&](std::string_view name) {
    std::vector<std::string_view> out;
    const auto [begin, end] = call.headers.equal_range(std::string(name));
    for (auto at = begin; at != end; ++at) out.push_back(at->second);
    return out;
  };
  return use(request);
}

}  // namespace

Decision decide(const Engine& engine, const Caller& caller, const Call& call) {
  return with_request(call, [&](const Request& request) { return engine.decide(caller.principal(), request); });
}

Explanation explain(const Engine& engine, const Caller& caller, const Call& call) {
  return with_request(call,
                      [&](const Request& request) { return policy::explain(engine, caller.principal(), request); });
}

}  // namespace meshauth::policy::testing
