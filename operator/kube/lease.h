// The Lease that says who leads, and carries the term: which leadership is newer.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <thread>

#include "operator/kube/api_client.h"
#include "operator/kube/clock.h"

namespace meshauth::kube {

inline constexpr std::string_view kTermAnnotation = "meshauth.dev/term";

struct LeaseOptions {
  std::string ns;
  std::string name = "mesh-auth-operator";
  std::string identity;                     ///< unique per process, not only per pod: POD_NAME and something random
  std::chrono::seconds duration{15};        ///< others wait this long after the last renewal that they saw
  std::chrono::seconds renew_deadline{10};  ///< without a renewal for this long leadership is lost
  std::chrono::seconds retry{2};            ///< between two renewals, and between two tries to get it
  std::uint64_t min_term = 0;               ///< --min-term: no smaller term is taken
  /// Is it certain that this holder has ended? Then its time is not waited for. Empty: it never is.
  std::function<bool(const std::string& holder)> has_ended = nullptr;
};

/// What a Lease (coordination.k8s.io/v1) says.
struct LeaseRecord {
  std::string holder;  ///< empty: given back
  std::chrono::seconds duration{0};
  std::string renew_time;
  std::int64_t transitions = 0;
  std::uint64_t term = 0;  ///< the greatest that the Lease vouches for: annotation or transitions
  std::string resource_version;
};

/// Fails, naming the annotation, if the term is no number: a smaller term than an earlier one must never be guessed.
Result<LeaseRecord> read_lease(const nlohmann::json& lease);

/// The Lease as its holder writes it. current: null to create it. The term is greater than every one before and at
/// least min_term; without one on record it is `now` in seconds since 1970. The write is a compare-and-swap.
nlohmann::json claim_lease(const nlohmann::json& current, const LeaseRecord& record, const LeaseOptions& options,
                           std::chrono::system_clock::time_point now);

/// Tells by our own clock whether the holder has let its time pass: clocks of machines differ.
class LeaseWatch {
 public:
  /// Free if nobody holds it, or if it has not changed for its duration since we first saw it so.
  bool free(const LeaseRecord& record, Clock::Time now);

 private:
  std::string seen_version_;
  Clock::Time seen_at_{};
};

/// Held until it is lost or destroyed. Destroying it gives the Lease back, so that a successor need not wait.
class Leadership {
 public:
  ~Leadership();
  std::uint64_t term() const { return term_; }
  bool held() const;

 private:
  friend class Elector;
  Leadership(const ApiClient& api, LeaseOptions options, Clock& clock, Object lease, std::uint64_t term,
             std::function<void(const std::string& why)> lost, std::function<void(bool)> report);
  void renew_loop(const std::stop_token& stop);
  /// "" if it was renewed or may still be; else why it is lost.
  std::string renew(Clock::Time& last_renewal, const std::stop_token& stop);
  void give_back();

  const ApiClient& api_;
  const LeaseOptions options_;
  Clock& clock_;
  const std::uint64_t term_;
  const std::function<void(const std::string&)> lost_;
  const std::function<void(bool)> report_;
  Object lease_;  // of the thread alone, and of the destructor after it
  mutable std::mutex mutex_;
  bool held_ = true;  // guarded by mutex_
  std::jthread thread_;
};

class Elector {
 public:
  /// on_wait: why it is not ours yet, each time that changes, for the log.
  Elector(const ApiClient& api, LeaseOptions options, http::Metrics& metrics, Clock& clock = system_clock(),
          std::function<void(const std::string&)> on_wait = {});
  ~Elector();

  /// Blocks until we lead, with a term greater than any before: each start and each gain raises it, also when the
  /// Lease still names our identity. Null only after a stop request. An error: waiting cannot help (the term cannot be
  /// read, or we may not write Leases). lost runs once, in a thread of its own; it must not destroy the Leadership.
  Result<std::unique_ptr<Leadership>> lead(std::function<void(const std::string& why)> lost,
                                           const std::stop_token& stop);

 private:
  struct Gauge;
  /// The Lease as we wrote it if it is ours now; null: not now, `why` says the reason.
  Result<Object> try_once(LeaseWatch& watch, std::string& why, const std::stop_token& stop);

  const ApiClient& api_;
  const LeaseOptions options_;
  Clock& clock_;
  const std::function<void(const std::string&)> on_wait_;
  std::unique_ptr<Gauge> gauge_;
};

}  // namespace meshauth::kube
