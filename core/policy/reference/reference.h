// The Decision of docs/architecture.md written down a second time, as plainly as possible and rule by rule, to hold the
// engine against. Includes nothing of core/policy, and is linked into tests alone.
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/model/access_policy.h"

namespace meshauth::reference {

struct Identity {
  std::string provider, subject, client;
  std::vector<std::string> scopes, groups, roles;
};

struct Caller {
  std::vector<Identity> identities;
  nlohmann::json claims = nullptr;  ///< null: none
};

struct Request {
  std::string method;
  std::vector<std::string> segments;  ///< decoded
  std::string host;
  std::uint16_t port = 0;
  IpAddress source;
  std::multimap<std::string, std::string> headers;  ///< names in lower case
};

struct Policy {
  model::AccessPolicy policy;
  std::set<std::string> unresolved;
};

struct Answer {
  bool allow = false;
  std::string reason, policy, rule, provider;
  std::vector<std::string> missing_scopes;
};

struct Answers {
  Answer enforced;
  std::optional<Answer> audit;
};

/// How often each thing was asked and how it ended, so that a random test can tell that it asked everything.
struct Hits {
  std::map<std::string, std::size_t> count;  ///< "In holds", "hosts fails", ...
};
Hits& hits();

/// The answers to the requests of one caller. Policies in any order.
std::vector<Answers> decide(std::vector<const Policy*> policies, bool default_allow, const Caller& caller,
                            const std::vector<Request>& requests);

}  // namespace meshauth::reference
