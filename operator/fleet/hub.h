// What each stream is to say next. Pure bookkeeping on one thread: no sockets, no clock of its own.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>

#include "core/bundle/bundle.h"

namespace meshauth::fleet {

using SteadyTime = std::chrono::steady_clock::time_point;

/// One stream's place: what it was told. Made by Hub::open, ended by Hub::close.
struct Stream {
  std::string pod;
  std::string workload;
  std::string held;            ///< revision that the sidecar holds, as far as we know; empty: none
  std::function<void()> wake;  ///< there may be something new to say
  std::uint64_t version = 0;   ///< of the bundle told last
  bool fresh_is_due = true;
  SteadyTime last_ping{};
};

/// An event as its bytes on the wire. A slow stream skips what was replaced meanwhile: it asks for the newest.
struct Event {
  std::shared_ptr<const std::string> bytes;
  bool is_bundle = false;
  SteadyTime published{};  ///< of a bundle
};

class Hub {
 public:
  explicit Hub(std::chrono::milliseconds ping_interval) : ping_interval_(ping_interval) {}

  void publish(const std::string& workload, std::shared_ptr<const bundle::Bundle> bundle, SteadyTime now);
  /// Nothing more to say about the workload; open streams stay and are pinged.
  void withdraw(const std::string& workload);
  /// An empty workload: for all that have none of their own. A workload's own is told at once, the one for all with
  /// the next ping.
  void set_fresh(const std::string& workload, std::string json, std::string signature);

  void open(Stream& stream);
  void close(Stream& stream);
  const std::set<Stream*>& streams() const { return all_; }

  /// What to write now, if anything. unix_now goes into pings.
  std::optional<Event> next(Stream& stream, SteadyTime now, double unix_now);
  /// When next() has a ping at the latest.
  SteadyTime next_ping(const Stream& stream) const { return stream.last_ping + ping_interval_; }

  /// When the workload's current bundle was published, if it is this revision.
  std::optional<SteadyTime> published(const std::string& workload, const std::string& revision) const;

 private:
  struct Fresh {
    std::string json;
    std::string signature;
  };
  struct Workload {
    std::shared_ptr<const bundle::Bundle> bundle;
    std::uint64_t version = 0;
    SteadyTime published{};
    std::optional<Fresh> fresh;
    std::deque<bundle::Manifest> history;                              ///< newest last, at most kHistory
    std::map<std::string, std::shared_ptr<const std::string>> frames;  ///< of the bundle, by the revision held
    std::set<Stream*> streams;
  };

  std::shared_ptr<const std::string> frame(Workload& workload, const std::string& held);
  void wake(const Workload& workload) const;
  void drop_if_empty(const std::string& name);

  static constexpr std::size_t kHistory = 16;  // revisions whose digests are known: a redial costs only what changed

  std::chrono::milliseconds ping_interval_;
  std::uint64_t versions_ = 0;
  Fresh fresh_for_all_;
  std::unordered_map<std::string, Workload> workloads_;
  std::set<Stream*> all_;
};

}  // namespace meshauth::fleet
