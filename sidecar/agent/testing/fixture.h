// The program before an application and behind a fleet server, with bundles in few words.
#pragma once

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/bundle/documents.h"
#include "core/model/access_policy.h"
#include "core/policy/compiled_policy.h"
#include "sidecar/agent/testing/fleet.h"
#include "sidecar/agent/testing/program.h"

namespace meshauth::agent::testing {

/// A policy that lets anyone read these paths.
inline bundle::Files open_paths(std::vector<std::string> paths, const std::string& auth_conf = "") {
  const nlohmann::json object = {
      {"apiVersion", "meshauth.dev/v1alpha1"},
      {"kind", "AccessPolicy"},
      {"metadata", {{"name", "open"}, {"namespace", "shop"}, {"generation", 1}, {"uid", "u"}}},
      {"spec",
       {{"workloads", {"orders"}},
        {"rules",
         {{{"name", "open"}, {"action", "Allow"}, {"from", {{{"anyone", true}}}}, {"to", {{{"paths", paths}}}}}}}}}};
  const auto policy = model::parse_access_policy(object);
  REQUIRE(policy);
  return {{"auth.conf", auth_conf},
          {"jwks.json", bundle::write_jwks({})},
          {"policy.json", policy::to_json(policy::compile({&*policy}, {}, model::Action::Deny))}};
}

struct Fixture {
  explicit Fixture(std::vector<std::string> flags = {})
      : program(fleet.url(), fleet.token_file(), fleet.trust_file(), application.port(), std::move(flags)) {}

  /// Publishes and waits for the ack.
  bundle::Ack publish(bundle::Files files, bundle::Outcome outcome = bundle::Outcome::Applied) {
    const auto revision = fleet.publish(std::move(files));
    const auto ack = fleet.await_ack(revision, outcome);
    INFO(program.log());
    REQUIRE(ack);
    return *ack;
  }
  int status(const std::string& path) const { return program.get(path).status; }

  Application application;
  Fleet fleet;
  Program program;
};

}  // namespace meshauth::agent::testing
