#include "operator/app/injector.h"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

#include "operator/app/key_metrics.h"
#include "operator/app/runtime.h"
#include "operator/files/file.h"
#include "operator/webhook/authority.h"

namespace meshauth::app {
namespace {

using nlohmann::json;
using std::chrono::steady_clock;

constexpr std::chrono::seconds kHeard{5};  // until every API server works with a configuration that was written
constexpr std::chrono::seconds kLook{10};  // at the configuration, and at files that others make
constexpr std::size_t kMostPem = 256 * 1024;
constexpr std::size_t kMostVersion = 64 * 1024;
constexpr int kNativeSince = 29;  // of 1.x: the feature gate SidecarContainers is on

Result<inject::Settings> settings_of(const Options& options, const kube::ApiClient& api) {
  inject::Settings settings;
  settings.image = options.injection.image;
  settings.pull_policy = options.injection.pull_policy;
  settings.operator_url = options.injection.operator_url.empty()
                              ? fmt::format("https://mesh-auth-operator.{}.svc:8443", options.ns)
                              : options.injection.operator_url;
  if (!options.injection.resources.empty()) {
    settings.resources = json::parse(options.injection.resources, nullptr, false);
    if (settings.resources.is_discarded())
      return fail("--sidecar-resources is no JSON; {{\"limits\": {{\"memory\": \"256Mi\"}}}} would be right");
  }
  if (auto checked = inject::check(settings); !checked) return fail("{} (flags --sidecar-*)", checked.error().message);
  settings.native_sidecars = options.injection.native == "on";
  if (options.injection.native == "auto") {
    const auto version = api.get_raw("/version", kMostVersion);
    if (!version) return tl::unexpected(version.error().error());
    const auto native = has_native_sidecars(version->body);
    if (!native) return tl::unexpected(native.error());
    settings.native_sidecars = *native;
  }
  return settings;
}

}  // namespace

Result<bool> has_native_sidecars(std::string_view text) {
  const json version = json::parse(text, nullptr, false);
  const auto number = [&](const char* name) {
    const auto at = version.is_object() ? version.find(name) : version.end();
    int value = -1;
    if (version.is_object() && at != version.end() && at->is_string()) {
      const auto& digits = at->get_ref<const std::string&>();  // some servers say "29+"
      std::from_chars(digits.data(), digits.data() + digits.size(), value);
    }
    return value;
  };
  const int major = number("major"), minor = number("minor");
  if (major < 0 || minor < 0)
    return fail("the API server's /version holds no major and minor; --native-sidecars=on or off would be right");
  return major > 1 || (major == 1 && minor >= kNativeSince);
}

Injector::Injector(const Options& options, const MeshKeys& keys, const kube::ApiClient& api, http::Metrics& metrics,
                   FleetPage& page)
    : options_(options), api_(api), metrics_(metrics), page_(page), wanted_{keys.authority, bundle_of(keys)} {}

Injector::~Injector() {
  keeper_ = {};
}

Result<std::unique_ptr<Injector>> Injector::start(const Options& options, const MeshKeys& keys,
                                                  const kube::ApiClient& api, const controllers::Index& index,
                                                  http::Metrics& metrics, FleetPage& page) {
  if (options.injection.listen.empty()) return nullptr;
  auto settings = settings_of(options, api);
  if (!settings) return tl::unexpected(settings.error());
  std::unique_ptr<Injector> out(new Injector(options, keys, api, metrics, page));
  auto certificate = out->next_certificate(keys.authority);
  if (!certificate) return tl::unexpected(certificate.error());
  out->certificate_ = std::move(*certificate);
  out->certified_by_ = keys.authority.certificate_pem;
  out->renew_at_ = out->renewal_of(out->certificate_);
  auto server = webhook::Server::start(
      {.listen = options.injection.listen,
       .certificate_pem = out->certificate_.certificate_pem,
       .key_pem = out->certificate_.key_pem},
      [settings = std::move(*settings), &index](std::string_view body, bool asked) {
        return webhook::review(
            body, asked, settings, [&index](const std::string& ns) { return index.namespace_labels(ns); },
            [&index](const std::string& ns) { return index.mesh().watches(ns); });
      },
      metrics.registry());
  if (!server) return fail("--webhook-listen={}: {}", options.injection.listen, server.error().message);
  out->server_ = std::move(*server);
  page.set_certificate("webhook", out->certificate_.certificate_pem);
  log::info("webhook listens", {{"address", options.injection.listen}});
  out->keeper_ = std::jthread([raw = out.get()](const std::stop_token& stop) { raw->keep(stop); });
  return out;
}

Result<fleet::Certificate> Injector::next_certificate(const fleet::Certificate& authority) const {
  if (!by_others()) {
    return issue_certificate(authority, options_, options_.injection.certificate_lifetime);
  }
  const auto read = [this](const char* name) {
    return files::read_file(options_.injection.certificate_dir + "/" + name, kMostPem);
  };
  auto certificate = read("tls.crt"), key = read("tls.key");
  for (const auto* part : {&certificate, &key}) {
    if (!*part) return fail("--webhook-certificate-dir: {}", part->error().message);
  }
  return fleet::Certificate{std::move(*certificate), std::move(*key)};
}

std::string Injector::bundle_of(const MeshKeys& keys) {
  auto authorities = keys.trust().certificate_authorities;
  std::sort(authorities.begin(), authorities.end());
  std::string out;
  for (const std::string& pem : authorities) out += pem;
  return out;
}

void Injector::set_authorities(const MeshKeys& keys) {
  const std::lock_guard lock(mutex_);
  wanted_ = {keys.authority, bundle_of(keys)};
  news_ = true;
  changed_.notify_all();
}

Injector::Wanted Injector::wanted() const {
  const std::lock_guard lock(mutex_);
  return wanted_;
}

bool Injector::told(const std::string& bundle) const {
  const std::lock_guard lock(mutex_);
  return told_ == bundle && steady_clock::now() >= told_at_ + kHeard;
}

bool Injector::follows(const MeshKeys& keys) const {
  if (by_others()) return true;
  if (!told(bundle_of(keys))) return false;
  const std::lock_guard lock(mutex_);
  return certified_by_ == keys.authority.certificate_pem;
}

void Injector::keep(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    const Wanted wanted = this->wanted();
    if (!by_others()) tell_api_server(wanted.bundle, stop);
    const bool other = !by_others() && certified_by_ != wanted.authority.certificate_pem;
    if (by_others() || steady_clock::now() >= renew_at_ || (other && told(wanted.bundle))) renew(wanted.authority);
    const auto next = steady_clock::now() + (other ? kHeard : kLook);
    std::unique_lock lock(mutex_);
    changed_.wait_until(lock, stop, by_others() ? next : std::min(next, renew_at_), [&] { return news_; });
    news_ = false;
  }
}

void Injector::renew(const fleet::Certificate& authority) {
  const bool other = !by_others() && certified_by_ != authority.certificate_pem;
  if (other && !told(wanted().bundle)) {
    // Nobody would believe it yet, and the key of the authority before is gone: the one in use goes on.
    renew_at_ = steady_clock::now() + kHeard;
    return;
  }
  auto next = next_certificate(authority);
  if (next && next->certificate_pem == certificate_.certificate_pem) return;
  const Status set =
      next ? server_->set_certificate(next->certificate_pem, next->key_pem) : tl::unexpected(next.error());
  if (!set) {
    // Tried again at the next look; the one in use goes on.
    log::error("webhook certificate not renewed", {{"error", set.error()}});
    renew_at_ = steady_clock::now() + kLook;
    return;
  }
  certificate_ = std::move(*next);
  page_.set_certificate("webhook", certificate_.certificate_pem);
  renew_at_ = renewal_of(certificate_);
  {
    const std::lock_guard lock(mutex_);
    certified_by_ = authority.certificate_pem;
  }
  log::info("webhook certificate renewed");
}

/// At two thirds of what is left of it.
steady_clock::time_point Injector::renewal_of(const fleet::Certificate& certificate) const {
  const auto until = fleet::valid_until(certificate.certificate_pem);
  if (!until) return steady_clock::now() + kLook;
  set_not_after(metrics_, "webhook-certificate", *until);
  const auto left = std::chrono::floor<Seconds>(*until - std::chrono::system_clock::now());
  return steady_clock::now() + std::max(left, Seconds(3)) * 2 / 3;
}

void Injector::tell_api_server(const std::string& bundle, const std::stop_token& stop) {
  const auto kept = webhook::keep_authority(api_, bundle, stop);
  if (stop.stop_requested()) return;
  if (kept) {
    const std::lock_guard lock(mutex_);
    if (told_ != bundle) told_at_ = steady_clock::now();
    told_ = bundle;
  }
  std::string trouble;
  if (!kept) {
    trouble = kept.error().message;
  } else if (*kept == webhook::Kept::NoConfiguration) {
    trouble = "there is none: the chart makes it with injection.enabled=true";
  } else if (*kept == webhook::Kept::Written) {
    log::info("webhook configuration written", {{"object", std::string(webhook::kConfigurationName)}});
  }
  if (trouble != said_ && !trouble.empty()) {
    log::warning("webhook configuration not written",
                 {{"object", std::string(webhook::kConfigurationName)}, {"error", trouble}});
  }
  said_ = trouble;
}

}  // namespace meshauth::app
