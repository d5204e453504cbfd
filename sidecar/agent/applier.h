// Puts bundles into force: carries out what apply.h's table says, with the folder, nginx and its workers.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "core/bundle/wire.h"
#include "core/engine/worker_report.h"
#include "operator/asio/asio.h"
#include "sidecar/agent/apply.h"
#include "sidecar/agent/folder.h"
#include "sidecar/agent/nginx.h"
#include "sidecar/agent/workers.h"

namespace meshauth::agent {

struct ApplyLimits {
  std::chrono::milliseconds swap{5'000};
  std::chrono::milliseconds reload{20'000};
  std::chrono::milliseconds back{10'000};
};

/// On the thread of the io_context.
class Applier {
 public:
  using SendAck = std::function<void(const bundle::Ack&)>;

  /// current: what was in force when the agent ended last, verified; nginx has its auth.conf installed.
  Applier(net::asio::io_context& io, BundleFolder folder, Nginx& nginx, std::size_t worker_count, ApplyLimits limits,
          SendAck send_ack, std::optional<bundle::Bundle> current);

  /// Called with each bundle that the link names from now on, and at once with the one it names.
  void on_switch(std::function<void(const bundle::Bundle&)> told);
  /// A verified bundle of this workload. Error: it is stale, or the folder cannot be written.
  Status offer(bundle::Bundle bundle);
  void note(const engine::WorkerReport& report);
  /// The agent's own engine refused what `current` names.
  void engine_refused(const std::string& revision, const std::string& detail);
  void nginx_ended();

  /// Content of any bundle at hand with this digest: current, in work, postponed, or offered last.
  std::optional<std::string> content(const bundle::FileEntry& entry) const;
  /// The revision that `current` names; empty: none.
  std::string revision() const { return current_ ? current_->manifest.revision : std::string(); }
  /// The trusted key that signed it; nullopt: none of them, or there is no bundle.
  std::optional<std::string> signer(const bundle::Trust& trust) const {
    return current_ ? bundle::signer_of(*current_, trust) : std::nullopt;
  }
  bundle::Epoch highest_epoch() const { return highest_; }
  ApplyState state() const { return state_; }
  const std::optional<bundle::Ack>& last_ack() const { return last_ack_; }
  /// All workers ran some valid bundle once.
  bool was_ready() const { return was_ready_; }
  Workers& workers() { return workers_; }
  BundleFolder& folder() { return folder_; }

 private:
  void take(bundle::Bundle bundle);
  void fire(ApplyEvent event);
  void carry_out(ApplyAction action);
  void write();
  void test();
  void install();
  void switch_link();
  void reload();
  void switch_back();
  void install_back();
  void start_timer();
  void on_timer();
  void check_workers();
  void ack(bundle::Outcome outcome);
  Wanted wanted() const;

  net::asio::io_context& io_;
  BundleFolder folder_;
  Nginx& nginx_;
  Workers workers_;
  std::size_t worker_count_;
  ApplyLimits limits_;
  SendAck send_ack_;
  std::function<void(const bundle::Bundle&)> told_;
  net::asio::steady_timer timer_;
  ApplyState state_ = ApplyState::Idle;

  std::optional<bundle::Bundle> current_;    // what the link names
  std::optional<bundle::Bundle> previous_;   // what it named before
  std::optional<bundle::Bundle> candidate_;  // in work
  std::optional<bundle::Bundle> postponed_;
  std::optional<bundle::Bundle> offered_;  // last
  bundle::Epoch highest_;
  bool is_switched_ = false;  // the link was moved for the candidate
  std::string failure_;       // why the candidate is refused
  bool is_reloaded_ = false;
  std::chrono::steady_clock::time_point began_{};
  std::chrono::steady_clock::time_point deadline_{};
  std::optional<bundle::Ack> last_ack_;
  bool was_ready_ = false;
};

}  // namespace meshauth::agent
