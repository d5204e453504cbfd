// Everything that a reconcile may do. One implementation writes to the API server and the fleet, one to a folder and
// the fleet, one records what it was told for the tests.
#pragma once

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "core/bundle/bundle.h"
#include "core/plan/rotation.h"
#include "operator/controllers/index.h"
#include "operator/controllers/key.h"

namespace meshauth::controllers {

/// What ConfigMap mesh-auth-<workload> holds.
struct Record {
  std::shared_ptr<const bundle::Bundle> bundle;
  std::string fresh_json, fresh_signature;  ///< empty while no key source was fetched
};

class World {
 public:
  virtual ~World() = default;

  virtual plan::Time now() const = 0;

  // The fast path.
  virtual void publish(const std::string& workload, std::shared_ptr<const bundle::Bundle> bundle) = 0;
  virtual void withdraw(const std::string& workload) = 0;
  virtual void set_fresh(const std::string& workload, std::string json, std::string signature) = 0;

  // The record, behind it. Writes are rated, the newest of a workload wins; Controllers::on_recorded says how it ended.
  virtual void record(const std::string& workload, Record record) = 0;
  virtual void erase_record(const std::string& workload) = 0;
  /// Does the record hold this revision under this signature, written by us last?
  virtual bool record_holds(const std::string& workload, const bundle::Bundle& bundle) const = 0;

  /// Has the pod's node look at the record now; by itself it does so every 60 to 90 s. Rated, the newest of a pod wins.
  virtual void touch(const std::string& pod, const std::string& revision) = 0;

  // Keys are recorded before they are used.
  virtual Status record_keys(const std::string& source, const std::string& json) = 0;
  virtual Status erase_keys(const std::string& source) = 0;

  // Fetch loops; Controllers::on_fetched says what came.
  virtual void follow(const std::string& source, const SourceWish& wish,
                      const std::optional<plan::KeyHistory>& restored) = 0;
  virtual void unfollow(const std::string& source) = 0;
  virtual void refetch(const std::string& source) = 0;

  /// Replaces the status of a policy or provider; at most once a second each, the newest wins.
  virtual void write_status(Kind kind, const std::string& id, const nlohmann::json& status) = 0;
  virtual void keep_status(Kind kind, const std::string& id) = 0;  ///< it is right: take back what waits
};

}  // namespace meshauth::controllers
