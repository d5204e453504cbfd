// World as it is: the fleet, the fetch loops, and a recorder.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "operator/controllers/recorder.h"
#include "operator/controllers/world.h"

namespace meshauth::fleet {
class FleetServer;
}
namespace meshauth::idp {
class KeySources;
}

namespace meshauth::app {

class OperatorWorld final : public controllers::World {
 public:
  explicit OperatorWorld(controllers::Recorder& recorder) : recorder_(recorder) {}

  /// Before the first reconcile; both outlive all reconciles.
  void connect(fleet::FleetServer& fleet, idp::KeySources& sources) {
    fleet_ = &fleet;
    sources_ = &sources;
  }

  plan::Time now() const override { return std::chrono::floor<Seconds>(std::chrono::system_clock::now()); }
  void publish(const std::string& workload, std::shared_ptr<const bundle::Bundle> bundle) override;
  void withdraw(const std::string& workload) override;
  void set_fresh(const std::string& workload, std::string json, std::string signature) override;
  void record(const std::string& workload, controllers::Record record) override {
    recorder_.record(workload, std::move(record));
  }
  void erase_record(const std::string& workload) override { recorder_.erase_record(workload); }
  bool record_holds(const std::string& workload, const bundle::Bundle& bundle) const override {
    return recorder_.record_holds(workload, bundle);
  }
  void touch(const std::string& pod, const std::string& revision) override { recorder_.touch(pod, revision); }
  Status record_keys(const std::string& source, const std::string& json) override {
    return recorder_.record_keys(source, json);
  }
  Status erase_keys(const std::string& source) override { return recorder_.erase_keys(source); }
  void follow(const std::string& source, const controllers::SourceWish& wish,
              const std::optional<plan::KeyHistory>& restored) override;
  void unfollow(const std::string& source) override;
  void refetch(const std::string& source) override;
  void write_status(controllers::Kind kind, const std::string& id, const nlohmann::json& status) override {
    recorder_.write_status(kind, id, status);
  }
  void keep_status(controllers::Kind kind, const std::string& id) override { recorder_.keep_status(kind, id); }

 private:
  controllers::Recorder& recorder_;
  fleet::FleetServer* fleet_ = nullptr;
  idp::KeySources* sources_ = nullptr;
};

}  // namespace meshauth::app
