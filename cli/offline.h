// One workload's decisions without a cluster: the bundle that the operator would make, and the engine that nginx runs.
#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cli/resources.h"
#include "core/engine/decide.h"
#include "core/policy/explain.h"

namespace meshauth::cli {

/// Keys for providers that fetch theirs: one set for all. None: tokens of such providers are refused.
using Keys = std::optional<jose::KeySet>;

/// The plan's bundle for the workload (NS/NAME), ready to decide. Errors: the workload's name, the plan's.
Result<std::unique_ptr<engine::Snapshot>> offline_snapshot(const Resources& resources, const ResourceOptions& options,
                                                           const std::string& workload, const Keys& keys);

/// What a request says, but for its caller.
struct OfflineRequest {
  std::string method, target, host;
  std::uint16_t port = 0;
  IpAddress source;
  std::vector<std::pair<std::string, std::string>> headers;  ///< names in lower case
};

/// Who asks: nobody, a token, or claims that count as verified by one provider.
struct OfflineCaller {
  std::string token;
  std::string provider;  ///< of claims
  nlohmann::json claims;
};

struct Answer {
  bool allow = false;
  Reason reason = Reason::internal;
  std::string policy, rule, detail;
  std::optional<policy::Explanation> explanation;  ///< where policies were asked at all

  int status() const { return reason_status(reason); }
  /// {"decision","status","reason","policy","rule"}
  nlohmann::ordered_json json() const;
};

/// now: unix seconds. Errors: claims that are no object, a provider that is not there.
Result<Answer> answer(engine::Snapshot& snapshot, const Resources& resources, const OfflineRequest& request,
                      const OfflineCaller& caller, const policy::PathAllow& allow, double now);

}  // namespace meshauth::cli
