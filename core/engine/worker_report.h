// What an nginx worker tells the agent of its pod: one JSON object per datagram to the agent's unix socket. A datagram
// that the agent does not take at once is dropped; state (hello, swapped, refused) is said again until it was taken,
// and every report carries the revision in force, so that a lost one heals with the next.
//
// {"v":1,"pid":4711,"worker":0,"started":1700000000123,"type":"swapped","revision":"<64 hex>","draining":false,
//  "authConf":"<64 hex>","swapMs":1.25,"fresh":false,"detail":"","refused":"","source":"","kid":"","counters":[...]}
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"

namespace meshauth::engine {

constexpr int kWorkerReportVersion = 1;
constexpr std::size_t kMaxWorkerReportBytes = 16 * 1024;  ///< of one datagram; Linux takes up to about 200 KiB
constexpr std::size_t kMaxReportDetail = 1024;            ///< bytes of detail; longer ones are cut
constexpr double kHeartbeatSeconds = 5;                   ///< a live worker is never silent for longer

enum class WorkerEvent : std::uint8_t {
  hello,        ///< the worker has started and tried `current` once; revision is empty if it has no valid bundle
  swapped,      ///< it runs `revision` from now on, the swap took swapMs
  refused,      ///< it refused what `current` names (`refused`, why in `detail`) and goes on with `revision`
  unknown_kid,  ///< a token of key source `source` named `kid`, which no key has
  counters,     ///< what was decided since its last such report; sent at least every kHeartbeatSeconds, also if nothing
                ///< was
  bye,          ///< it exits in an orderly way
};

/// "hello", "swapped", ...
std::string_view worker_event_name(WorkerEvent event) noexcept;

/// How often one thing was decided since the last report that was taken.
struct DecisionCount {
  bool allow = false;
  std::string reason;  ///< reason_name(), empty where allowed
  std::string policy;  ///< namespace/name, empty if no rule decided
  std::string rule;
  std::string provider;      ///< empty without one
  std::string audit;         ///< "" no difference, else what audit policies would have said: "allow" or "deny"
  std::string audit_policy;  ///< the audit policy whose rule would have decided, empty if none
  std::uint64_t count = 0;

  friend bool operator==(const DecisionCount&, const DecisionCount&) = default;
};

struct WorkerReport {
  WorkerEvent event = WorkerEvent::hello;
  std::int64_t pid = 0;
  unsigned worker = 0;       ///< nginx's slot, 0 ..; two processes have the same one while an old one drains
  std::int64_t started = 0;  ///< unix milliseconds; with pid it names one process
  std::string revision;      ///< in force; empty: none, every request is answered 503
  std::string auth_conf;     ///< digest of the auth.conf that nginx gave it, which no swap changes
  bool draining = false;     ///< an old worker after a reload: it takes no new connections
  double swap_ms = 0;        ///< swapped: how long the event loop was held
  std::string refused;       ///< refused: what was refused: a revision, else "fresh.json" or "current"
  std::string detail;        ///< refused: one sentence
  std::string source;        ///< unknown_kid: the key source's id
  std::string kid;           ///< unknown_kid: at most 256 bytes
  std::vector<DecisionCount> counters;

  friend bool operator==(const WorkerReport&, const WorkerReport&) = default;
};

/// One line of JSON without a line feed; empty fields are left out. Invalid UTF-8 becomes U+FFFD.
std::string to_json(const WorkerReport& report);

/// Errors: too long, not JSON, another version, an unknown type, a field of the wrong type.
Result<WorkerReport> parse_worker_report(std::string_view json);

}  // namespace meshauth::engine
