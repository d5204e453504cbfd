// For tests: resources in few words.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/jose/testing.h"

namespace meshauth::plan::testing {

using jose::testing::ed25519_key;
using jose::testing::key_set;

inline nlohmann::json provider_object(const std::string& ns, const std::string& name) {
  return {{"apiVersion", "meshauth.dev/v1alpha1"},
          {"kind", "IdentityProvider"},
          {"metadata", {{"namespace", ns}, {"name", name}, {"generation", 1}, {"uid", ns + name}}},
          {"spec", {{"issuer", "https://" + name + ".example"}, {"audiences", nlohmann::json::array({"api"})}}}};
}

/// One rule: callers of the provider with the scope may do everything.
inline nlohmann::json policy_object(const std::string& ns, const std::string& name, const std::string& provider,
                                    std::vector<std::string> workloads = {}) {
  nlohmann::json object{
      {"apiVersion", "meshauth.dev/v1alpha1"},
      {"kind", "AccessPolicy"},
      {"metadata", {{"namespace", ns}, {"name", name}, {"generation", 1}, {"uid", ns + name}}},
      {"spec",
       {{"rules",
         nlohmann::json::array({{{"name", "read"},
                                 {"action", "Allow"},
                                 {"from", nlohmann::json::array({{{"identityProvider", {{"name", provider}}},
                                                                  {"scopes", {{"all", {"orders:read"}}}}}})}}})}}}};
  if (!workloads.empty()) object["spec"]["workloads"] = workloads;
  return object;
}

}  // namespace meshauth::plan::testing
