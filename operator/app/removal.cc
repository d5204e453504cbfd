#include "operator/app/removal.h"

#include <nlohmann/json.hpp>
#include <random>
#include <set>

#include "operator/app/kube_recorder.h"
#include "operator/http/metrics.h"
#include "operator/kube/connection.h"
#include "operator/kube/lease.h"
#include "operator/log/log.h"

namespace meshauth::app {
namespace {

/// Deletes objects and remembers the first that would not go.
class Removal {
 public:
  Removal(const kube::ApiClient& api, const std::stop_token& stop) : api_(api), stop_(stop) {}

  void remove(const kube::Resource& resource, const std::string& ns, const std::string& name) {
    const auto gone = api_.remove(resource, ns, name, {}, stop_);
    if (gone) {
      log::info("deleted", {{"object", ns + "/" + name}, {"kind", std::string(resource.kind)}});
    } else if (!gone.error().not_found()) {
      keep(gone.error().error());
    }
  }

  /// Pages are read again from the first: each holds what is still there.
  void remove_labelled(const kube::Resource& resource, const std::string& of) {
    std::size_t before = 0;
    do {
      before = seen_.size();
      const auto page = api_.list_page(resource, {.ns = of, .label_selector = std::string(kRecordLabel)},
                                       {.limit = 200, .metadata_only = true}, stop_);
      if (!page) return keep(page.error().error());
      const auto items = (*page)->find("items");
      if (items == (*page)->end() || !items->is_array()) return;
      for (const auto& item : *items) {
        const std::string ns = kube::metadata(item, "namespace"), name = kube::metadata(item, "name");
        if (seen_.insert(ns + "/" + name).second) remove(resource, ns, name);
      }
    } while (seen_.size() > before && !stop_.stop_requested());
  }

  Status outcome() const { return first_; }

 private:
  void keep(const Error& error) {
    log::error("not deleted", {{"error", error}});
    if (first_) first_ = tl::unexpected(error);
  }

  const kube::ApiClient& api_;
  const std::stop_token& stop_;
  std::set<std::string> seen_;
  Status first_;
};

/// Whoever holds the Lease as POD_RANDOM: once there is no such pod, its node had said that nothing of it runs. Others,
/// which run outside of the cluster, are waited for.
bool is_pod_that_ended(const kube::ApiClient& api, const kube::LeaseOptions& lease, const std::string& holder,
                       const std::stop_token& stop) {
  const std::string pod = holder.substr(0, holder.rfind('_'));
  if (!pod.starts_with(lease.name + "-")) return false;
  const auto found = api.get(kube::kPods, lease.ns, pod, stop);
  return !found && found.error().not_found();
}

}  // namespace

Status remove_records(const Options& options, const std::stop_token& stop) {
  const auto config = kube::load_cluster_config({options.kubeconfig, options.context});
  if (!config) return tl::unexpected(config.error());
  const auto client = kube::connect(*config);
  if (!client) return tl::unexpected(client.error());
  http::Metrics metrics;
  const kube::ApiClient api(*client, {.host = kube::host_of(config->server)}, metrics);
  // An operator that is still ending would put back what is deleted: it writes no more once the Lease is ours.
  // It cannot give it back: helm takes its rights away before its pod.
  kube::LeaseOptions lease{.ns = options.ns, .identity = fmt::format("remove-records_{:08x}", std::random_device()())};
  lease.has_ended = [&, asked = lease](const std::string& holder) {
    return is_pod_that_ended(api, asked, holder, stop);
  };
  kube::Elector elector(api, std::move(lease), metrics, kube::system_clock(), [&](const std::string& why) {
    log::info("waiting for the operator's end", {{"object", options.ns}, {"message", why}});
  });
  auto leadership = elector.lead([](const std::string& why) { log::error("Lease lost", {{"message", why}}); }, stop);
  if (!leadership) return tl::unexpected(leadership.error());
  if (*leadership == nullptr) return fail("ended before it began: another operator leads");
  Removal removal(api, stop);
  auto places = options.watched;
  places.insert(places.empty() ? "" : options.ns);  // key sets are in the operator's own
  for (const std::string& place : places) removal.remove_labelled(kube::kConfigMaps, place);
  removal.remove(kube::kSecrets, options.ns, "mesh-auth-keys");
  leadership->reset();
  removal.remove(kube::kLeases, options.ns, kube::LeaseOptions{}.name);
  return removal.outcome();
}

}  // namespace meshauth::app
