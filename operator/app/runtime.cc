#include "operator/app/runtime.h"

#include <prometheus/gauge.h>
#include <prometheus/registry.h>

#include <condition_variable>
#include <nlohmann/json.hpp>

#include "operator/files/file.h"

namespace meshauth::app {
namespace {

plan::Time now() {
  return std::chrono::floor<Seconds>(std::chrono::system_clock::now());
}

controllers::FetchResult to_fetch_result(const idp::SourceResult& result) {
  controllers::FetchResult out;
  out.consecutive_failures = result.consecutive_failures;
  out.time = result.time;
  out.next_fetch = result.next_fetch;
  if (result.outcome) {
    out.keys = result.outcome->keys;
    out.not_modified = result.outcome->not_modified;
    out.jwks_uri = result.outcome->jwks_uri;
    out.discovered_issuer = result.outcome->discovered_issuer;
    out.etag = result.outcome->etag;
  } else {
    out.error_reason = idp::source_fault_name(result.outcome.error().fault);
    out.error_message = result.outcome.error().message;
    out.discovery_failed = result.outcome.error().in_discovery;
  }
  return out;
}

}  // namespace

std::vector<std::string> certificate_names(const Options& options) {
  const std::string service = "mesh-auth-operator." + options.ns;
  std::vector<std::string> names{
      "mesh-auth-operator", service, service + ".svc", service + ".svc.cluster.local", "localhost", "127.0.0.1", "::1"};
  names.insert(names.end(), options.fleet_names.begin(), options.fleet_names.end());
  return names;
}

Result<plan::MeshSettings> mesh_settings(const Options& options) {
  auto text = files::read_template(options.templates, "auth.conf.mustache");
  if (!text) return tl::unexpected(text.error());
  return plan::MeshSettings{options.root_namespace, options.default_action, std::move(*text), {}, options.watched};
}

Runtime::Runtime(const Options& options, const MeshKeys& keys, std::uint64_t term, controllers::Index& index,
                 controllers::Recorder& recorder, http::Metrics& metrics)
    : keys_(keys), worker_count_(options.workers), index_(index), metrics_(metrics), world_(recorder), queue_(metrics) {
  controllers_ = std::make_unique<controllers::Controllers>(
      index, world_,
      controllers::Controllers::Queue{
          [this](const controllers::Key& key) { queue_.add(key); },
          [this](const controllers::Key& key, std::chrono::milliseconds delay) { queue_.add_after(key, delay); }},
      keys_.signing, term);
}

Result<std::unique_ptr<fleet::FleetServer>> start_fleet(const Options& options, const MeshKeys& keys,
                                                        std::shared_ptr<fleet::Authenticator> authenticator,
                                                        fleet::FleetHandlers handlers, http::Metrics& metrics,
                                                        FleetPage& page) {
  auto certificate =
      fleet::issue_server_certificate(keys.authority, certificate_names(options), now(), kFleetCertificateLifetime);
  if (!certificate) return tl::unexpected(certificate.error());
  fleet::FleetOptions fleet_options;
  fleet_options.listen = options.fleet_listen;
  fleet_options.certificate_pem = certificate->certificate_pem;
  fleet_options.key_pem = certificate->key_pem;
  auto fleet = fleet::FleetServer::start(std::move(fleet_options), std::move(authenticator), std::move(handlers),
                                         metrics.registry());
  if (!fleet) return fail("--fleet-listen={}: {}", options.fleet_listen, fleet.error().message);
  page.set_certificate("fleet", certificate->certificate_pem);
  return fleet;
}

std::unique_ptr<Runtime> Runtime::make(const Options& options, const MeshKeys& keys, std::uint64_t term,
                                       controllers::Index& index, controllers::Recorder& recorder, Parts parts,
                                       http::Metrics& metrics) {
  std::unique_ptr<Runtime> runtime(new Runtime(options, keys, term, index, recorder, metrics));
  controllers::Controllers& controllers = *runtime->controllers_;
  runtime->fleet_ = std::move(parts.fleet);
  idp::KeySources::Options source_options;
  source_options.guard.allow_loopback = options.provider_allow_loopback;
  source_options.cluster_keys = std::move(parts.cluster_keys);
  runtime->sources_ = std::make_unique<idp::KeySources>(
      std::move(source_options),
      [&controllers](const std::string& source, const idp::SourceResult& result) {
        controllers.on_fetched(source, to_fetch_result(result));
      },
      metrics);
  runtime->world_.connect(*runtime->fleet_, *runtime->sources_);
  runtime->export_counts(metrics);
  runtime->certificates_ = std::jthread([raw = runtime.get(), names = certificate_names(options), &page = parts.page](
                                            const std::stop_token& stop) { raw->keep_certificate(stop, names, page); });
  return runtime;
}

Runtime::~Runtime() {
  stop();
}

void Runtime::stop() {
  certificates_ = {};
  workers_.reset();
  sources_.reset();
  fleet_.reset();
}

void Runtime::lead() {
  controllers_->enqueue(index_.everything());
  workers_ = std::make_unique<controllers::Workers>(queue_, *controllers_, worker_count_, metrics_);
  fleet_->set_leader(true);
}

void Runtime::export_counts(http::Metrics& metrics) {
  auto& workloads = prometheus::BuildGauge()
                        .Name("mesh_auth_bundles")
                        .Help("Workloads with a bundle.")
                        .Register(metrics.registry())
                        .Add({});
  auto& family =
      prometheus::BuildGauge().Name("mesh_auth_sidecars").Help("Sidecars by state.").Register(metrics.registry());
  auto& programmed = family.Add({{"state", "programmed"}});
  auto& pending = family.Add({{"state", "pending"}});
  counts_hook_ = metrics.before_scrape([this, &workloads, &programmed, &pending] {
    const auto counts = controllers_->counts();
    workloads.Set(static_cast<double>(counts.workloads));
    programmed.Set(static_cast<double>(counts.programmed));
    pending.Set(static_cast<double>(counts.sidecars - counts.programmed));
  });
}

/// Replaces the fleet's certificate at two thirds of its life.
void Runtime::keep_certificate(const std::stop_token& stop, const std::vector<std::string>& names, FleetPage& page) {
  std::mutex mutex;
  std::condition_variable_any wake;
  std::unique_lock lock(mutex);
  for (;;) {
    wake.wait_for(lock, stop, kFleetCertificateLifetime * 2 / 3, [] { return false; });
    if (stop.stop_requested()) return;
    const auto next = fleet::issue_server_certificate(keys_.authority, names, now(), kFleetCertificateLifetime);
    const Status set =
        next ? fleet_->set_certificate(next->certificate_pem, next->key_pem) : tl::unexpected(next.error());
    if (set) {
      page.set_certificate("fleet", next->certificate_pem);
    } else {
      log::error("fleet certificate not renewed", {{"error", set.error()}});
    }
  }
}

}  // namespace meshauth::app
