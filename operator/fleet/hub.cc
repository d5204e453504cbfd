#include "operator/fleet/hub.h"

#include <algorithm>

#include "core/bundle/wire.h"
#include "operator/log/log.h"

namespace meshauth::fleet {
namespace {

// The files of the bundle that a holder of `held` lacks.
bundle::Files missing_files(const bundle::Bundle& bundle, const bundle::Manifest* held) {
  bundle::Files files = bundle.files;
  if (held == nullptr) return files;
  for (const auto& entry : bundle.manifest.files) {
    if (std::find(held->files.begin(), held->files.end(), entry) != held->files.end()) files.erase(entry.name);
  }
  return files;
}

}  // namespace

void Hub::publish(const std::string& name, std::shared_ptr<const bundle::Bundle> bundle, SteadyTime now) {
  auto& workload = workloads_[name];
  workload.version = ++versions_;
  workload.published = now;
  workload.frames.clear();
  std::erase_if(workload.history, [&](const auto& old) { return old.revision == bundle->manifest.revision; });
  workload.history.push_back(bundle->manifest);
  if (workload.history.size() > kHistory) workload.history.pop_front();
  workload.bundle = std::move(bundle);
  wake(workload);
}

void Hub::withdraw(const std::string& name) {
  const auto found = workloads_.find(name);
  if (found == workloads_.end()) return;
  found->second.bundle.reset();
  found->second.frames.clear();
  found->second.fresh.reset();
  drop_if_empty(name);
}

void Hub::set_fresh(const std::string& name, std::string json, std::string signature) {
  Fresh fresh{std::move(json), std::move(signature)};
  if (name.empty()) {
    fresh_for_all_ = std::move(fresh);
    return;
  }
  auto& workload = workloads_[name];
  if (workload.fresh && workload.fresh->json == fresh.json && workload.fresh->signature == fresh.signature) return;
  workload.fresh = std::move(fresh);
  for (Stream* stream : workload.streams) stream->fresh_is_due = true;
  wake(workload);
}

void Hub::open(Stream& stream) {
  all_.insert(&stream);
  workloads_[stream.workload].streams.insert(&stream);
}

void Hub::close(Stream& stream) {
  all_.erase(&stream);
  const auto found = workloads_.find(stream.workload);
  if (found == workloads_.end()) return;
  found->second.streams.erase(&stream);
  drop_if_empty(stream.workload);
}

std::optional<Event> Hub::next(Stream& stream, SteadyTime now, double unix_now) {
  auto& workload = workloads_[stream.workload];
  if (workload.bundle && workload.version != stream.version) {
    const auto bytes = frame(workload, stream.held);
    stream.version = workload.version;
    if (bytes) {
      stream.held = workload.bundle->manifest.revision;
      return Event{bytes, true, workload.published};
    }
  }
  if (!stream.fresh_is_due && now < next_ping(stream)) return std::nullopt;
  stream.fresh_is_due = false;
  stream.last_ping = now;
  const auto& fresh = workload.fresh ? *workload.fresh : fresh_for_all_;
  const auto json = bundle::encode(bundle::PingEvent{fresh.json, fresh.signature, unix_now});
  return Event{std::make_shared<const std::string>(bundle::sse_frame(bundle::kPingEvent, "", json)), false, {}};
}

std::optional<SteadyTime> Hub::published(const std::string& name, const std::string& revision) const {
  const auto found = workloads_.find(name);
  if (found == workloads_.end() || !found->second.bundle) return std::nullopt;
  if (found->second.bundle->manifest.revision != revision) return std::nullopt;
  return found->second.published;
}

std::shared_ptr<const std::string> Hub::frame(Workload& workload, const std::string& held) {
  const auto old = std::find_if(workload.history.begin(), workload.history.end(),
                                [&](const auto& manifest) { return manifest.revision == held; });
  const auto* manifest = old == workload.history.end() ? nullptr : &*old;
  auto& cached = workload.frames[manifest == nullptr ? std::string() : held];
  if (cached) return cached;
  const auto& bundle = *workload.bundle;
  const auto json =
      bundle::encode(bundle::BundleEvent{bundle.manifest_json, bundle.signature, missing_files(bundle, manifest)});
  if (!json) {
    log::error("a bundle cannot be sent", {{"object", bundle.manifest.workload}, {"error", json.error()}});
    return nullptr;
  }
  cached =
      std::make_shared<const std::string>(bundle::sse_frame(bundle::kBundleEvent, bundle.manifest.revision, *json));
  return cached;
}

void Hub::wake(const Workload& workload) const {
  for (const Stream* stream : workload.streams) stream->wake();
}

void Hub::drop_if_empty(const std::string& name) {
  const auto found = workloads_.find(name);
  if (found != workloads_.end() && !found->second.bundle && !found->second.fresh && found->second.streams.empty()) {
    workloads_.erase(found);
  }
}

}  // namespace meshauth::fleet
