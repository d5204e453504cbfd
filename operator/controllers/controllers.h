// The reconciles: read the index, call plan, carry out the effects through World.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>

#include "core/bundle/keys.h"
#include "core/bundle/wire.h"
#include "core/jose/key_set.h"
#include "operator/controllers/decision_metrics.h"
#include "operator/controllers/index.h"
#include "operator/controllers/world.h"

namespace meshauth::controllers {

/// What one fetch of a key source gave.
struct FetchResult {
  // A good fetch.
  std::shared_ptr<const jose::KeySet> keys;  ///< null: the fetch failed
  bool not_modified = false;
  std::string jwks_uri, discovered_issuer, etag;
  // A failed one.
  std::string error_reason, error_message;
  bool discovery_failed = false;
  // Both.
  std::uint32_t consecutive_failures = 0;
  plan::Time time{};
  std::optional<plan::Time> next_fetch;
};

class Controllers {
 public:
  struct Queue {
    std::function<void(const Key&)> add;
    std::function<void(const Key&, std::chrono::milliseconds)> add_after;
  };

  /// key: signs from now on. term: of this leadership. earlier: public keys that signed what may be adopted, too. The
  /// index, the world and the metrics outlive it.
  Controllers(Index& index, World& world, Queue queue, DecisionMetrics& decisions, bundle::SigningKey key,
              std::uint64_t term, std::vector<std::string> earlier = {});

  /// Another key signs from now on: what is in force goes on byte for byte under its signature, to sidecars and
  /// records.
  void set_signing_key(bundle::SigningKey key);
  /// Workloads whose record does not hold yet what is in force, under the signature of the key of now.
  std::vector<std::string> unrecorded() const;
  /// Each sidecar, and what it said last of its trust; nullopt: nothing, since it is older or not connected.
  struct SidecarTrust {
    std::string pod;
    std::optional<bundle::TrustReport> said;
  };
  std::vector<SidecarTrust> sidecar_trust() const;

  /// One unit of work; thread-safe for different keys. False: again, with back-off.
  bool reconcile(const Key& key);

  /// What the record held at the start: the bundle goes on byte for byte where the plan has the same revision, and its
  /// policies are the last good form of those that are refused now. What is not signed by us is passed over. Before the
  /// first reconcile.
  void adopt(const std::string& workload, std::string manifest_json, std::string signature, bundle::Files files);
  void restore_keys(const std::string& source, plan::KeyHistory history);
  /// The status of a policy, where its object does not carry it.
  void restore_audit(const std::string& policy, const nlohmann::json& status);

  // From outside, any thread.
  void on_fetched(const std::string& source, const FetchResult& result);
  void on_recorded(const std::string& workload, const std::string& revision, const Status& outcome);
  void on_ack(const std::string& workload, const std::string& pod, const bundle::Ack& ack);
  void on_report(const std::string& workload, const std::string& pod, const bundle::Report& report);
  void on_pod_gone(const std::string& workload, const std::string& pod);
  /// A stream of the pod opened or closed. It may open a new one before its last one has closed.
  void on_connect(const std::string& workload, const std::string& pod);
  void on_disconnect(const std::string& workload, const std::string& pod);

  /// Keys of a change in the index.
  void enqueue(const Keys& keys);

  struct Counts {
    std::size_t workloads = 0, sidecars = 0, programmed = 0;
  };
  Counts counts() const;

  /// Every sidecar and what it said last, at most kMostSidecarsTold of them. docs/how-to/check-a-mesh.md has the shape;
  /// nothing in it is secret.
  nlohmann::json fleet_state() const;
  static constexpr std::size_t kMostSidecarsTold = 20'000;

 private:
  struct Sidecar {
    std::optional<bundle::Ack> ack;
    bool is_ack_old = false;  ///< it is of before current was made, be it of the same revision
    plan::Time acked{};
    std::string applied;         ///< the revision that it said last that it runs
    int streams = 0;             ///< open ones
    plan::Time connection{};     ///< when a stream opened or closed last; zero: none did
    std::optional<double> skew;  ///< its clock minus ours, seconds

    bool has_answered(const std::string& revision) const { return ack && !is_ack_old && ack->revision == revision; }
  };
  struct Audited {
    std::optional<std::string> uid;  ///< of the policy's object; nullopt: whichever has that name
    plan::AuditCounts counts;
  };
  struct WorkloadState {
    std::shared_ptr<const bundle::Bundle> current;
    std::string signed_by;  ///< public key of current's signature
    bool published = false;
    std::optional<plan::Previous> previous;  ///< what current says
    /// By policy, what was looked at last: of an edit that came since, current says nothing.
    std::map<std::string, std::shared_ptr<const model::AccessPolicy>> planned;
    std::string recorded, record_error, bundle_error;
    std::string touched;     ///< the last revision of which the pods were told by a touch, where they had to be
    plan::Time touch_due{};  ///< zero: none is
    std::set<std::string> marked_before;  ///< pods that bore current's revision when it was made: it was in force once
    bool adopted = false;                 ///< touched was taken over from a record, and its touch is not due yet
    std::string fresh_json, fresh_signed_by;
    plan::Time fresh_recorded{};
    Seconds fresh_renewal{0};
    bool flavour_conflict = false;
    std::string flavour;  ///< as the pods were labelled last
    std::string flavour_limit;
    Bypasses bypasses;
    plan::Time published_at{};                          ///< when this operator published current
    std::map<std::string, Sidecar> sidecars;            ///< by pod
    std::map<std::string, bundle::TrustReport> trusts;  ///< by pod
  };

  bool reconcile_workload(const std::string& id);
  bool reconcile_policy(const std::string& id);
  bool reconcile_provider(const std::string& id);
  bool reconcile_source(const std::string& id);
  void write_status(Kind kind, const std::string& id, const nlohmann::json& status, const nlohmann::json& before);

  void retire_workload(const std::string& id);
  Status make_current(const std::string& id, bundle::Files files);
  void sign_current_anew(const std::string& id);
  bundle::SigningKey signing_key() const;
  void push_fresh(const std::string& id, const std::set<std::string>& sources);
  void keep_recorded(const std::string& id);
  void touch_silent_pods(const std::string& id);
  void check_last_touch(const std::string& id);
  bool settle_history(const std::string& source, plan::KeyHistory history, bool keys_changed);
  plan::WorkloadProgress progress(const std::string& id) const;
  bool is_planned(const std::string& workload, const plan::HeldPolicy& policy) const;
  static nlohmann::json sidecar_json(const std::string& pod, const Sidecar& sidecar);
  void count_decisions(const std::string& workload, const std::vector<bundle::DecisionCount>& decisions);
  plan::AuditCounts audit(const plan::HeldPolicy& policy, const nlohmann::json& status, const plan::AuditCounts& more);
  plan::Previous read_previous(const bundle::Bundle& bundle) const;
  template <class Change>
  void change(const std::string& id, Change apply) {
    const std::lock_guard lock(mutex_);
    apply(states_[id]);
  }

  Index& index_;
  World& world_;
  const Queue queue_;
  const bundle::Trust trust_;  ///< our own keys alone, as of the start: what records are judged by
  const std::uint64_t term_;
  std::atomic<std::uint64_t> sequence_{0};

  mutable std::mutex mutex_;
  // Guarded by mutex_ from here on.
  DecisionMetrics& decisions_;
  bundle::SigningKey key_;
  std::unordered_map<std::string, WorkloadState> states_;
  std::unordered_map<std::string, plan::KeyHistory> unrecorded_;  ///< key sets whose record could not be written
  std::unordered_map<std::string, plan::Time> keys_recorded_;     ///< last_good of the record
  std::unordered_map<std::string, Audited> audit_;                ///< by policy
};

}  // namespace meshauth::controllers
