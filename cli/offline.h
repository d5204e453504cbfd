// One workload's decisions without a cluster: the bundle that the operator would make, and the engine that nginx runs.
#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cli/caller.h"
#include "core/engine/decide.h"
#include "core/policy/explain.h"

namespace meshauth::cli {

/// Keys for providers that fetch theirs. Tokens of a provider without any are refused.
struct Keys {
  std::map<std::string, jose::KeySet> of;  ///< by provider
  std::optional<jose::KeySet> otherwise;   ///< for every other provider
};

/// The plan of the workload (NS/NAME): what the operator would put into its bundle. Errors: the name, the plan's.
Result<plan::WorkloadPlan> offline_plan(const Resources& resources, const plan::MeshSettings& mesh,
                                        const std::string& workload, const Keys& keys,
                                        model::Flavour flavour = model::Flavour::Module);

/// That plan, ready to decide.
Result<std::unique_ptr<engine::Snapshot>> offline_snapshot(const Resources& resources, const ResourceOptions& options,
                                                           const std::string& workload, const Keys& keys);

/// What a request says, but for its caller.
struct OfflineRequest {
  std::string method, target, host;
  std::uint16_t port = 0;
  IpAddress source;
  HeaderLines headers;
};

struct Answer {
  bool allow = false;
  Reason reason = Reason::internal;
  std::string policy, rule, detail;
  std::optional<engine::AuditVerdict> audit;
  std::vector<std::string> issuers = {};  ///< ids of the bundle's providers that have the token's issuer
  std::optional<policy::Explanation> explanation =
      {};  ///< where policies were asked at all; its texts are the snapshot's
  std::shared_ptr<const engine::Snapshot> snapshot = {};  ///< set by ask(), so that they live as long

  int status() const { return reason_status(reason); }
  /// {"decision","status","reason","policy","rule"}
  nlohmann::ordered_json json() const;
};

/// now: unix seconds. Errors: claims that are no object, a provider that is not there.
Result<Answer> answer(engine::Snapshot& snapshot, const Resources& resources, const OfflineRequest& request,
                      const OfflineCaller& caller, const policy::PathAllow& allow, double now);

/// The provider that would know the key which is unknown, where its keys are not written into it; empty if none is
/// asked.
std::string keyless_provider(const Answer& answer, const Resources& resources);

}  // namespace meshauth::cli
