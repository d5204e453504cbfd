// A caller and a request changed so that a rule matches, condition by condition. A part of explain(); nothing else
// calls it.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "core/policy/engine.h"

namespace meshauth::policy {

/// One condition that does not hold.
struct Failure {
  std::string field;     ///< from[0].scopes.all
  std::string expected;  ///< for a person: quoted texts
  std::string actual;
  friend bool operator==(const Failure&, const Failure&) = default;
};

/// All that a decision is about, owned.
struct Change {
  struct Identity {
    std::string provider, subject, client;
    std::vector<std::string> scopes, groups, roles;
  };
  std::vector<Identity> identities;
  std::string claims;  ///< JSON; empty: no token
  std::string method, host;
  std::vector<std::string> segments;  ///< of the path, decoded
  std::uint16_t port = 0;
  IpAddress source;
  std::map<std::string, std::string> headers;  ///< the one line of each that changes
};

/// What the failed conditions ask for, done, and nothing else. Conditions that contradict each other stay as they are:
/// who asks has to look whether the rule matches now.
Change changed(const Principal& principal, const Request& request, const model::Rule& rule,
               const std::vector<Failure>& failures);

}  // namespace meshauth::policy
