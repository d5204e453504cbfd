// What the fleet is doing, for whoever asks: meshauthctl check and status.
#include "core/base/text.h"
#include "operator/controllers/controllers.h"

namespace meshauth::controllers {
namespace {

using nlohmann::json;

constexpr std::size_t kMostDetail = 256;

}  // namespace

void Controllers::on_connect(const std::string& workload, const std::string& pod) {
  const plan::Time now = world_.now();
  const std::lock_guard lock(mutex_);
  Sidecar& sidecar = states_[workload].sidecars[pod];
  ++sidecar.streams;
  sidecar.connection = now;
}

void Controllers::on_disconnect(const std::string& workload, const std::string& pod) {
  const plan::Time now = world_.now();
  const bool known = index_.pod(pod).has_value();
  const std::lock_guard lock(mutex_);
  const auto state = states_.find(workload);
  if (state == states_.end()) return;
  const auto sidecar = state->second.sidecars.find(pod);
  if (sidecar == state->second.sidecars.end()) return;
  sidecar->second.streams = std::max(0, sidecar->second.streams - 1);
  sidecar->second.connection = now;
  // A pod that went before its stream was seen to open: nobody else will forget it.
  if (!known && sidecar->second.streams == 0) state->second.sidecars.erase(sidecar);
}

json Controllers::fleet_state() const {
  std::vector<std::string> ids;
  {
    const std::lock_guard lock(mutex_);
    ids.reserve(states_.size());
    for (const auto& [id, state] : states_) ids.push_back(id);
  }
  std::sort(ids.begin(), ids.end());
  std::size_t left = kMostSidecarsTold;
  bool truncated = false;
  json workloads = json::array();
  for (const std::string& id : ids) {
    const auto pods = index_.pods(id);
    const std::lock_guard lock(mutex_);
    const auto state = states_.find(id);
    if (state == states_.end() || !state->second.current) continue;
    json sidecars = json::array();
    for (const Pod& pod : pods) {
      if (pod.deleting) continue;
      if (left == 0) {
        truncated = true;
        break;
      }
      --left;
      const auto known = state->second.sidecars.find(pod.id);
      sidecars.push_back(sidecar_json(pod.id, known == state->second.sidecars.end() ? Sidecar{} : known->second));
    }
    workloads.push_back({{"name", id},
                         {"revision", state->second.current->manifest.revision},
                         {"publishedTime", format_time(state->second.published_at)},
                         {"sidecars", std::move(sidecars)}});
  }
  return {{"time", format_time(world_.now())},
          {"term", term_},
          {"truncated", truncated},
          {"workloads", std::move(workloads)}};
}

json Controllers::sidecar_json(const std::string& pod, const Sidecar& sidecar) {
  json out{{"pod", pod.substr(pod.find('/') + 1)}, {"connected", sidecar.streams > 0}};
  if (sidecar.connection != plan::Time{}) out["connectionTime"] = format_time(sidecar.connection);
  if (sidecar.skew) out["skewSeconds"] = *sidecar.skew;
  if (!sidecar.ack) return out;
  if (!sidecar.applied.empty()) out["revision"] = sidecar.applied;
  out["ackRevision"] = sidecar.ack->revision;
  out["outcome"] = bundle::to_string(sidecar.ack->outcome);
  out["ackTime"] = format_time(sidecar.acked);
  if (!sidecar.ack->detail.empty()) out["detail"] = utf8_prefix(sidecar.ack->detail, kMostDetail);
  return out;
}

}  // namespace meshauth::controllers
