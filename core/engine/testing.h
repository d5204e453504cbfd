// A small mesh for tests of the engine: providers with one key each, policies written as structs. Never part of a
// program.
#pragma once

#include <doctest/doctest.h>

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/engine/decide.h"
#include "core/jose/testing/token_maker.h"

namespace meshauth::engine::testing {

using jose::testing::TestKey;

constexpr double kNow = 1'000'000;

/// Made once: EC keys are quick, but not free.
inline const TestKey& key(std::size_t i = 0) {
  static const std::vector<TestKey> keys = {TestKey::p256(), TestKey::p256(), TestKey::p256()};
  return keys.at(i);
}

inline ProviderSettings provider(const std::string& id = "ns/okta", const std::string& issuer = "https://idp") {
  ProviderSettings out;
  out.id = id;
  out.issuer = issuer;
  out.audiences = {"api"};
  out.audience_claim = {"aud"};
  out.algorithms = AlgorithmSet::all();
  out.token_types = {"at+jwt", "jwt", ""};
  out.clock_skew = Seconds(0);
  out.token_sources = {{"authorization", "bearer", ""}};
  out.mappings.subject = {"sub"};
  out.mappings.client = {{"azp"}};
  out.mappings.scopes = {{"scope"}};
  out.key_source = "keys";
  return out;
}

/// more: claims after iss, aud, sub and exp. The same arguments give the same token (ECDSA alone would not).
inline std::string token(const std::string& more = "", const std::string& issuer = "https://idp", std::size_t k = 0,
                         const std::string& kid = "k0") {
  const std::string claims =
      R"({"iss":")" + issuer + R"(","aud":"api","sub":"alice","exp":1000600)" + (more.empty() ? "" : "," + more) + "}";
  static std::map<std::string, std::string> made;
  std::string& out = made[claims + kid + std::to_string(k)];
  if (out.empty()) out = key(k).token(Algorithm::ES256, R"({"alg":"ES256","kid":")" + kid + R"("})", claims);
  return out;
}

inline model::From from(const std::string& provider_name = "okta") {
  model::From out;
  out.provider = model::ProviderRef{"ns", provider_name};
  return out;
}
inline model::From with_scopes(std::vector<std::string> scopes, model::From entry = from()) {
  entry.scopes.all = std::move(scopes);
  return entry;
}
inline model::From anyone() {
  model::From out;
  out.anyone = true;
  return out;
}

inline model::Rule rule(std::string name, std::vector<model::From> entries, std::vector<std::string> paths = {},
                        model::Action action = model::Action::Allow) {
  model::Rule out;
  out.name = std::move(name);
  out.action = action;
  out.from = std::move(entries);
  if (!paths.empty()) {
    out.to.emplace_back();
    out.to.back().paths = std::move(paths);
  }
  return out;
}

/// What a test's bundle holds, before it is one.
struct Mesh {
  bundle::JwksFile keys;
  policy::CompiledPolicy policy;

  Mesh() {
    auto set = jose::parse_key_set(jose::testing::key_set({key(0).jwk({{"kid", "k0"}})}));
    REQUIRE(set);
    keys.sources.emplace("keys", std::move(*set));
  }
  Mesh& add(ProviderSettings settings) {
    keys.providers.push_back(std::move(settings));
    return *this;
  }
  Mesh& add_keys(const std::string& source, std::vector<std::pair<std::string, std::size_t>> kids) {
    std::string jwks = R"({"keys":[)";
    for (const auto& [kid, k] : kids) jwks += (jwks.back() == '[' ? "" : ",") + key(k).jwk({{"kid", kid}});
    auto set = jose::parse_key_set(jwks + "]}");
    REQUIRE(set);
    keys.sources[source] = std::move(*set);
    return *this;
  }
  Mesh& add(const std::string& id, std::vector<model::Rule> rules, model::Mode mode = model::Mode::Enforce) {
    auto& entry = policy.policies.emplace_back();
    entry.id = id;
    entry.mode = mode;
    entry.rules = std::move(rules);
    return *this;
  }
  std::unique_ptr<Snapshot> snapshot() const {
    auto out = std::make_unique<Snapshot>(keys, policy);
    out->assume_fresh();
    return out;
  }
};

/// One provider, all of whose callers may do everything.
inline Mesh usual() {
  Mesh mesh;
  mesh.add(provider());
  mesh.add("ns/p", {rule("all", {from()})});
  return mesh;
}

/// A request that owns its headers.
class Request {
 public:
  explicit Request(std::string target = "/x", std::string method = "GET")
      : target_(std::move(target)), method_(std::move(method)) {
    header("host", "orders.test");
  }
  Request& header(std::string name, std::string value) {
    texts_.emplace_back(std::move(name), std::move(value));
    return *this;
  }
  Request& bearer(const std::string& token) { return header("authorization", "Bearer " + token); }
  Request& no_host() {
    texts_.clear();
    return *this;
  }

  HttpRequest view() {
    headers_.clear();
    for (const auto& [name, value] : texts_) headers_.push_back({name, value});
    HttpRequest out;
    out.method = method_;
    out.target = target_;
    out.headers = headers_;
    out.port = 8080;
    return out;
  }
  std::span<const Header> headers() { return view().headers; }

 private:
  std::string target_, method_;
  std::deque<std::pair<std::string, std::string>> texts_;
  std::vector<Header> headers_;
};

inline Outcome ask(Snapshot& snapshot, Request request, TokenCache* cache = nullptr, const Options& options = {},
                   double now = kNow) {
  return decide(snapshot, request.view(), now, options, cache);
}

}  // namespace meshauth::engine::testing
