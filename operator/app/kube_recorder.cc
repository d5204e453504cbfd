#include "operator/app/kube_recorder.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/base/text.h"
#include "operator/app/folder_recorder.h"
#include "operator/log/log.h"

namespace meshauth::app {
namespace {

using nlohmann::json;

std::pair<std::string, std::string> halves(const std::string& id) {
  const auto slash = id.find('/');
  return {id.substr(0, slash), id.substr(slash + 1)};
}

const kube::Resource& resource_of(controllers::Kind kind) {
  return kind == controllers::Kind::Policy ? kube::kAccessPolicies : kube::kIdentityProviders;
}

std::string status_key(controllers::Kind kind, const std::string& id) {
  return std::string(resource_of(kind).plural) + " " + id;
}

json config_map(const std::string& ns, const std::string& name, std::string_view kind, json data,
                const std::string& revision) {
  json object{
      {"apiVersion", "v1"},
      {"kind", "ConfigMap"},
      {"metadata",
       {{"name", name},
        {"namespace", ns},
        {"labels", {{std::string(kRecordLabel), kind}, {"app.kubernetes.io/managed-by", "mesh-auth-operator"}}}}},
      {"data", std::move(data)}};
  if (!revision.empty()) object["metadata"]["annotations"] = {{std::string(kRevisionAnnotation), revision}};
  return object;
}

}  // namespace

std::string bundle_record_name(std::string_view workload) {
  return "mesh-auth-" + std::string(workload.substr(workload.find('/') + 1));
}

std::string keys_record_name(std::string_view source) {
  return "mesh-auth-jwks-" + std::string(source);
}

KubeRecorder::KubeRecorder(const kube::ApiClient& api, Records records, const controllers::Index& index,
                           kube::EventRecorder& events, std::string ns, bundle::Trust trust, Done done)
    : api_(api),
      records_(std::move(records)),
      index_(index),
      events_(events),
      ns_(std::move(ns)),
      done_(std::move(done)),
      trust_(std::move(trust)),
      bundles_(std::make_unique<kube::ApplyQueue>(
          api, kube::ApplyQueueOptions{.writes_per_second = 50, .bytes_per_second = 2.0 * 1024 * 1024})),
      statuses_(std::make_unique<kube::ApplyQueue>(
          api, kube::ApplyQueueOptions{.writes_per_second = 20, .per_key = std::chrono::seconds(1)})),
      // Each has a node read all volumes of a pod.
      touches_(std::make_unique<kube::ApplyQueue>(
          api, kube::ApplyQueueOptions{.writes_per_second = 10, .per_key = std::chrono::seconds(1)})) {}

void KubeRecorder::stop() {
  bundles_.reset();
  statuses_.reset();
  touches_.reset();
}

void KubeRecorder::record(const std::string& workload, controllers::Record record) {
  const auto [ns, workload_name] = halves(workload);
  const std::string name = bundle_record_name(workload), revision = record.bundle->manifest.revision;
  Status ready = ensure_trust(ns);
  if (ready) ready = check_ours(ns, name);
  if (!ready) {
    log::warning("record not written", {{"object", workload}, {"error", ready.error()}});
    done_(workload, revision, ready);
    return;
  }
  json data = json::object();
  for (const auto& [file, content] : record_files(record)) data[file] = content;
  auto object = std::make_shared<const json>(config_map(ns, name, kBundleRecord, std::move(data), revision));
  bundles_->put(
      ns + "/" + name,
      {kube::kConfigMaps, std::move(object), "",
       [this, workload, revision, key = ns + "/" + name, signature = record.bundle->signature](const auto& outcome) {
         written(key, signature, outcome);
         done_(workload, revision, outcome ? Status() : tl::unexpected(outcome.error().error()));
       }});
}

void KubeRecorder::written(const std::string& key, const std::string& signature,
                           const kube::ApiResult<kube::Object>& outcome) {
  if (!outcome) {
    log::warning("record not written", {{"object", key}, {"error", outcome.error().message}});
    return;
  }
  const std::lock_guard lock(mutex_);
  written_[key] = {signature, kube::metadata(**outcome, "resourceVersion")};
}

void KubeRecorder::erase_record(const std::string& workload) {
  const auto [ns, workload_name] = halves(workload);
  const std::string name = bundle_record_name(workload);
  bundles_->drop(ns + "/" + name);
  {
    const std::lock_guard lock(mutex_);
    written_.erase(ns + "/" + name);
  }
  if (!records_(ns).get(ns + "/" + name)) return;  // only what the store saw with our label
  const auto removed = api_.remove(kube::kConfigMaps, ns, name);
  if (!removed && !removed.error().not_found()) {
    log::warning("record not removed", {{"object", workload}, {"error", removed.error().message}});
  }
}

/// A ConfigMap of that name without our label belongs to somebody else.
Status KubeRecorder::check_ours(const std::string& ns, const std::string& name) {
  const std::string key = ns + "/" + name;
  {
    const std::lock_guard lock(mutex_);
    if (written_.contains(key)) return {};
  }
  if (records_(ns).get(key)) return {};
  const auto found = api_.get(kube::kConfigMaps, ns, name);
  if (!found) return found.error().not_found() ? Status() : tl::unexpected(found.error().error());
  if (!kube::label(**found, kRecordLabel).empty()) return {};
  return fail("ConfigMap {} in namespace {} exists and is not ours (it lacks label {}); delete or rename it", name, ns,
              kRecordLabel);
}

Status KubeRecorder::ensure_trust(const std::string& ns) {
  const std::string name(kTrustName);
  for (;;) {
    std::string json;
    {
      const std::lock_guard lock(mutex_);
      if (trusted_.contains(ns)) return {};
      json = trust_.to_json();
    }
    if (auto ours = check_ours(ns, name); !ours) return ours;
    const auto applied = api_.apply(kube::kConfigMaps, config_map(ns, name, kTrustRecord, {{"trust.json", json}}, ""));
    written(ns + "/" + name, "", applied);
    if (!applied) return tl::unexpected(applied.error().error());
    const std::lock_guard lock(mutex_);
    if (json == trust_.to_json()) {
      trusted_.insert(ns);
      outdated_.erase(ns);
      return {};
    }
    trusted_.erase(ns);  // another trust came meanwhile, and this write may have come after its
  }
}

void KubeRecorder::set_trust(bundle::Trust trust) {
  const std::lock_guard lock(mutex_);
  if (trust == trust_) return;
  trust_ = std::move(trust);
  outdated_.merge(trusted_);
  trusted_.clear();
}

std::vector<std::string> KubeRecorder::publish_trust() {
  std::set<std::string> namespaces, stores = index_.mesh().watched;
  if (stores.empty()) stores.insert("");  // one for all
  for (const std::string& store : stores) {
    for (const std::string& key : records_(store).keys()) {
      const auto [ns, name] = halves(key);
      if (name == kTrustName) namespaces.insert(ns);
    }
  }
  {
    const std::lock_guard lock(mutex_);
    namespaces.insert(outdated_.begin(), outdated_.end());  // the store may not have seen it yet
  }
  std::vector<std::string> failed;
  for (const std::string& ns : namespaces) {
    const auto published = ensure_trust(ns);
    if (published) continue;
    const std::string key = ns + "/" + std::string(kTrustName);
    if (records_(ns).get(key)) {
      failed.push_back(fmt::format("ConfigMap {} ({})", key, published.error().message));
    } else {
      const std::lock_guard lock(mutex_);
      outdated_.erase(ns);  // its namespace went, most likely; a record that is written there brings the trust with it
    }
  }
  return failed;
}

void KubeRecorder::restore_trust(const std::string& ns) {
  {
    const std::lock_guard lock(mutex_);
    if (trusted_.erase(ns) == 0) return;  // never ours in this run: the next record writes it
  }
  if (auto restored = ensure_trust(ns); !restored) {
    log::warning("trust not restored", {{"object", ns + "/" + std::string(kTrustName)}, {"error", restored.error()}});
  }
}

bool KubeRecorder::is_ours(const std::string& key, const std::string& resource_version) const {
  const std::lock_guard lock(mutex_);
  const auto it = written_.find(key);
  return it != written_.end() && (it->second.resource_version == resource_version ||
                                  kube::version_older(resource_version, it->second.resource_version));
}

bool KubeRecorder::record_holds(const std::string& workload, const bundle::Bundle& bundle) const {
  const auto [ns, name] = halves(workload);
  const std::string key = ns + "/" + bundle_record_name(workload);
  Written written;
  {
    const std::lock_guard lock(mutex_);
    const auto it = written_.find(key);
    if (it == written_.end()) return false;
    written = it->second;
  }
  if (written.signature != bundle.signature) return false;
  const kube::Store& records = records_(ns);
  const kube::Object seen = records.get(key);
  // The store may be behind our own write; it is not after it without having seen it.
  if (!seen) return kube::version_older(records.resource_version(), written.resource_version);
  const std::string version = kube::metadata(*seen, "resourceVersion");
  return version == written.resource_version || kube::version_older(version, written.resource_version);
}

void KubeRecorder::touch(const std::string& pod, const std::string& revision) {
  const auto known = index_.pod(pod);
  if (!known) return;
  const auto [ns, name] = halves(pod);
  // With the uid another pod of that name is left alone; through the subresource nothing of the spec can be named.
  auto object = std::make_shared<const json>(json{{"apiVersion", "v1"},
                                                  {"kind", "Pod"},
                                                  {"metadata",
                                                   {{"name", name},
                                                    {"namespace", ns},
                                                    {"uid", known->uid},
                                                    {"annotations", {{std::string(kTouchAnnotation), revision}}}}}});
  touches_->put(pod, {kube::kPods, std::move(object), "status", [pod](const auto& outcome) {
                        if (outcome || outcome.error().not_found() || outcome.error().conflict()) return;
                        log::warning("pod not touched, it reads its record some time later",
                                     {{"object", pod}, {"error", outcome.error().message}});
                      }});
}

Status KubeRecorder::record_keys(const std::string& source, const std::string& text) {
  const std::string name = keys_record_name(source);
  const auto applied = api_.apply(kube::kConfigMaps, config_map(ns_, name, kKeysRecord, {{"keys.json", text}}, ""));
  written(ns_ + "/" + name, "", applied);
  return applied ? Status() : tl::unexpected(applied.error().error());
}

Status KubeRecorder::erase_keys(const std::string& source) {
  if (!records_(ns_).get(ns_ + "/" + keys_record_name(source))) return {};
  const auto removed = api_.remove(kube::kConfigMaps, ns_, keys_record_name(source));
  if (removed || removed.error().not_found()) return {};
  return tl::unexpected(removed.error().error());
}

void KubeRecorder::write_status(controllers::Kind kind, const std::string& id, const json& status) {
  const auto [ns, name] = halves(id);
  const kube::Resource& resource = resource_of(kind);
  if (const auto news = news_.look(status_key(kind, id), status)) {
    const auto type = news->good ? kube::EventRecorder::Type::Normal : kube::EventRecorder::Type::Warning;
    events_.emit({resource.api_version(), std::string(resource.kind), ns, name, index_.uid_of(kind, id), ""}, type,
                 news->reason, news->message);
  }
  auto object = std::make_shared<const json>(json{{"apiVersion", resource.api_version()},
                                                  {"kind", resource.kind},
                                                  {"metadata", {{"name", name}, {"namespace", ns}}},
                                                  {"status", status}});
  statuses_->put(status_key(kind, id),
                 {resource, std::move(object), "status", [id](const auto& outcome) {
                    if (outcome || outcome.error().not_found()) return;
                    log::warning("status not written", {{"object", id}, {"error", outcome.error().message}});
                  }});
}

void KubeRecorder::keep_status(controllers::Kind kind, const std::string& id) {
  statuses_->drop(status_key(kind, id));
}

}  // namespace meshauth::app
