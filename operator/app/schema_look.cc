#include "operator/app/schema_look.h"

#include <prometheus/gauge.h>
#include <prometheus/registry.h>

#include <condition_variable>
#include <mutex>

#include "operator/app/cluster_keys.h"
#include "operator/log/log.h"

namespace meshauth::app {

SchemaLook::SchemaLook(const kube::ApiClient& api, http::Metrics& metrics)
    : api_(api),
      unfit_(prometheus::BuildGauge()
                 .Name("mesh_auth_definitions_unfit")
                 .Help("1 while definitions of our kinds are missing, older than this operator, or not served.")
                 .Register(metrics.registry())
                 .Add({})) {}

void SchemaLook::start() {
  thread_ = std::jthread([this](const std::stop_token& stop) {
    std::mutex mutex;
    std::condition_variable_any wake;
    std::unique_lock lock(mutex);
    while (!wake.wait_for(lock, stop, kEvery, [&] { return stop.stop_requested(); })) look();
  });
}

void SchemaLook::look() {
  const auto unfit = unfit_crds(api_);
  if (!unfit) return;  // what the API server does not say is no verdict; watches say that it is away
  unfit_.Set(unfit->empty() ? 0 : 1);
  if (*unfit == trouble_) return;
  trouble_ = *unfit;
  if (trouble_.empty()) {
    log::info("resource definitions fit again");
  } else {
    log::error("resource definitions do not fit", {{"error", trouble_}});
  }
}

}  // namespace meshauth::app
