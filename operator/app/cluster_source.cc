#include "operator/app/cluster_source.h"

#include <nlohmann/json.hpp>

#include "core/bundle/wire.h"
#include "core/inject/names.h"
#include "operator/app/kube_recorder.h"
#include "operator/log/log.h"

namespace meshauth::app {
namespace {

using nlohmann::json;
using Change = kube::Store::Change;

constexpr std::string_view kWorkloadLabel = "meshauth.dev/workload";
constexpr std::string_view kFlavourLabel = "meshauth.dev/flavour";

std::map<std::string, std::string> labels_of(const json& object) {
  std::map<std::string, std::string> labels;
  const json& metadata = object.at("metadata");
  if (!metadata.contains("labels") || !metadata["labels"].is_object()) return labels;
  for (const auto& [key, value] : metadata["labels"].items()) {
    if (value.is_string()) labels[key] = value.get<std::string>();
  }
  return labels;
}

/// Of a Service what says where it leads; the rest (status, annotations, managed fields) is the larger part.
json service_view(const json& object) {
  json given = object.value("spec", json::object());
  if (!given.is_object()) given = json::object();
  json spec = json::object(), ports = json::array();
  for (const char* name : {"type", "selector"}) {
    if (given.contains(name)) spec[name] = given[name];
  }
  for (const json& port : given.value("ports", json::array())) {
    json kept = json::object();
    for (const char* name : {"port", "targetPort", "protocol"}) {
      if (port.is_object() && port.contains(name)) kept[name] = port[name];
    }
    ports.push_back(std::move(kept));
  }
  spec["ports"] = std::move(ports);
  json metadata = json::object();
  for (const char* name : {"namespace", "name", "uid", "resourceVersion"}) {
    metadata[name] = kube::metadata(object, name);
  }
  return {{"metadata", std::move(metadata)}, {"spec", std::move(spec)}};
}

void take_ports(const json& object, controllers::Pod& pod) {
  const std::string injected = kube::annotation(object, inject::kInjectedAnnotation);
  if (injected.empty()) return;
  auto ports = inject::parse_injected(injected);
  if (ports) {
    pod.ports = std::move(*ports);
  } else {
    pod.ports_unknown = ports.error().message;
  }
}

}  // namespace

ClusterSource::ClusterSource(const kube::ApiClient& api, controllers::Index& index, const std::string& ns,
                             Handlers handlers, http::Metrics& metrics)
    : api_(api), index_(index), handlers_(std::move(handlers)), metrics_(metrics) {
  std::set<std::string> watched = index.mesh().watched, recorded = watched;
  if (watched.empty()) {
    watched = recorded = {""};
  } else {
    recorded.insert(ns);  // key sets
  }
  for (const std::string& each : watched) follow_namespaces(each);
  for (const std::string& each : watched) follow_resources(each);
  for (const std::string& each : watched) follow_pods(each);
  for (const std::string& each : recorded) follow_records(each);
}

void ClusterSource::follow_namespaces(const std::string& ns) {
  const std::string selector = ns.empty() ? "" : "metadata.name=" + ns;
  follow({.resource = kube::kNamespaces, .selection = {.field_selector = selector}, .metadata_only = true},
         [this](Change change, const std::string& key, const auto&, const kube::Object& now) {
           handlers_.touched(change == Change::Deleted ? index_.remove_namespace(key)
                                                       : index_.put_namespace(key, labels_of(*now)));
         });
}

void ClusterSource::follow_resources(const std::string& ns) {
  follow({.resource = kube::kIdentityProviders, .selection = {.ns = ns}},
         [this](Change change, const std::string& key, const auto&, const kube::Object& now) {
           handlers_.touched(change == Change::Deleted ? index_.remove_provider(key) : index_.put_provider(*now));
         });
  follow({.resource = kube::kAccessPolicies, .selection = {.ns = ns}},
         [this](Change change, const std::string& key, const auto&, const kube::Object& now) {
           handlers_.touched(change == Change::Deleted ? index_.remove_policy(key) : index_.put_policy(*now));
         });
}

void ClusterSource::follow_pods(const std::string& ns) {
  follow({.resource = kube::kPods,
          .selection = {.ns = ns,
                        .label_selector = std::string(kWorkloadLabel),
                        .field_selector = "status.phase!=Succeeded,status.phase!=Failed"},
          .metadata_only = true},
         [this](Change change, const std::string& key, const kube::Object& was, const kube::Object& now) {
           on_pod(change, key, change == Change::Deleted ? *was : *now);
         });
  follow({.resource = kube::kServices, .selection = {.ns = ns}, .reduce = service_view},
         [this](Change change, const std::string& key, const auto&, const kube::Object& now) {
           handlers_.touched(change == Change::Deleted ? index_.remove_service(key)
                                                       : index_.put_service(key, inject::read_service(*now)));
         });
}

void ClusterSource::follow_records(const std::string& ns) {
  const Followed& followed =
      follow({.resource = kube::kConfigMaps,
              .selection = {.ns = ns, .label_selector = std::string(kRecordLabel)},
              .metadata_only = true},
             [this](Change change, const std::string& key, const kube::Object& was, const kube::Object& now) {
               const kube::Object& object = change == Change::Deleted ? was : now;
               handlers_.record_changed(kube::label(*object, kRecordLabel), key,
                                        change == Change::Deleted ? "" : kube::metadata(*object, "resourceVersion"));
             });
  records_[ns] = &followed.store;
}

const kube::Store& ClusterSource::records(const std::string& ns) const {
  const auto found = records_.find(index_.mesh().watched.empty() ? "" : ns);
  return found == records_.end() ? unknown_ : *found->second;
}

ClusterSource::~ClusterSource() {
  stop();
}

void ClusterSource::stop() {
  for (const auto& followed : all_) followed->reflector->stop();
}

ClusterSource::Followed& ClusterSource::follow(kube::ReflectorOptions options, kube::Store::Handler handler) {
  Followed& followed = *all_.emplace_back(std::make_unique<Followed>());
  followed.name = options.resource.plural;
  const kube::Selection& selection = options.selection;
  if (!selection.ns.empty()) followed.name += " of namespace " + selection.ns;
  followed.store.on_change(std::move(handler));
  followed.reflector =
      std::make_unique<kube::Reflector>(std::move(options), api_, followed.store, metrics_, kube::system_clock(),
                                        kube::system_random(), [name = followed.name](const std::string& message) {
                                          log::warning("watch", {{"object", name}, {"error", message}});
                                        });
  return followed;
}

void ClusterSource::on_pod(Change change, const std::string& key, const json& now) {
  const auto before = index_.pod(key);
  const std::string value = kube::label(now, kWorkloadLabel);
  controllers::Keys keys;
  std::string workload;
  if (change != Change::Deleted && !bundle::is_dns_label(value)) {
    handlers_.pod_refused(key,
                          fmt::format("label {} has the value {}; a workload's name is a DNS label (a-z, 0-9 and -, at "
                                      "most 63): this pod gets no bundle and answers 503",
                                      kWorkloadLabel, value));
    change = Change::Deleted;
  }
  if (change == Change::Deleted) {
    keys = index_.remove_pod(key);
  } else {
    workload = kube::metadata(now, "namespace") + "/" + value;
    controllers::Pod pod{key, kube::metadata(now, "uid"), workload, kube::label(now, kFlavourLabel),
                         !kube::metadata(now, "deletionTimestamp").empty()};
    pod.labels = labels_of(now);
    take_ports(now, pod);
    pod.touched = kube::annotation(now, kTouchAnnotation);
    keys = index_.put_pod(std::move(pod));
  }
  if (before && before->workload != workload) handlers_.pod_gone(key, before->workload);
  handlers_.touched(keys);
}

void ClusterSource::start() {
  for (const auto& followed : all_) followed->reflector->start();
}

bool ClusterSource::wait_synced(const std::stop_token& stop) {
  for (const auto& followed : all_) {
    while (!followed->store.wait_synced(std::chrono::steady_clock::now() + std::chrono::seconds(5), stop)) {
      if (stop.stop_requested()) return false;
      const auto health = followed->reflector->health();
      log::info("waiting for the first list", {{"object", followed->name}, {"error", health.last_error}});
    }
  }
  return true;
}

std::string ClusterSource::trouble() const {
  for (const auto& followed : all_) {
    const auto health = followed->reflector->health();
    if (!health.synced || !health.following) {
      return followed->name + ": " + (health.last_error.empty() ? "the first list is not in yet" : health.last_error);
    }
  }
  return "";
}

}  // namespace meshauth::app
