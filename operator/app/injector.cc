#include "operator/app/injector.h"

#include <charconv>
#include <condition_variable>
#include <nlohmann/json.hpp>

#include "operator/app/runtime.h"
#include "operator/files/file.h"
#include "operator/webhook/authority.h"

namespace meshauth::app {
namespace {

using nlohmann::json;
using std::chrono::steady_clock;

constexpr std::chrono::seconds kLook{10};  // at the configuration, and at files that others make
constexpr std::size_t kMostPem = 256 * 1024;
constexpr std::size_t kMostVersion = 64 * 1024;
constexpr int kNativeSince = 29;  // of 1.x: the feature gate SidecarContainers is on

/// Does the server run init containers with restartPolicy Always beside the others?
Result<bool> has_native_sidecars(const kube::ApiClient& api) {
  const auto answer = api.get_raw("/version", kMostVersion);
  if (!answer) return tl::unexpected(answer.error().error());
  const json version = json::parse(answer->body, nullptr, false);
  const auto number = [&](const char* name) {
    const auto at = version.is_object() ? version.find(name) : version.end();
    int value = -1;
    if (version.is_object() && at != version.end() && at->is_string()) {
      const auto& text = at->get_ref<const std::string&>();  // some servers say "29+"
      std::from_chars(text.data(), text.data() + text.size(), value);
    }
    return value;
  };
  const int major = number("major"), minor = number("minor");
  if (major < 0 || minor < 0)
    return fail("the API server's /version holds no major and minor; --native-sidecars=on or off would be right");
  return major > 1 || minor >= kNativeSince;
}

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
    const auto native = has_native_sidecars(api);
    if (!native) return tl::unexpected(native.error());
    settings.native_sidecars = *native;
  }
  return settings;
}

}  // namespace

Injector::Injector(const Options& options, const MeshKeys& keys, const kube::ApiClient& api, FleetPage& page)
    : options_(options), keys_(keys), api_(api), page_(page) {}

Injector::~Injector() {
  keeper_ = {};
}

Result<std::unique_ptr<Injector>> Injector::start(const Options& options, const MeshKeys& keys,
                                                  const kube::ApiClient& api, const controllers::Index& index,
                                                  http::Metrics& metrics, FleetPage& page) {
  if (options.injection.listen.empty()) return nullptr;
  auto settings = settings_of(options, api);
  if (!settings) return tl::unexpected(settings.error());
  std::unique_ptr<Injector> out(new Injector(options, keys, api, page));
  auto certificate = out->next_certificate();
  if (!certificate) return tl::unexpected(certificate.error());
  out->certificate_ = std::move(*certificate);
  out->renew_at_ = steady_clock::now() + options.injection.certificate_lifetime * 2 / 3;
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

Result<fleet::Certificate> Injector::next_certificate() const {
  if (!by_others()) {
    return fleet::issue_server_certificate(keys_.authority, certificate_names(options_),
                                           std::chrono::floor<Seconds>(std::chrono::system_clock::now()),
                                           options_.injection.certificate_lifetime);
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

void Injector::keep(const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any wake;
  std::unique_lock lock(mutex);
  while (!stop.stop_requested()) {
    if (by_others() || steady_clock::now() >= renew_at_) renew();
    if (!by_others()) tell_api_server(stop);
    const auto next = steady_clock::now() + kLook;
    wake.wait_until(lock, stop, by_others() ? next : std::min(next, renew_at_), [] { return false; });
  }
}

void Injector::renew() {
  auto next = next_certificate();
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
  renew_at_ = steady_clock::now() + options_.injection.certificate_lifetime * 2 / 3;
  page_.set_certificate("webhook", certificate_.certificate_pem);
  log::info("webhook certificate renewed");
}

void Injector::tell_api_server(const std::stop_token& stop) {
  const auto kept = webhook::keep_authority(api_, keys_.authority.certificate_pem, stop);
  if (stop.stop_requested()) return;
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
