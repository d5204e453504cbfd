// For the tests of this room: policies, callers and requests in one line each.
#pragma once

#include <initializer_list>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/base/json_doc.h"
#include "core/model/access_policy.h"
#include "core/policy/engine.h"
#include "core/policy/explain.h"

namespace meshauth::policy::testing {

/// A policy from the JSON of its spec's rules; throws what the model says of a bad one.
model::AccessPolicy make_policy(const std::string& id, const std::string& rules,
                                model::Mode mode = model::Mode::Enforce);

/// A caller that owns what Principal points to.
class Caller {
 public:
  Caller() = default;  ///< nobody
  explicit Caller(std::string provider, std::string subject = "alice", std::vector<std::string> scopes = {},
                  std::string claims = "{}");
  Caller& also(std::string provider);
  Caller& client(std::string client);
  Caller& groups(std::vector<std::string> groups);
  Caller& roles(std::vector<std::string> roles);
  Principal principal() const;

 private:
  struct Owned {
    std::string provider, subject, client;
    std::vector<std::string> scopes, groups, roles;
  };
  std::vector<Owned> identities_;
  std::shared_ptr<JsonDoc> claims_;
};

/// A request that owns what Request points to.
struct Call {
  std::string method = "GET", path = "/", host = "orders.example.com";
  std::uint16_t port = 8080;
  std::string source = "10.0.0.1";
  std::multimap<std::string, std::string> headers = {};
};

Decision decide(const Engine& engine, const Caller& caller, const Call& call);
Explanation explain(const Engine& engine, const Caller& caller, const Call& call);

}  // namespace meshauth::policy::testing
