#include "operator/kube/lease.h"

#include <algorithm>
#include <charconv>
#include <ctime>
#include <nlohmann/json.hpp>

#include "core/base/text.h"

namespace meshauth::kube {
namespace {

using nlohmann::json;

// JSON numbers beyond this are not whole everywhere (RFC 8259 section 6).
constexpr std::uint64_t kMaxTerm = (std::uint64_t{1} << 53) - 1;

// metav1.MicroTime.
std::string micro_time(std::chrono::system_clock::time_point time) {
  const auto micros = std::chrono::duration_cast<std::chrono::microseconds>(time.time_since_epoch()).count();
  const std::time_t seconds = micros / 1'000'000;
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
  return fmt::format("{}.{:06}Z", text, micros % 1'000'000);
}

std::string text(const json& spec, const char* name) {
  const auto found = spec.find(name);
  return found != spec.end() && found->is_string() ? found->get<std::string>() : std::string();
}

std::int64_t number(const json& spec, const char* name) {
  const auto found = spec.find(name);
  return found != spec.end() && found->is_number_integer() ? found->get<std::int64_t>() : 0;
}

}  // namespace

Result<LeaseRecord> read_lease(const json& lease) {
  LeaseRecord record;
  record.resource_version = metadata(lease, "resourceVersion");
  if (const auto spec = lease.find("spec"); spec != lease.end() && spec->is_object()) {
    record.holder = text(*spec, "holderIdentity");
    record.duration = std::chrono::seconds(number(*spec, "leaseDurationSeconds"));
    record.renew_time = text(*spec, "renewTime");
    record.transitions = std::max<std::int64_t>(0, number(*spec, "leaseTransitions"));
  }
  const std::string term = annotation(lease, kTermAnnotation);
  if (!term.empty()) {
    const auto [end, problem] = std::from_chars(term.data(), term.data() + term.size(), record.term);
    if (problem != std::errc() || end != term.data() + term.size() || record.term > kMaxTerm) {
      return fail(
          "annotation {} of Lease {} is {}; it should be a whole number, at least the last term that was in use: "
          "correct it, "
          "or delete the Lease and start with --min-term",
          kTermAnnotation, object_key(lease), in_quotes(term));
    }
  }
  // Raised together with the term.
  record.term = std::max(record.term, static_cast<std::uint64_t>(record.transitions));
  return record;
}

json claim_lease(const json& current, const LeaseRecord& record, const LeaseOptions& options,
                 std::chrono::system_clock::time_point now) {
  json lease = current;
  if (lease.is_null()) {
    lease = {{"apiVersion", kLeases.api_version()},
             {"kind", kLeases.kind},
             {"metadata", {{"namespace", options.ns}, {"name", options.name}}}};
  }
  lease["metadata"].erase("managedFields");
  // Where no term is on record (the first start, or a Lease that was deleted) the clock stands in: sidecars may have
  // seen one, and seconds since 1970 are more than any number of starts that began there.
  const bool vouched = !annotation(lease, kTermAnnotation).empty();
  const auto floor = std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count();
  const std::uint64_t term = std::max(
      {record.term + 1, options.min_term, vouched ? 0 : static_cast<std::uint64_t>(std::max<std::int64_t>(floor, 0))});
  lease["metadata"]["annotations"][std::string(kTermAnnotation)] = std::to_string(term);
  json& spec = lease["spec"];
  spec["holderIdentity"] = options.identity;
  spec["leaseDurationSeconds"] = options.duration.count();
  spec["acquireTime"] = micro_time(now);
  spec["renewTime"] = micro_time(now);
  spec["leaseTransitions"] = std::min<std::int64_t>(record.transitions + 1, std::numeric_limits<std::int32_t>::max());
  return lease;
}

bool LeaseWatch::free(const LeaseRecord& record, Clock::Time now) {
  if (record.holder.empty()) return true;
  if (record.resource_version != seen_version_) {
    seen_version_ = record.resource_version;
    seen_at_ = now;
  }
  return now >= seen_at_ + std::max(record.duration, std::chrono::seconds(1));
}

// Leadership.

Leadership::Leadership(const ApiClient& api, LeaseOptions options, Clock& clock, Object lease, std::uint64_t term,
                       std::function<void(const std::string&)> lost, std::function<void(bool)> report)
    : api_(api),
      options_(std::move(options)),
      clock_(clock),
      term_(term),
      lost_(std::move(lost)),
      report_(std::move(report)),
      lease_(std::move(lease)) {
  report_(true);
  thread_ = std::jthread([this](const std::stop_token& stop) { renew_loop(stop); });
}

Leadership::~Leadership() {
  thread_.request_stop();
  thread_.join();
  if (held()) give_back();
  report_(false);
}

bool Leadership::held() const {
  const std::lock_guard lock(mutex_);
  return held_;
}

void Leadership::renew_loop(const std::stop_token& stop) {
  Clock::Time last_renewal = clock_.now();
  while (clock_.sleep(options_.retry, stop)) {
    const std::string why = renew(last_renewal, stop);
    if (why.empty()) continue;
    {
      const std::lock_guard lock(mutex_);
      held_ = false;
    }
    report_(false);
    if (lost_) lost_(why);
    return;
  }
}

std::string Leadership::renew(Clock::Time& last_renewal, const std::stop_token& stop) {
  json next = *lease_;
  next["spec"]["renewTime"] = micro_time(clock_.wall());
  const auto asked_at = clock_.now();
  const auto written = api_.replace(kLeases, next, stop);
  if (stop.stop_requested()) return {};
  if (written) {
    lease_ = *written;
    last_renewal = asked_at;  // others count from when they saw it, which is not before
    return {};
  }
  // A conflict may be a hand that edited something else of the Lease; or we are no longer its holder.
  if (written.error().conflict() || written.error().not_found()) {
    const auto current = api_.get(kLeases, options_.ns, options_.name, stop);
    if (!current && current.error().not_found()) return "the Lease has been deleted";
    if (current) {
      const auto record = read_lease(**current);
      if (!record || record->holder != options_.identity || record->term != term_) {
        return fmt::format("the Lease is now {}'s", record ? in_quotes(record->holder) : "nobody");
      }
      lease_ = *current;
    }
  }
  if (clock_.now() - last_renewal < options_.renew_deadline) return {};
  return fmt::format("the Lease could not be renewed for {} s: {}", options_.renew_deadline.count(),
                     written.error().message);
}

void Leadership::give_back() {
  json last = *lease_;
  last["spec"]["holderIdentity"] = "";
  last["spec"]["leaseDurationSeconds"] = 1;
  last["spec"]["renewTime"] = micro_time(clock_.wall());
  // If this fails the successor waits for the Lease's duration; nothing else depends on it.
  [[maybe_unused]] const auto written = api_.replace(kLeases, last);
}

}  // namespace meshauth::kube
