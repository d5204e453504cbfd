#include "operator/app/ready_news.h"

#include <nlohmann/json.hpp>

namespace meshauth::app {

std::optional<ReadyNews::News> ReadyNews::look(const std::string& object, const nlohmann::json& status) {
  for (const auto& condition : status.at("conditions")) {
    if (condition.value("type", "") != "Ready" || condition.value("status", "") == "Unknown") continue;
    News news{object, condition.value("status", "") == "True", condition.value("reason", ""),
              condition.value("message", "")};
    const std::lock_guard lock(mutex_);
    std::string& said = said_[object];
    if (said == condition.value("status", "") + news.reason) return std::nullopt;
    said = condition.value("status", "") + news.reason;
    return news;
  }
  return std::nullopt;
}

}  // namespace meshauth::app
