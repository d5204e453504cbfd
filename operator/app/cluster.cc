#include "operator/app/cluster.h"

#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <nlohmann/json.hpp>
#include <random>

#include "operator/app/cluster_keys.h"
#include "operator/app/cluster_source.h"
#include "operator/app/health.h"
#include "operator/app/injector.h"
#include "operator/app/key_rotator.h"
#include "operator/app/kube_recorder.h"
#include "operator/app/runtime.h"
#include "operator/app/schema_look.h"
#include "operator/kube/connection.h"
#include "operator/kube/lease.h"

namespace meshauth::app {
namespace {

/// Unique per process: a pod that restarts is another holder.
std::string identity() {
  std::array<char, 256> host{};
  gethostname(host.data(), host.size() - 1);
  std::random_device random;
  return fmt::format("{}_{:08x}{:08x}", host.data(), random(), random());
}

/// What readiness waits for; written by the main thread, read by the listener's.
class Trouble {
 public:
  void set(std::string text) {
    const std::lock_guard lock(mutex_);
    text_ = std::move(text);
  }
  std::string get() const {
    const std::lock_guard lock(mutex_);
    return text_;
  }

 private:
  mutable std::mutex mutex_;
  std::string text_ = "starting";
};

/// Tries until it works, for what waiting can help: an API server that is down, kinds that are not there yet.
template <class Try>
auto patiently(const std::stop_token& stop, const std::string& what, Trouble& trouble, Try attempt)
    -> decltype(attempt()) {
  constexpr std::chrono::seconds kPause{2};
  std::mutex mutex;
  std::condition_variable_any wake;
  std::string said;
  for (;;) {
    auto outcome = attempt();
    if (outcome || stop.stop_requested()) return outcome;
    if (said != outcome.error().message) {
      said = outcome.error().message;
      trouble.set(what + ": " + said);
      log::warning("waiting", {{"object", what}, {"error", said}});
    }
    std::unique_lock lock(mutex);
    wake.wait_for(lock, stop, kPause, [] { return false; });
  }
}

ClusterSource::Handlers source_handlers(Runtime*& runtime, KubeRecorder*& recorder, kube::EventRecorder& events) {
  return {.touched = [&runtime](const controllers::Keys& keys) { runtime->controllers().enqueue(keys); },
          .pod_gone =
              [&runtime](const std::string& pod, const std::string& workload) {
                runtime->controllers().on_pod_gone(workload, pod);
                runtime->fleet().pod_closed(pod);
              },
          .record_changed =
              [&runtime, &recorder](const std::string& kind, const std::string& key, const std::string& version) {
                if (recorder->is_ours(key, version)) return;
                const auto slash = key.find('/');
                if (kind == kTrustRecord) recorder->restore_trust(key.substr(0, slash));
                const std::string prefix = bundle_record_name("");
                if (kind == kBundleRecord && key.substr(slash + 1).starts_with(prefix)) {
                  runtime->controllers().enqueue({{controllers::Kind::Workload,
                                                   key.substr(0, slash + 1) + key.substr(slash + 1 + prefix.size())}});
                }
              },
          .pod_refused =
              [&events](const std::string& pod, const std::string& message) {
                log::warning("pod refused", {{"object", pod}, {"message", message}});
                const auto [ns, name] = kube::split_key(pod);
                events.emit({"v1", "Pod", ns, name, "", ""}, kube::EventRecorder::Type::Warning, "InvalidWorkload",
                            message);
              }};
}

fleet::FleetHandlers fleet_handlers(Runtime*& runtime) {
  return {
      .on_ack =
          [&runtime](const fleet::SidecarAck& ack) { runtime->controllers().on_ack(ack.workload, ack.pod, ack.ack); },
      .on_report =
          [&runtime](const fleet::SidecarReport& report) {
            runtime->controllers().on_report(report.workload, report.pod, report.report);
          },
      .on_connect = [&runtime](const std::string& pod,
                               const std::string& workload) { runtime->controllers().on_connect(workload, pod); },
      .on_disconnect = [&runtime](
                           const std::string& pod,
                           const std::string& workload) { runtime->controllers().on_disconnect(workload, pod); }};
}

std::shared_ptr<fleet::Authenticator> authenticator(const kube::ApiClient& api, const controllers::Index& index) {
  return std::make_shared<fleet::KubernetesAuthenticator>(
      [&api](std::string_view token) { return review_token(api, token); },
      [&index](std::string_view id) -> std::optional<fleet::KnownPod> {
        const auto pod = index.pod(std::string(id));
        if (!pod) return std::nullopt;
        return fleet::KnownPod{pod->uid, pod->workload.substr(pod->workload.find('/') + 1)};
      },
      [&index](const std::string& ns) { return index.mesh().watches(ns); });
}

Result<std::string> cluster_keys(const kube::ApiClient& api, const std::stop_token& stop) {
  constexpr std::size_t kMaxKeys = 1024 * 1024;
  const auto answer = api.get_raw("/openid/v1/jwks", kMaxKeys, stop);
  if (!answer) return tl::unexpected(answer.error().error());
  return answer->body;
}

/// In this order nothing calls what is gone.
Status stopped(ClusterSource& source, Runtime& runtime, KubeRecorder& recorder, Status outcome) {
  source.stop();
  runtime.stop();
  recorder.stop();
  return outcome;
}

}  // namespace

Status run_in_cluster(const Options& options, const std::stop_token& stop) {
  const auto mesh = mesh_settings(options);
  if (!mesh) return tl::unexpected(mesh.error());
  const auto config = kube::load_cluster_config({options.kubeconfig, options.context});
  if (!config) return tl::unexpected(config.error());
  const auto client = kube::connect(*config);
  if (!client) return tl::unexpected(client.error());

  http::Metrics metrics;
  Trouble trouble;
  FleetPage fleet_page;
  auto health = start_health(options.metrics_listen, metrics, fleet_page, [&] { return trouble.get(); });
  if (!health) return tl::unexpected(health.error());
  const kube::ApiClient api(*client, {.host = kube::host_of(config->server)}, metrics);
  log::info("operator starts", {{"server", config->server}, {"namespace", options.ns}, {"root", mesh->root_namespace}});

  SchemaLook schema(api, metrics);
  // With older ones the API server would drop what it does not know, and a rule would say something else than was
  // written.
  if (!patiently(stop, config->server, trouble, [&] { return check_crds(api); })) return {};

  const auto read_keys = [&](const std::stop_token& until) {
    return patiently(until, "Secret mesh-auth-keys", trouble,
                     [&] { return keys_in_secret(api, options.ns, options.keys.authority.lifetime); });
  };
  auto keys = read_keys(stop);
  if (!keys) return {};
  schema.start();
  trouble.set("starting");
  controllers::Index index(*mesh);
  Runtime* live_runtime = nullptr;
  auto fleet =
      start_fleet(options, *keys, authenticator(api, index), fleet_handlers(live_runtime), metrics, fleet_page);
  if (!fleet) return tl::unexpected(fleet.error());

  // Only the leader writes, serves streams and asks providers; its term makes its bundles the newer ones.
  std::stop_source ended;
  const std::stop_callback forward(stop, [&] { ended.request_stop(); });
  std::atomic<bool> lost{false};
  const std::string who = identity();
  kube::Elector elector(
      api, {.ns = options.ns, .identity = who, .min_term = options.min_term}, metrics, kube::system_clock(),
      [&](const std::string& why) {
        trouble.set("not the leader: " + why);
        log::info("waiting to lead", {{"object", options.ns + "/mesh-auth-operator"}, {"message", why}});
      });
  auto leadership = elector.lead(
      [&](const std::string& why) {
        log::error("leadership lost", {{"message", why}});
        lost = true;
        ended.request_stop();
      },
      stop);
  if (!leadership) return tl::unexpected(leadership.error());
  if (*leadership == nullptr) return {};

  keys = read_keys(ended.get_token());  // whoever led before may have replaced some
  if (!keys) return {};
  kube::EventRecorder events(api, {.instance = who}, metrics);
  KubeRecorder* live_recorder = nullptr;
  ClusterSource source(api, index, options.ns, source_handlers(live_runtime, live_recorder, events), metrics);
  const auto records = [&](const std::string& ns) -> const kube::Store& { return source.records(ns); };
  KubeRecorder recorder(api, records, index, events, options.ns, keys->trust(),
                        [&](const std::string& workload, const std::string& revision, const Status& outcome) {
                          live_runtime->controllers().on_recorded(workload, revision, outcome);
                        });
  const auto runtime = Runtime::make(
      options, *keys, (*leadership)->term(), index, recorder,
      {std::move(*fleet), [&api](const std::stop_token& fetch) { return cluster_keys(api, fetch); }, fleet_page},
      metrics);
  live_recorder = &recorder;  // NOLINT(clang-analyzer-deadcode.DeadStores): source_handlers holds a reference to it
  live_runtime = runtime.get();

  trouble.set("the first lists are not in yet");
  const auto restored = patiently(ended.get_token(), "records", trouble, [&] {
    return restore_records(api, options.ns, options.watched, live_runtime->controllers());
  });
  source.start();
  std::unique_ptr<Injector> injector;
  std::unique_ptr<KeyRotator> rotator;
  if (restored && source.wait_synced(ended.get_token())) {
    auto started = Injector::start(options, *keys, api, index, metrics, fleet_page);
    if (!started) return stopped(source, *runtime, recorder, tl::unexpected(started.error()));
    injector = std::move(*started);
    live_runtime->lead();
    fleet_page.show([live_runtime] { return live_runtime->controllers().fleet_state(); });
    rotator = std::make_unique<KeyRotator>(options, *keys,
                                           KeyRotator::Parts{api, *runtime, recorder, injector.get(), events, metrics});
    trouble.set("");
    log::info("operator leads", {{"term", (*leadership)->term()}, {"fleet", options.fleet_listen}});
    std::mutex mutex;
    std::condition_variable_any wake;
    std::unique_lock lock(mutex);
    while (!ended.stop_requested()) {
      wake.wait_for(lock, ended.get_token(), std::chrono::seconds(1), [] { return false; });
      trouble.set(source.trouble());
    }
  }
  rotator.reset();
  fleet_page.hide();
  injector.reset();
  static_cast<void>(stopped(source, *runtime, recorder, {}));
  log::info("operator ends", {{"lost", lost.load()}});
  if (lost) return fail("another operator took the lead, or the Lease could not be renewed in time");
  return {};
}

}  // namespace meshauth::app
