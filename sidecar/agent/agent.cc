#include "sidecar/agent/agent.h"

#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "core/base/digest.h"
#include "core/engine/resource_metadata.h"
#include "operator/log/log.h"
#include "sidecar/agent/agent_impl.h"
#include "sidecar/agent/drain.h"

namespace meshauth::agent {
namespace {

using namespace std::chrono_literals;

constexpr auto kFallbackLook = 5s;
/// The record is written after the bundle was sent: what is not here by then does not come by the stream.
constexpr auto kStreamGrace = 1s;
constexpr std::size_t kMaxTrustBytes = 256 * 1024;

Status check_files(const Options& options) {
  if (::access(options.nginx.c_str(), X_OK) != 0)
    return fail("--nginx: {} is no program; install nginx", options.nginx);
  const bool by_module = options.flavour == model::Flavour::Module;
  if (by_module && ::access(options.module.c_str(), R_OK) != 0)
    return fail("--module: {} cannot be read", options.module);
  const auto conf = options.templates + "/nginx.conf.mustache";
  if (::access(conf.c_str(), R_OK) != 0) return fail("--templates: {} cannot be read", conf);
  if (!options.fallback_dir.empty() && !std::filesystem::is_directory(options.fallback_dir)) {
    return fail("--fallback-dir: {} is no folder", options.fallback_dir);
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<Agent>> Agent::create(Options options) {
  auto impl = std::make_unique<Impl>(std::move(options));
  if (const auto prepared = impl->prepare(); !prepared) return tl::unexpected(prepared.error());
  return std::unique_ptr<Agent>(new Agent(std::move(impl)));
}

Agent::Agent(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Agent::~Agent() = default;
int Agent::run() {
  return impl_->run();
}

Agent::Impl::Impl(Options options)
    : options_(std::move(options)),
      nginx_(io_, processes_, options_, [this] { applier_->nginx_ended(); }),
      stream_(io_, dialer_, {},
              {[this] { return applier_->revision(); }, [this](const ServerEvent& event) { on_event(event); },
               [this] {
                 // To whoever leads now: it waits for it while keys change.
                 poster_.reports().set_trust(trust_told_);
                 poster_.set_up(true);
               },
               [this] {
                 poster_.set_up(false);
                 look_at_fallback();
               }}),
      report_buffer_(engine::kMaxWorkerReportBytes + 1, '\0') {}

Status Agent::Impl::prepare() {
  if (const auto files = check_files(options_); !files) return files;
  if (const auto trust = read_trust(); !trust) return tl::unexpected(trust.error());
  if (const auto conf = nginx_.prepare(); !conf) return conf;
  if (!decides()) {
    if (const auto socket = open_socket(); !socket) return socket;
  }
  auto health = HealthServer::start(
      io_, options_.health_listen, [this](std::string_view path) { return answer(path); },
      [this](std::string name) { return probe(std::move(name)); });
  if (!health) return tl::unexpected(health.error());
  health_ = std::move(*health);
  if (const auto folder = open_folder(); !folder) return folder;
  return decides() ? open_decisions() : Status();
}

Status Agent::Impl::open_folder() {
  auto folder = BundleFolder::open(options_.bundle_dir);
  if (!folder) return tl::unexpected(folder.error());
  std::optional<bundle::Bundle> current;
  auto held = folder->current(*read_trust(), options_.workload);
  if (held) {
    current = std::move(*held);
  } else {
    log::warning("the bundle on disk is not used", {{"error", held.error()}});
  }
  if (const auto tested = test_configuration(current); !tested) return tested;
  if (current) log::info("going on with the bundle on disk", {{"revision", current->manifest.revision}});
  applier_ = std::make_unique<Applier>(
      io_, std::move(*folder), nginx_, options_.workers, ApplyLimits{},
      [this](const bundle::Ack& ack) {
        poster_.ack(ack);
        if (ack.outcome == bundle::Outcome::Applied) look_at_trust();  // its signature may be of another key
      },
      std::move(current));
  serve_metadata();
  return {};
}

void Agent::Impl::serve_metadata() {
  const auto resource = engine::protected_resource(options_.resource_metadata);
  if (!resource) return;
  applier_->on_switch([this, resource = *resource](const bundle::Bundle& bundle) {
    const auto document = engine::resource_metadata(resource, bundle.files.at("jwks.json"));
    const auto written = document ? write_file(metadata_file(options_), *document) : tl::unexpected(document.error());
    if (!written) log::error("--resource-metadata: the document is not current", {{"error", written.error()}});
  });
}

// A bundle whose auth.conf this nginx does not take is not used; without any, what is wrong is the command line.
Status Agent::Impl::test_configuration(std::optional<bundle::Bundle>& current) {
  const auto passes = [this](const std::string& auth_conf) {
    std::optional<Status> result;
    nginx_.test(auth_conf, [&](Status status) { result = std::move(status); });
    while (!result) io_.run_one();
    return *result;
  };
  if (current) {
    const auto& auth_conf = current->files.at("auth.conf");
    const auto tested = passes(auth_conf);
    if (tested) return nginx_.install(auth_conf);
    log::warning("the bundle on disk is not used", {{"error", tested.error()}});
    current.reset();
  }
  if (const auto tested = passes(""); !tested) return tested;
  return nginx_.install("");
}

Status Agent::Impl::open_socket() {
  const auto path = nginx_.agent_socket();
  if (path.size() >= sizeof(sockaddr_un::sun_path)) {
    return fail("--work-dir: {} is too long for a socket's path; at most {} bytes", path,
                sizeof(sockaddr_un::sun_path) - 1);
  }
  ::unlink(path.c_str());
  net::error_code error;
  reports_.open(net::asio::local::datagram_protocol(), error);
  const auto before = ::umask(0077);  // its workers are of our user; nobody else has anything to say here
  if (!error) reports_.bind(net::asio::local::datagram_protocol::endpoint(path), error);
  ::umask(before);
  if (error) return fail("--work-dir: cannot listen on {}: {}", path, error.message());
  return {};
}

int Agent::Impl::run() {
  ::signal(SIGPIPE, SIG_IGN);
  wait_for_signal();
  wait_for_drain();
  if (!decides()) receive_reports();
  nginx_.start();
  if (decides()) watch_stock_workers();
  watch_trust();
  stream_.start();
  poster_.start();
  if (!options_.fallback_dir.empty()) {
    fallback_.emplace(io_, options_.fallback_dir, kFallbackLook, [this] { look_at_fallback(); });
    fallback_->start();
    look_at_fallback();
  }
  io_.run();
  return exit_code_;
}

void Agent::Impl::wait_for_signal() {
  for (const int signal : {SIGTERM, SIGINT, SIGQUIT}) signals_.add(signal);
  signals_.async_wait([this](net::error_code error, int signal) {
    if (error) return;
    log::info("stopping", {{"signal", ::strsignal(signal)}});
    shut_down(signal != SIGINT);
    // A second one is not waited for: it ends us at once, and nginx with us.
    signals_.clear();
  });
}

void Agent::Impl::wait_for_drain() {
  drain_.add(SIGUSR1);
  drain_.async_wait([this](net::error_code error, int) {
    if (error || stopping_) return;
    log::info("the pod is ending: clients keep no connection from now on", {});
    if (const auto asked = nginx_.drain(); !asked) log::warning("nginx cannot drain", {{"error", asked.error()}});
  });
  // Only now: before there is a handler the signal would end us.
  const auto written = write_file(pid_file(options_.work_dir), std::to_string(::getpid()));
  if (!written) log::warning("--drain will not find this agent", {{"error", written.error()}});
}

void Agent::Impl::shut_down(bool graceful) {
  stopping_ = true;
  nginx_.stop(graceful, options_.quit_timeout, [this] {
    ::unlink(nginx_.agent_socket().c_str());
    io_.stop();
  });
}

void Agent::Impl::watch_trust() {
  const auto folder = std::filesystem::path(options_.trust_file).parent_path().string();
  trust_watch_.emplace(io_, folder.empty() ? "." : folder, kFallbackLook, [this] { look_at_trust(); });
  trust_watch_->start();
  look_at_trust();
}

// Whatever needs the trust reads the file itself; here the operator is told which one that is by now.
void Agent::Impl::look_at_trust() {
  const auto trust = read_trust();
  const std::string trouble = trust ? "" : trust.error().message;
  if (trouble != trust_trouble_ && !trouble.empty()) log::warning("the trust cannot be read", {{"error", trouble}});
  trust_trouble_ = trouble;
  if (!trust) return;
  bundle::TrustReport now;
  for (const auto& key : trust->signing_keys) now.signing_keys.push_back(sha256_hex(key));
  for (const auto& authority : trust->certificate_authorities) now.authorities.push_back(sha256_hex(authority));
  if (const auto signer = applier_->signer(*trust)) now.signed_by = sha256_hex(*signer);
  if (now == trust_told_) return;
  log::info("trust in use", {{"signingKeys", now.signing_keys.size()},
                             {"authorities", now.authorities.size()},
                             {"signedBy", now.signed_by.substr(0, 12)}});
  trust_told_ = now;
  poster_.reports().set_trust(std::move(now));
  poster_.wake();
  // What was not to be believed before may be now.
  if (std::exchange(is_refused_, false)) stream_.start_over();
  look_at_fallback();
}

/// The same revision under a signature that lasts longer: the held one's key is not trusted any more, or is the older.
bool Agent::Impl::is_signed_better(const bundle::Bundle& bundle, const bundle::Trust& trust) const {
  const auto held = applier_->signer(trust);
  const auto offered = bundle::signer_of(bundle, trust);
  return offered && offered != held && (!held || *offered == trust.signing_keys.front());
}

Result<bundle::Trust> Agent::Impl::read_trust() const {
  const auto text = read_file(options_.trust_file, kMaxTrustBytes);
  if (!text) return fail("--trust: {}", text.error().message);
  auto trust = bundle::Trust::parse(*text);
  if (!trust) return fail("--trust {}: {}", options_.trust_file, trust.error().message);
  return trust;
}

void Agent::Impl::receive_reports() {
  reports_.async_receive(net::asio::buffer(report_buffer_), [this](net::error_code error, std::size_t size) {
    if (error == net::asio::error::operation_aborted) return;
    const auto report = engine::parse_worker_report(std::string_view(report_buffer_).substr(0, error ? 0 : size));
    if (report) {
      applier_->note(*report);
      poster_.reports().add(*report);
      if (!poster_.reports().empty()) poster_.wake();
    } else {
      log::warning("a datagram was not understood", {{"error", report.error()}});
    }
    receive_reports();
  });
}

void Agent::Impl::on_event(const ServerEvent& event) {
  if (stopping_) return;
  if (event.name == bundle::kBundleEvent) return on_bundle(event);
  if (event.name == bundle::kPingEvent) return on_ping(event);
  // An event of a newer operator; bundles still say all that this one needs.
}

void Agent::Impl::on_bundle(const ServerEvent& event) {
  const auto decoded = bundle::decode_bundle_event(event.data);
  if (!decoded) return refuse(event.id, decoded.error().message);
  auto bundle = assemble(*decoded);
  is_refused_ = !bundle;
  if (!bundle) {
    refuse(event.id, bundle.error().message);
    return;
  }
  const auto revision = bundle->manifest.revision;
  if (const auto taken = applier_->offer(std::move(*bundle)); !taken) refuse(revision, taken.error().message);
}

Result<bundle::Bundle> Agent::Impl::assemble(const bundle::BundleEvent& event) {
  const auto trust = read_trust();
  if (!trust) return tl::unexpected(trust.error());
  const auto manifest = bundle::open_manifest(event.manifest_json, event.signature, *trust, options_.workload);
  if (!manifest) return tl::unexpected(manifest.error());
  bundle::Files files = event.files;
  for (const auto& entry : manifest->files) {
    if (files.contains(entry.name)) continue;
    const auto content = applier_->content(entry);
    if (!content) {
      stream_.start_over();
      return fail("{} was not sent, and is not at hand; asking for all of it", entry.name);
    }
    files.emplace(entry.name, *content);
  }
  return bundle::open_bundle(event.manifest_json, event.signature, std::move(files), *trust, options_.workload);
}

void Agent::Impl::refuse(const std::string& revision, const std::string& detail) {
  log::warning("a bundle was refused, the one in force goes on", {{"revision", revision}, {"error", detail}});
  poster_.ack({revision, bundle::Outcome::Refused, detail, {}, {}});
}

void Agent::Impl::on_ping(const ServerEvent& event) {
  const auto ping = bundle::decode_ping_event(event.data);
  if (!ping) return log::warning("a ping was not understood", {{"error", ping.error()}});
  const std::chrono::duration<double> now = std::chrono::system_clock::now().time_since_epoch();
  if (ping->now > 0) poster_.reports().set_skew(now.count() - ping->now);
  if (!ping->fresh_json.empty()) take_fresh(ping->fresh_json, ping->signature);
}

void Agent::Impl::take_fresh(const std::string& json, const std::string& signature) {
  const auto trust = read_trust();
  if (!trust) return log::warning("fresh.json cannot be checked", {{"error", trust.error()}});
  const auto taken = applier_->folder().set_fresh(json, signature, *trust);
  if (!taken) log::warning("fresh.json was not taken", {{"error", taken.error()}});
}

/// While a stream is up the folder counts only where it stays ahead: the stream's packets may be lost without a word.
bool Agent::Impl::is_fallback_due(const std::string& manifest, const std::string& signature,
                                  const bundle::Trust& trust) {
  if (!stream_.is_up()) {
    fallback_ahead_.reset();
    return true;
  }
  const auto opened = bundle::open_manifest(manifest, signature, trust, options_.workload);
  if (!opened || !(applier_->highest_epoch() < opened->epoch)) {
    fallback_ahead_.reset();
    return false;
  }
  const auto now = std::chrono::steady_clock::now();
  if (!fallback_ahead_) fallback_ahead_ = now;
  const auto due = *fallback_ahead_ + kStreamGrace;
  if (due <= now) return true;
  fallback_wait_.expires_at(due);
  fallback_wait_.async_wait([this](net::error_code error) {
    if (!error) look_at_fallback();
  });
  return false;
}

void Agent::Impl::look_at_fallback() {
  if (options_.fallback_dir.empty() || stopping_) return;
  const auto& folder = options_.fallback_dir;
  const auto manifest = read_file(folder + "/manifest.json", bundle::kMaxBundleBytes);
  if (!manifest) return;
  const auto signature = read_file(folder + "/manifest.json.sig", kMaxTrustBytes).value_or("");
  const auto trust = read_trust();
  if (!is_fallback_due(*manifest, signature, trust.value_or(bundle::Trust{}))) return;
  const auto look = *manifest + signature + (trust ? trust->to_json() : trust.error().message);
  const auto fresh = read_file(folder + "/fresh.json", bundle::kMaxBundleBytes);
  if (fresh && (look != fallback_seen_ || *fresh != applier_->folder().fresh_json())) {
    take_fresh(*fresh, read_file(folder + "/fresh.json.sig", kMaxTrustBytes).value_or(""));
  }
  if (look == fallback_seen_) return;
  auto bundle = trust ? read_bundle(folder, *trust, options_.workload) : tl::unexpected(trust.error());
  if (!bundle) {
    // kubelet swaps a link in the folder while we read: the next look sees the whole.
    return log::warning("the mounted bundle is not used", {{"folder", folder}, {"error", bundle.error()}});
  }
  fallback_seen_ = look;
  const auto revision = bundle->manifest.revision;
  if (revision == applier_->revision() && !is_signed_better(*bundle, *trust)) return;
  log::info("taking the mounted bundle", {{"folder", folder}, {"revision", revision}});
  if (const auto taken = applier_->offer(std::move(*bundle)); !taken) {
    log::warning("the mounted bundle was refused", {{"error", taken.error()}});
  }
}

}  // namespace meshauth::agent
