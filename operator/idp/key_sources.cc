#include "operator/idp/key_sources.h"

#include <random>

#include "operator/idp/source_metrics.h"

namespace meshauth::idp {
namespace {

std::chrono::sys_seconds wall_now() {
  return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
}

/// Jitter needs no secrecy, only that replicas and sources differ.
std::function<double()> seeded_random() {
  return [engine = std::mt19937_64(std::random_device{}())]() mutable {
    return std::uniform_real_distribution<double>(0, 1)(engine);
  };
}

Fetchers make_fetchers(KeySources::Options& options) {
  Fetchers fetchers{std::move(options.fetch), std::move(options.cluster_keys)};
  if (!fetchers.fetch) {
    fetchers.fetch = [guard = options.guard](const http::FetchRequest& request, const std::stop_token& stop) {
      return http::guarded_fetch(request, guard, stop);
    };
  }
  return fetchers;
}

std::string_view result_label(const Visit& visit) {
  if (!visit.outcome) return source_fault_name(visit.outcome.error().fault);
  return visit.outcome->not_modified ? SourceMetrics::kNotModified : SourceMetrics::kSuccess;
}

}  // namespace

KeySources::KeySources(Options options, OnResult on_result, http::Metrics& metrics)
    : fetchers_(make_fetchers(options)),
      on_result_(std::move(on_result)),
      metrics_(std::make_unique<SourceMetrics>(metrics.registry())),
      schedule_(options.random ? std::move(options.random) : seeded_random()) {
  before_scrape_ = metrics.before_scrape([this] { set_ages(); });
  // A thread per possible flight, so that a slow source never delays another.
  for (std::size_t i = 0; i < Schedule::kMaxInFlight; ++i)
    threads_.emplace_back([this](const std::stop_token& stop) { work(stop); });
}

KeySources::~KeySources() {
  before_scrape_.reset();
  for (std::jthread& thread : threads_) thread.request_stop();
  threads_.clear();
}

void KeySources::update(const std::string& id, const SourceSpec& spec, const std::optional<Restored>& restored) {
  const std::lock_guard lock(mutex_);
  schedule_.update(id, spec, std::chrono::steady_clock::now(), restored ? &*restored : nullptr);
  Freshness fresh{.last_good = std::nullopt, .since = wall_now()};
  if (restored) fresh.last_good = restored->last_good;
  freshness_.try_emplace(id, fresh);
  changed_.notify_all();
}

void KeySources::remove(const std::string& id) {
  const std::lock_guard lock(mutex_);
  schedule_.remove(id);
  freshness_.erase(id);
  metrics_->forget(id);
}

void KeySources::refetch(const std::string& id) {
  const std::lock_guard lock(mutex_);
  schedule_.refetch(id, std::chrono::steady_clock::now());
  changed_.notify_all();
}

void KeySources::work(const std::stop_token& stop) {
  while (const auto job = next_job(stop)) carry_out(*job, stop);
}

std::optional<Schedule::Job> KeySources::next_job(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (!stop.stop_requested()) {
    if (auto job = schedule_.take(std::chrono::steady_clock::now())) return job;
    const auto due = schedule_.next_due();
    // Woken by every change of the schedule; what is due is then read anew.
    const auto changed = [&] { return schedule_.next_due() != due; };
    if (due) {
      changed_.wait_until(lock, stop, *due, changed);
    } else {
      changed_.wait(lock, stop, changed);
    }
  }
  return std::nullopt;
}

void KeySources::carry_out(const Schedule::Job& job, const std::stop_token& stop) {
  Visit visit = visit_source(job.spec, job.memory, std::chrono::steady_clock::now(), fetchers_, stop);
  if (!visit.cancelled) {
    const std::string_view label = result_label(visit);
    if (const auto result = settle(job, std::move(visit))) {
      metrics_->count(label);
      on_result_(job.id, *result);
    }
  }
  const std::lock_guard lock(mutex_);
  schedule_.land(job, std::chrono::steady_clock::now());
  changed_.notify_all();
}

std::optional<SourceResult> KeySources::settle(const Schedule::Job& job, Visit visit) {
  const std::lock_guard lock(mutex_);
  const Time now = std::chrono::steady_clock::now();
  const auto settled = schedule_.settle(job, visit, now);
  if (!settled) return std::nullopt;
  Freshness& fresh = freshness_[job.id];
  SourceResult result;
  result.time = wall_now();
  result.next_fetch = result.time + std::chrono::ceil<std::chrono::seconds>(settled->next - now);
  result.consecutive_failures = settled->consecutive_failures;
  if (visit.outcome) fresh.last_good = result.time;
  result.last_good = fresh.last_good;
  result.outcome = std::move(visit.outcome);
  return result;
}

void KeySources::set_ages() {
  const std::lock_guard lock(mutex_);
  const auto now = wall_now();
  for (const auto& [id, fresh] : freshness_) {
    const auto age = now - fresh.last_good.value_or(fresh.since);
    metrics_->set_age(id, static_cast<double>(std::max(age, Seconds(0)).count()));
  }
}

}  // namespace meshauth::idp
