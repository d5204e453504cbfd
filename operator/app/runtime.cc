#include "operator/app/runtime.h"

#include <prometheus/gauge.h>
#include <prometheus/registry.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "operator/app/key_metrics.h"
#include "operator/files/file.h"

namespace meshauth::app {
namespace {

constexpr std::chrono::seconds kCertificateRetry{10};

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

Result<fleet::Certificate> issue_certificate(const fleet::Certificate& authority, const Options& options,
                                             std::chrono::seconds lifetime) {
  const auto until = fleet::valid_until(authority.certificate_pem);
  if (!until) return tl::unexpected(until.error());
  const std::chrono::seconds left = *until - now();
  if (left.count() <= 0) return fail("the certificate authority has ended; rotate it: docs/how-to/rotate-mesh-keys.md");
  return fleet::issue_server_certificate(authority, certificate_names(options), now(), std::min(lifetime, left));
}

Result<plan::MeshSettings> mesh_settings(const Options& options) {
  auto text = files::read_template(options.templates, "auth.conf.mustache");
  if (!text) return tl::unexpected(text.error());
  return plan::MeshSettings{options.root_namespace, options.default_action, std::move(*text), {}, options.watched};
}

Runtime::Runtime(const Options& options, const MeshKeys& keys, std::uint64_t term, controllers::Index& index,
                 controllers::Recorder& recorder, FleetPage& page, http::Metrics& metrics)
    : options_(options),
      index_(index),
      metrics_(metrics),
      page_(page),
      world_(recorder),
      queue_(metrics),
      decisions_(metrics.registry()),
      authority_(keys.authority) {
  controllers_ = std::make_unique<controllers::Controllers>(
      index, world_,
      controllers::Controllers::Queue{
          [this](const controllers::Key& key) { queue_.add(key); },
          [this](const controllers::Key& key, std::chrono::milliseconds delay) { queue_.add_after(key, delay); }},
      decisions_, keys.signing, term,
      keys.previous_signing.empty() ? std::vector<std::string>() : std::vector<std::string>{keys.previous_signing});
}

Result<std::unique_ptr<fleet::FleetServer>> start_fleet(const Options& options, const MeshKeys& keys,
                                                        std::shared_ptr<fleet::Authenticator> authenticator,
                                                        fleet::FleetHandlers handlers, http::Metrics& metrics,
                                                        FleetPage& page) {
  auto certificate = issue_certificate(keys.authority, options, options.keys.fleet_lifetime);
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
  std::unique_ptr<Runtime> runtime(new Runtime(options, keys, term, index, recorder, parts.page, metrics));
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
  // The keys may be newer than those that the listener was started with: another one led meanwhile.
  runtime->renew_certificate();
  runtime->certificates_ =
      std::jthread([raw = runtime.get()](const std::stop_token& stop) { raw->keep_certificate(stop); });
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
  workers_ = std::make_unique<controllers::Workers>(queue_, *controllers_, options_.workers, metrics_);
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

void Runtime::set_authority(fleet::Certificate authority) {
  {
    const std::lock_guard lock(certificate_mutex_);
    authority_ = std::move(authority);
  }
  renew_certificate();
  certificate_changed_.notify_all();
}

bool Runtime::certified_by(const fleet::Certificate& authority) const {
  const std::lock_guard lock(certificate_mutex_);
  return certified_by_ == authority.certificate_pem;
}

void Runtime::renew_certificate() {
  const std::lock_guard lock(certificate_mutex_);
  const auto next = issue_certificate(authority_, options_, options_.keys.fleet_lifetime);
  const Status set =
      next ? fleet_->set_certificate(next->certificate_pem, next->key_pem) : tl::unexpected(next.error());
  const auto time = std::chrono::steady_clock::now();
  if (!set) {
    log::error("fleet certificate not renewed", {{"error", set.error()}});
    renew_at_ = time + kCertificateRetry;
    return;
  }
  certified_by_ = authority_.certificate_pem;
  page_.set_certificate("fleet", next->certificate_pem);
  const auto until = fleet::valid_until(next->certificate_pem).value_or(now());
  renew_at_ = time + std::max<std::chrono::seconds>(until - now(), std::chrono::seconds(3)) * 2 / 3;
  set_not_after(metrics_, "fleet-certificate", until);
  log::info("fleet certificate issued", {{"until", format_time(until)}});
}

/// Replaces the fleet's certificate at two thirds of its life.
void Runtime::keep_certificate(const std::stop_token& stop) {
  std::unique_lock lock(certificate_mutex_);
  while (!stop.stop_requested()) {
    const auto due = renew_at_;
    if (std::chrono::steady_clock::now() < due) {
      certificate_changed_.wait_until(lock, stop, due, [&] { return renew_at_ != due; });
      continue;
    }
    lock.unlock();
    renew_certificate();
    lock.lock();
  }
}

}  // namespace meshauth::app
