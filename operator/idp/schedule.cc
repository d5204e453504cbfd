#include "operator/idp/schedule.h"

#include <algorithm>
#include <utility>

namespace meshauth::idp {
namespace {

constexpr double kJitter = 0.1;
constexpr unsigned kMaxDoublings = 30;

}  // namespace

void Schedule::update(const std::string& id, const SourceSpec& spec, Time now, const Restored* restored) {
  const auto [at, is_new] = sources_.try_emplace(id);
  Source& source = at->second;
  if (!is_new && source.spec == spec) return;
  const bool same_place =
      source.spec.kind == spec.kind && source.spec.url == spec.url && source.spec.ca_bundle == spec.ca_bundle;
  source.spec = spec;
  source.generation = ++generations_;
  if (is_new) {
    source.next = now;
    if (restored != nullptr && !restored->keys.keys.empty()) {
      source.memory.keys = std::make_shared<const jose::KeySet>(restored->keys);
      source.memory.jwks_uri = restored->jwks_uri;
      source.memory.etag = restored->etag;
    }
    return;
  }
  if (!same_place) source.memory = {};
  source.failures = 0;
  source.next = source.visited ? std::max(now, source.started + kFirstRetry) : now;
}

void Schedule::remove(const std::string& id) {
  sources_.erase(id);
}

void Schedule::refetch(const std::string& id, Time now) {
  const auto at = sources_.find(id);
  if (at == sources_.end()) return;
  Source& source = at->second;
  if (flights_.contains(id)) {
    source.wanted = true;
  } else {
    hurry(source, now);
  }
}

void Schedule::hurry(Source& source, Time now) {
  const Time earliest = source.visited ? source.started + source.spec.min_refetch_interval : now;
  source.next = std::min(source.next, std::max(now, earliest));
}

std::optional<Schedule::Time> Schedule::next_due() const {
  if (flights_.size() >= kMaxInFlight) return std::nullopt;
  std::optional<Time> due;
  for (const auto& [id, source] : sources_) {
    if (!flights_.contains(id) && (!due || source.next < *due)) due = source.next;
  }
  return due;
}

std::optional<Schedule::Job> Schedule::take(Time now) {
  if (flights_.size() >= kMaxInFlight) return std::nullopt;
  auto best = sources_.end();
  for (auto at = sources_.begin(); at != sources_.end(); ++at) {
    if (flights_.contains(at->first) || at->second.next > now) continue;
    if (best == sources_.end() || at->second.next < best->second.next) best = at;
  }
  if (best == sources_.end()) return std::nullopt;
  Source& source = best->second;
  source.wanted = false;
  source.visited = true;
  source.started = now;
  flights_.insert(best->first);
  return Job{best->first, source.generation, source.spec, source.memory};
}

Seconds Schedule::plain_interval(const Source& source, std::optional<Seconds> max_age) const {
  const Seconds most = std::max(source.spec.refresh_interval, kFirstRetry);
  if (source.failures > 0) {
    const unsigned doublings = std::min(source.failures - 1, kMaxDoublings);
    return std::min(Seconds(kFirstRetry.count() << doublings), most);
  }
  return max_age ? std::clamp(*max_age, std::min(source.spec.min_refetch_interval, most), most) : most;
}

Schedule::Time::duration Schedule::jittered(Seconds interval) {
  const double factor = 1 - kJitter + 2 * kJitter * random_();
  return std::chrono::duration_cast<Time::duration>(std::chrono::duration<double>(interval) * factor);
}

std::optional<Schedule::Settled> Schedule::settle(const Job& job, const Visit& visit, Time now) {
  const auto at = sources_.find(job.id);
  if (at == sources_.end() || at->second.generation != job.generation) return std::nullopt;
  Source& source = at->second;
  source.memory = visit.memory;
  source.failures = visit.outcome ? 0 : source.failures + 1;
  source.next = now + jittered(plain_interval(source, visit.max_age));
  if (visit.outcome) source.next = std::max(source.next, source.started + source.spec.min_refetch_interval);
  if (std::exchange(source.wanted, false)) hurry(source, now);
  return Settled{source.failures, source.next};
}

void Schedule::land(const Job& job, Time now) {
  flights_.erase(job.id);
  const auto at = sources_.find(job.id);
  // Asked for after settle(), while the result was being told.
  if (at != sources_.end() && std::exchange(at->second.wanted, false)) hurry(at->second, now);
}

}  // namespace meshauth::idp
