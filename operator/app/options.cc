#include "operator/app/options.h"

#include <CLI/CLI.hpp>
#include <charconv>
#include <filesystem>
#include <iostream>

#include "core/base/duration.h"
#include "core/base/text.h"
#include "core/bundle/wire.h"

namespace meshauth::app {
namespace {

constexpr std::size_t kMostWatched = 64;  // each costs a connection and a thread per kind

/// What is wrong with the namespaces that are to be watched; "" if nothing is.
std::string wrong_watched(const Options& options) {
  if (options.watched.empty()) return "";
  if (options.standalone()) return "--watch-namespace has no use with --source=" + options.source;
  for (const std::string& ns : options.watched) {
    if (!bundle::is_dns_label(ns)) {
      return fmt::format("--watch-namespace {} is no namespace: a DNS label has at most 63 of a-z, 0-9 and -",
                         in_quotes(ns));
    }
  }
  if (options.watched.size() <= kMostWatched) return "";
  return fmt::format(
      "--watch-namespace: {} namespaces, the root namespace among them; at most {} would be right, or none: then all "
      "are watched",
      options.watched.size(), kMostWatched);
}

/// What one flag alone does not show.
std::string inconsistency(const Options& options) {
  const bool folder_out = options.output != "kubernetes";
  if (options.standalone() != folder_out) {
    return "--source and --output must both be `kubernetes` or both be folders: found --source=" + options.source +
           " and --output=" + options.output;
  }
  if (options.standalone() && !options.kubeconfig.empty())
    return "--kubeconfig has no use with --source=" + options.source;
  if (!options.standalone() && !options.token_file.empty()) {
    return "--token-file is for standalone mode; with Kubernetes agents show their service account tokens";
  }
  for (const auto& [flag, value] :
       {std::pair{"--namespace", &options.ns}, {"--root-namespace", &options.root_namespace}}) {
    if (!value->empty() && !bundle::is_dns_label(*value)) {
      return fmt::format("{} {} is no namespace: a DNS label has at most 63 of a-z, 0-9 and -", flag,
                         in_quotes(*value));
    }
  }
  if (options.standalone() && options.remove_records)
    return "--remove-records is for Kubernetes; with --output=" + options.output + " delete that folder";
  if (std::string wrong = wrong_watched(options); !wrong.empty()) return wrong;
  if (options.standalone() && !options.injection.listen.empty())
    return "--webhook-listen has no use with --source=" + options.source;
  for (const auto& [flag, value] : {std::pair{"--fleet-listen", &options.fleet_listen},
                                    {"--metrics-listen", &options.metrics_listen},
                                    {"--webhook-listen", &options.injection.listen}}) {
    if (value == &options.injection.listen && value->empty()) continue;
    const auto colon = value->rfind(':');
    const std::string port = colon == std::string::npos ? "" : value->substr(colon + 1);
    if (port.empty() || port.size() > 5 || port.find_first_not_of("0123456789") != std::string::npos) {
      return fmt::format("{} {} is no ADDRESS:PORT, such as 0.0.0.0:8443 or [::]:8443", flag, in_quotes(*value));
    }
  }
  return "";
}

void add_injection(CLI::App& app, InjectionOptions& injection, std::string& lifetime) {
  app.add_option("--webhook-listen", injection.listen,
                 "ADDRESS:PORT for admission reviews, which put sidecars into pods; default: no webhook");
  app.add_option(
      "--webhook-certificate-dir", injection.certificate_dir,
      "the folder with tls.crt and tls.key for it, looked at again and again; default: made by this program");
  app.add_option("--webhook-certificate-lifetime", lifetime, "of a certificate made by this program, 10s to 8760h")
      ->capture_default_str();
  app.add_option("--sidecar-image", injection.image, "the image of the sidecars");
  app.add_option("--sidecar-pull-policy", injection.pull_policy, "Always, IfNotPresent or Never")
      ->capture_default_str();
  app.add_option("--sidecar-resources", injection.resources, "requests and limits of a sidecar, as JSON");
  app.add_option("--sidecar-operator", injection.operator_url,
                 "where sidecars reach this program; default: https://mesh-auth-operator.NAMESPACE.svc:8443");
  app.add_option("--native-sidecars", injection.native, "auto: where the server is 1.29 or later; on or off")
      ->check(CLI::IsMember({"auto", "on", "off"}))
      ->capture_default_str();
}

/// Durations as they are written on the command line.
struct Durations {
  std::string webhook = "2160h", fleet = "2160h", signing = "8760h", authority = "26280h", confirm = "10m",
              overlap = "1h";
};

constexpr std::chrono::hours kLongestLifetime{10 * 8760};

void add_keys(CLI::App& app, Durations& durations) {
  app.add_option("--fleet-certificate-lifetime", durations.fleet,
                 "of the certificate that sidecars see, 10s to 8760h; it is replaced at two thirds of it")
      ->capture_default_str();
  app.add_option(
         "--signing-key-lifetime", durations.signing,
         "of the key that signs bundles, 10s to 87600h: at two thirds of it the next one is announced; 0s: never")
      ->capture_default_str();
  app.add_option(
         "--ca-lifetime", durations.authority,
         "of a certificate authority of the fleet, 10s to 87600h: at two thirds of it the next one is announced")
      ->capture_default_str();
  app.add_option("--key-confirm-timeout", durations.confirm,
                 "a next key is used after this time although not every sidecar said that it trusts it, 1s to 8760h")
      ->capture_default_str();
  app.add_option("--key-overlap", durations.overlap,
                 "a key that was replaced stays trusted for this time at least, 1s to 8760h")
      ->capture_default_str();
}

/// As parse_duration, and whole hours of more than a year: a resource has no use for those, a key has.
Result<std::chrono::seconds> parse_lifetime(const std::string& text) {
  std::int64_t hours = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), hours);
  const bool whole = error == std::errc() && end + 1 == text.data() + text.size() && *end == 'h';
  if (whole && hours > 0 && hours <= kLongestLifetime.count()) return std::chrono::hours(hours);
  return parse_duration(text);
}

/// "" or what is wrong with them.
std::string take_durations(const Durations& texts, Options& options) {
  std::chrono::seconds overlap{}, confirm{};
  struct Row {
    const char* flag;
    const std::string& text;
    std::chrono::seconds least, most;
    std::chrono::seconds& value;
    bool or_never = false;  ///< 0s is right, too
  };
  constexpr std::chrono::seconds kLeast{10}, kSecond{1};
  constexpr std::chrono::seconds kYear = std::chrono::hours(8760);
  for (const auto& [flag, text, least, most, value, or_never] : {
           Row{"--webhook-certificate-lifetime", texts.webhook, kLeast, kYear, options.injection.certificate_lifetime},
           Row{"--fleet-certificate-lifetime", texts.fleet, kLeast, kYear, options.keys.fleet_lifetime},
           Row{"--signing-key-lifetime", texts.signing, kLeast, kLongestLifetime, options.keys.signing.lifetime, true},
           Row{"--ca-lifetime", texts.authority, kLeast, kLongestLifetime, options.keys.authority.lifetime},
           Row{"--key-confirm-timeout", texts.confirm, kSecond, kYear, confirm},
           Row{"--key-overlap", texts.overlap, kSecond, kYear, overlap},
       }) {
    const auto duration = parse_lifetime(text);
    const bool never = or_never && duration && duration->count() == 0;
    if (!duration || *duration > most || (*duration < least && !never)) {
      return fmt::format("{} {}: a duration from {} to {}{} would be right", flag, in_quotes(text),
                         format_duration(least), format_duration(most), or_never ? ", or 0s," : "");
    }
    value = *duration;
  }
  for (KeyTimes* times : {&options.keys.signing, &options.keys.authority}) {
    times->confirm_timeout = confirm;
    times->overlap = overlap;
  }
  return "";
}

}  // namespace

std::optional<Options> parse_options(int argc, char** argv, int& exit_code) {
  Options options;
  std::string default_action = "Deny", format = "auto", level = "info";
  Durations durations;
  std::vector<std::string> watched;
  CLI::App app{
      "Turns IdentityProvider and AccessPolicy resources into nginx that knows who is calling and what they may do."};
  app.set_version_flag("--version", std::string("mesh-auth-operator ") + MESH_AUTH_VERSION);
  app.add_option("--source", options.source, "`kubernetes`, or a folder of manifests that is watched")
      ->capture_default_str();
  app.add_option("--output", options.output, "`kubernetes`, or the folder for bundles, keys and statuses")
      ->capture_default_str();
  app.add_option("--kubeconfig", options.kubeconfig, "a kubeconfig file; default: the cluster that this runs in");
  app.add_option("--context", options.context, "a context of the kubeconfig; default: its current one");
  app.add_option("--namespace", options.ns, "the operator's own namespace")->capture_default_str();
  app.add_option("--root-namespace", options.root_namespace, "where mesh-wide policies live; default: --namespace");
  app.add_option("--watch-namespace", watched,
                 "watch this namespace and no other but the root namespace; repeats. Default: all namespaces")
      ->allow_extra_args(false);
  app.add_option("--default-action", default_action, "for workloads that no policy selects")
      ->check(CLI::IsMember({"Deny", "Allow"}))
      ->capture_default_str();
  app.add_option("--fleet-listen", options.fleet_listen, "ADDRESS:PORT for the sidecars' streams")
      ->capture_default_str();
  app.add_option("--fleet-name", options.fleet_names, "a further name or address in the fleet's certificate; repeats");
  app.add_option("--metrics-listen", options.metrics_listen, "ADDRESS:PORT for /metrics, /healthz and /readyz")
      ->capture_default_str();
  add_injection(app, options.injection, durations.webhook);
  add_keys(app, durations);
  app.add_option("--templates", options.templates, "the folder of the templates");
  app.add_option("--token-file", options.token_file, "standalone: the secret that agents show");
  app.add_option("--min-term", options.min_term, "the least term of this start, after etcd was restored from a backup");
  app.add_flag("--provider-allow-loopback", options.provider_allow_loopback,
               "fetch from identity providers on loopback addresses, for development");
  app.add_flag("--remove-records", options.remove_records,
               "delete every ConfigMap, Secret and Lease that this program made, and end: for a release that is gone");
  app.add_option("--workers", options.workers, "reconciles at once")->check(CLI::Range(1, 32))->capture_default_str();
  app.add_option("--log-format", format, "auto, json or text")->check(CLI::IsMember({"auto", "json", "text"}));
  app.add_option("--log-level", level, "debug, info, warning or error")
      ->check(CLI::IsMember({"debug", "info", "warning", "error"}));
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    exit_code = app.exit(error) == 0 ? 0 : 2;
    return std::nullopt;
  }
  options.default_action = default_action == "Allow" ? model::Action::Allow : model::Action::Deny;
  options.log_format = *log::parse_format(format);
  options.log_level = *log::parse_level(level);
  if (options.root_namespace.empty()) options.root_namespace = options.ns;
  options.watched = {watched.begin(), watched.end()};
  if (!watched.empty()) options.watched.insert(options.root_namespace);
  std::string wrong = inconsistency(options);
  if (wrong.empty()) wrong = take_durations(durations, options);
  for (const char* flag : {"--signing-key-lifetime", "--ca-lifetime", "--key-confirm-timeout", "--key-overlap"}) {
    if (wrong.empty() && options.standalone() && app.count(flag) > 0)
      wrong = fmt::format("{} has no use with --source={}: standalone, keys are not replaced", flag, options.source);
  }
  if (!wrong.empty()) {
    std::cerr << "mesh-auth-operator: " << wrong << "\n";
    exit_code = 2;
    return std::nullopt;
  }
  return options;
}

}  // namespace meshauth::app
