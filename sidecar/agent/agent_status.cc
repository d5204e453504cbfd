// What the agent says of itself over HTTP.
#include <nlohmann/json.hpp>

#include "sidecar/agent/agent_impl.h"

namespace meshauth::agent {

using nlohmann::json;

bool Agent::Impl::ready() {
  return !stopping_ && nginx_.running() && applier_ && applier_->was_ready();
}

HealthAnswer Agent::Impl::answer(std::string_view path) {
  if (path == "/startz") {
    // nginx binds its ports before it starts workers: from now on nobody else in the pod gets them.
    const bool started = nginx_.running() && applier_ && !applier_->workers().view().empty();
    return started ? HealthAnswer{200, "ok\n", false} : HealthAnswer{503, "nginx has no worker yet\n", false};
  }
  if (path == "/healthz") return {200, "ok\n", false};
  if (path == "/readyz") {
    if (stopping_) return {503, "stopping\n", false};
    return ready() ? HealthAnswer{200, "ok\n", false}
                   : HealthAnswer{503, "not every nginx worker has run a valid bundle yet\n", false};
  }
  if (path == "/status") return {200, status_json(), true};
  return {404, "there are /startz, /healthz, /readyz, /status and /probe/CONTAINER/KIND\n", false};
}

net::Task<HealthAnswer> Agent::Impl::probe(std::string name) {
  for (const AppProbe& probe : options_.probes) {
    if (probe.name == name) co_return co_await ask_application(probe);
  }
  co_return HealthAnswer{404, "no --probe has this name\n", false};
}

std::string Agent::Impl::status_json() {
  const auto epoch = applier_->highest_epoch();
  json out = {{"workload", options_.workload},
              {"revision", applier_->revision()},
              {"highestEpoch", {{"term", epoch.term}, {"sequence", epoch.sequence}}},
              {"state", to_string(applier_->state())},
              {"ready", ready()},
              {"nginxRunning", nginx_.running()},
              {"stream", {{"up", stream_.is_up()}, {"trouble", stream_.trouble()}}}};
  out["workers"] = json::array();
  for (const auto& worker : applier_->workers().view()) {
    out["workers"].push_back({{"pid", worker.pid}, {"revision", worker.revision}, {"draining", worker.draining}});
  }
  if (const auto& ack = applier_->last_ack()) {
    out["lastAck"] = {
        {"revision", ack->revision}, {"outcome", bundle::to_string(ack->outcome)}, {"detail", ack->detail}};
    if (ack->reload_ms) out["lastAck"]["reloadMs"] = *ack->reload_ms;
    if (ack->swap_ms) out["lastAck"]["swapMs"] = *ack->swap_ms;
  }
  return out.dump(2, ' ', false, json::error_handler_t::replace) + "\n";
}

}  // namespace meshauth::agent
