// Notices when a resource's Ready condition says something new, for the log or an Event.
#pragma once

#include <map>
#include <mutex>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

namespace meshauth::app {

class ReadyNews {
 public:
  struct News {
    std::string object;
    bool good = false;  ///< Ready is True
    std::string reason, message;
  };

  /// nullopt: status and reason are those of the look before.
  std::optional<News> look(const std::string& object, const nlohmann::json& status);

 private:
  std::mutex mutex_;
  std::map<std::string, std::string> said_;  // guarded by mutex_; by object
};

}  // namespace meshauth::app
