#include "sidecar/nginx/kid_reports.h"

namespace meshauth::nginx {

bool KidReports::add(const std::string& source, const std::string& kid, double now) {
  const auto last = sources_.find(source);
  if (last != sources_.end() && last->second.waits(now)) {
    last->second.waiting = kid;
    return false;
  }
  if (sources_.size() >= kMaxKidSources) sources_.clear();
  sources_[source] = {now, ""};
  return true;
}

std::vector<std::pair<std::string, std::string>> KidReports::take_due(double now, const Known& known) {
  std::vector<std::pair<std::string, std::string>> due;
  for (auto& [name, source] : sources_) {
    if (source.waiting.empty() || source.waits(now)) continue;
    std::string kid = std::exchange(source.waiting, "");
    if (known(name, kid)) continue;
    source.told = now;
    due.emplace_back(name, std::move(kid));
  }
  return due;
}

}  // namespace meshauth::nginx
