#include "operator/kube/events.h"

#include <prometheus/counter.h>
#include <prometheus/registry.h>

#include <nlohmann/json.hpp>

#include "core/base/digest.h"
#include "core/base/duration.h"
#include "core/base/text.h"
#include "operator/http/metrics.h"

namespace meshauth::kube {
namespace {

using nlohmann::json;

constexpr std::size_t kMaxMessage = 1024;  // validation of core/v1 Event
constexpr std::size_t kMaxReason = 128;

const char* type_name(EventRecorder::Type type) {
  return type == EventRecorder::Type::Normal ? "Normal" : "Warning";
}

std::string rfc3339(std::chrono::system_clock::time_point time) {
  return format_time(std::chrono::floor<std::chrono::seconds>(time));
}

std::string object_of(const Subject& subject) {
  return fmt::format("{}\n{}\n{}\n{}", subject.kind, subject.ns, subject.name, subject.uid);
}

}  // namespace

struct EventRecorder::Counters {
  prometheus::Counter& dropped;
};

Subject Subject::of(const json& object) {
  const auto text = [&](const char* name) {
    const auto found = object.find(name);
    return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
  };
  return {text("apiVersion"),
          text("kind"),
          metadata(object, "namespace"),
          metadata(object, "name"),
          metadata(object, "uid"),
          metadata(object, "resourceVersion")};
}

EventRecorder::EventRecorder(const ApiClient& api, EventOptions options, http::Metrics& metrics, Clock& clock)
    : api_(api),
      options_(std::move(options)),
      clock_(clock),
      counters_(new Counters{prometheus::BuildCounter()
                                 .Name("mesh_auth_events_dropped_total")
                                 .Help("Events that were not written, because there were too many or it failed.")
                                 .Register(metrics.registry())
                                 .Add({})}),
      writes_(options_.writes_per_second, options_.writes_per_second),
      thread_([this](const std::stop_token& stop) { run(stop); }) {}

EventRecorder::~EventRecorder() = default;

void EventRecorder::emit(const Subject& subject, Type type, const std::string& reason, const std::string& message) {
  const std::lock_guard lock(mutex_);
  const auto now = clock_.now();
  forget_old(now);
  const std::string object = object_of(subject);
  TokenBucket& bucket =
      objects_.try_emplace(object, options_.per_object_per_second, options_.per_object_burst).first->second;
  const std::string key = fmt::format("{}\n{}\n{}", object, type_name(type), reason);
  const auto found = series_.find(key);
  const bool merges = found != series_.end() && found->second.waiting;  // costs no write of its own
  const bool full =
      waiting_.size() >= options_.max_waiting || (found == series_.end() && series_.size() >= options_.max_remembered);
  if (!merges && (full || bucket.delay(1, now) > std::chrono::nanoseconds::zero())) {
    counters_->dropped.Increment();
    return;
  }
  Series& series = series_[key];
  if (series.count == 0) {
    series.ns = subject.ns.empty() ? "default" : subject.ns;
    const std::string unique =
        fmt::format("{}\n{}\n{}\n{}", key, options_.instance, clock_.wall().time_since_epoch().count(), ++next_);
    series.name = subject.name + "." + sha256_hex(unique).substr(0, 16);
    series.first_time = clock_.wall();
  }
  ++series.count;
  series.last = now;
  series.last_time = clock_.wall();
  series.subject = subject;
  series.type = type;
  series.reason = std::string(utf8_prefix(reason, kMaxReason));
  series.message = std::string(utf8_prefix(message, kMaxMessage));
  if (merges) return;
  bucket.take(1, now);
  series.waiting = true;
  waiting_.push_back(key);
  changed_.notify_all();
}

bool EventRecorder::wait_idle(std::chrono::steady_clock::time_point deadline) const {
  std::unique_lock lock(mutex_);
  return changed_.wait_until(lock, deadline, [&] { return waiting_.empty() && !writing_; });
}

void EventRecorder::run(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (!stop.stop_requested()) {
    const auto now = clock_.now();
    const auto delay = waiting_.empty() ? std::chrono::nanoseconds(std::chrono::hours(1)) : writes_.delay(1, now);
    if (delay > std::chrono::nanoseconds::zero()) {
      const bool empty = waiting_.empty();
      clock_.wait_until(lock, changed_, now + std::chrono::duration_cast<Clock::Time::duration>(delay), stop,
                        [&] { return empty && !waiting_.empty(); });
      continue;
    }
    const std::string key = std::move(waiting_.front());
    waiting_.pop_front();
    Series& series = series_[key];
    series.waiting = false;
    const Series copy = series;
    writes_.take(1, now);
    writing_ = true;
    lock.unlock();
    const bool written = write(copy, stop);
    lock.lock();
    writing_ = false;
    if (const auto after = series_.find(key); written && after != series_.end()) {
      after->second.created = true;
    } else if (!written && !stop.stop_requested()) {
      counters_->dropped.Increment();
    }
    changed_.notify_all();
  }
}

json EventRecorder::to_json(const Series& series) const {
  const Subject& about = series.subject;
  json involved = {{"apiVersion", about.api_version}, {"kind", about.kind}, {"name", about.name}};
  if (!about.ns.empty()) involved["namespace"] = about.ns;
  if (!about.uid.empty()) involved["uid"] = about.uid;
  if (!about.resource_version.empty()) involved["resourceVersion"] = about.resource_version;
  return {{"apiVersion", "v1"},
          {"kind", "Event"},
          {"metadata", {{"namespace", series.ns}, {"name", series.name}}},
          {"involvedObject", involved},
          {"type", type_name(series.type)},
          {"reason", series.reason},
          {"message", series.message},
          {"source", {{"component", options_.component}}},
          {"reportingComponent", options_.component},
          {"reportingInstance", options_.instance},
          {"firstTimestamp", rfc3339(series.first_time)},
          {"lastTimestamp", rfc3339(series.last_time)},
          {"count", series.count}};
}

bool EventRecorder::write(const Series& series, const std::stop_token& stop) const {
  if (series.created) {
    const json patch = {
        {"count", series.count}, {"message", series.message}, {"lastTimestamp", rfc3339(series.last_time)}};
    const auto patched = api_.merge_patch(kEvents, series.ns, series.name, patch, {}, stop);
    if (patched || !patched.error().not_found()) return patched.has_value();
    // Events live for an hour; this one is over.
  }
  return api_.create(kEvents, series.ns, to_json(series), stop).has_value();
}

void EventRecorder::forget_old(Clock::Time now) {
  std::erase_if(series_, [&](const auto& entry) {
    return !entry.second.waiting && entry.second.last + options_.aggregate < now;
  });
  // A bucket that is full again has nothing to remember.
  std::erase_if(objects_,
                [&](const auto& entry) { return entry.second.delay(options_.per_object_burst, now).count() == 0; });
}

}  // namespace meshauth::kube
