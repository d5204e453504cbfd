// Where records and statuses are written: the API server, or a folder.
#pragma once

#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "operator/controllers/world.h"

namespace meshauth::controllers {

class Recorder {
 public:
  /// revision, and how its write ended.
  using Done = std::function<void(const std::string& workload, const std::string& revision, const Status& outcome)>;

  virtual ~Recorder() = default;

  virtual void record(const std::string& workload, Record record) = 0;  ///< calls Done later, or at once
  virtual void erase_record(const std::string& workload) = 0;
  virtual bool record_holds(const std::string& workload, const bundle::Bundle& bundle) const = 0;  ///< see World
  virtual void touch(const std::string& pod, const std::string& revision) = 0;                     ///< see World
  virtual Status record_keys(const std::string& source, const std::string& json) = 0;
  virtual Status erase_keys(const std::string& source) = 0;
  virtual void write_status(Kind kind, const std::string& id, const nlohmann::json& status) = 0;
  virtual void keep_status(Kind kind, const std::string& id) = 0;  ///< it is right: take back what waits
};

}  // namespace meshauth::controllers
