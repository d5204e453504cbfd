// What a start waits for, looked at while the operator runs: a roll-back of the chart or of a folder in Git may bring
// older definitions, and the API server then drops what they do not know.
#pragma once

#include <chrono>
#include <string>
#include <thread>

#include "operator/http/metrics.h"
#include "operator/kube/api_client.h"

namespace prometheus {
class Gauge;
}

namespace meshauth::app {

/// Says it in the log once each time, and in mesh_auth_definitions_unfit. It stops nothing: what sidecars have is
/// right, and an operator that took no more changes could not take the one that mends it.
class SchemaLook {
 public:
  static constexpr std::chrono::seconds kEvery{15};  ///< two objects of some 50 KB are read each time

  /// Both outlive it.
  SchemaLook(const kube::ApiClient& api, http::Metrics& metrics);
  /// From now on every kEvery, in a thread of its own that ends with this object.
  void start();
  void look();

 private:
  const kube::ApiClient& api_;
  prometheus::Gauge& unfit_;
  std::string trouble_;  // of the last look
  std::jthread thread_;
};

}  // namespace meshauth::app
