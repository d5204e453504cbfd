#include "operator/kube/apply_queue.h"

#include <nlohmann/json.hpp>

namespace meshauth::kube {

ApplyQueue::ApplyQueue(const ApiClient& api, ApplyQueueOptions options, Clock& clock, Random random)
    : api_(api),
      options_(options),
      clock_(clock),
      random_(std::move(random)),
      writes_(options.writes_per_second, options.writes_per_second),
      bytes_(options.bytes_per_second, options.bytes_per_second),
      thread_([this](const std::stop_token& stop) { run(stop); }) {}

ApplyQueue::~ApplyQueue() = default;

void ApplyQueue::put(const std::string& key, ApplyTask task) {
  const auto bytes = static_cast<double>(dump_json(*task.object).size());
  const std::lock_guard lock(mutex_);
  ++changes_;
  if (const auto found = by_key_.find(key); found != by_key_.end()) {
    found->second->task = std::move(task);
    found->second->bytes = bytes;
  } else {
    by_key_[key] = waiting_.insert(waiting_.end(), Waiting{key, std::move(task), bytes});
  }
  changed_.notify_all();
}

void ApplyQueue::drop(const std::string& key) {
  const std::lock_guard lock(mutex_);
  const auto found = by_key_.find(key);
  if (found == by_key_.end()) return;
  ++changes_;
  waiting_.erase(found->second);
  by_key_.erase(found);
  changed_.notify_all();
}

std::size_t ApplyQueue::pending() const {
  const std::lock_guard lock(mutex_);
  return waiting_.size() + (writing_ ? 1 : 0);
}

bool ApplyQueue::wait_idle(std::chrono::steady_clock::time_point deadline) const {
  std::unique_lock lock(mutex_);
  return changed_.wait_until(lock, deadline, [&] { return waiting_.empty() && !writing_; });
}

ApplyQueue::Waitings::iterator ApplyQueue::pick(Clock::Time now, Clock::Time& next) {
  next = now + std::chrono::hours(1);
  for (auto at = waiting_.begin(); at != waiting_.end(); ++at) {
    Clock::Time due = at->not_before;
    if (const auto last = written_at_.find(at->key); last != written_at_.end()) {
      due = std::max(due, last->second + options_.per_key);
    }
    if (due > now) {
      next = std::min(next, due);
      continue;
    }
    const auto delay = std::max(writes_.delay(1, now), bytes_.delay(at->bytes, now));
    if (delay == std::chrono::nanoseconds::zero()) return at;
    next = std::min(next, now + std::chrono::duration_cast<Clock::Time::duration>(delay));
    return waiting_.end();  // first come, first served: a small one does not overtake a large one for ever
  }
  return waiting_.end();
}

void ApplyQueue::run(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (!stop.stop_requested()) {
    const auto now = clock_.now();
    Clock::Time next;
    const auto chosen = pick(now, next);
    if (chosen == waiting_.end()) {
      const unsigned seen = changes_;
      clock_.wait_until(lock, changed_, next, stop, [&] { return changes_ != seen; });
      continue;
    }
    writes_.take(1, now);
    bytes_.take(chosen->bytes, now);
    forget_old_writes(now);
    written_at_[chosen->key] = now;
    Waiting waiting = std::move(*chosen);
    by_key_.erase(waiting.key);
    waiting_.erase(chosen);
    writing_ = true;
    lock.unlock();
    write(std::move(waiting), stop);
    lock.lock();
    writing_ = false;
    changed_.notify_all();
  }
}

void ApplyQueue::write(Waiting waiting, const std::stop_token& stop) {
  const auto outcome = api_.apply(waiting.task.resource, *waiting.task.object, waiting.task.subresource, stop);
  if (stop.stop_requested()) return;
  if (waiting.task.done) waiting.task.done(outcome);
  if (outcome || !outcome.error().temporary()) return;
  const std::lock_guard lock(mutex_);
  const auto delay = std::max<std::chrono::nanoseconds>(backoff_delay(options_.backoff, waiting.failures, random_),
                                                        outcome.error().retry_after.value_or(std::chrono::seconds(0)));
  waiting.not_before = clock_.now() + std::chrono::duration_cast<Clock::Time::duration>(delay);
  ++waiting.failures;
  // A newer one has come meanwhile: it takes the turn, and the delay, of this one.
  if (const auto newer = by_key_.find(waiting.key); newer != by_key_.end()) {
    newer->second->not_before = waiting.not_before;
    newer->second->failures = waiting.failures;
    return;
  }
  const std::string key = waiting.key;
  by_key_[key] = waiting_.insert(waiting_.end(), std::move(waiting));
}

// The times are only of use for per_key after the last write.
void ApplyQueue::forget_old_writes(Clock::Time now) {
  std::erase_if(written_at_, [&](const auto& entry) { return entry.second + options_.per_key <= now; });
}

}  // namespace meshauth::kube
