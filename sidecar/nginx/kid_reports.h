// Which unknown kids the agent is told of: at most one a second of each key source, however many come. Pure.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace meshauth::nginx {

constexpr double kUnknownKidInterval = 1;     ///< seconds between two reports about one key source
constexpr std::size_t kMaxKidSources = 1024;  ///< remembered; a bundle has far fewer

class KidReports {
 public:
  /// True: to be told now. Else it waits for take_due(), in place of the one of its source that waited before: where
  /// the provider rotated just after somebody's nonsense was told, its caller needs no more tries than any other.
  bool add(const std::string& source, const std::string& kid, double now);

  /// What has waited long enough, as (source, kid), without what is known by now.
  using Known = std::function<bool(const std::string& source, const std::string& kid)>;
  std::vector<std::pair<std::string, std::string>> take_due(double now, const Known& known);

 private:
  struct Source {
    double told = 0;  // unix seconds
    std::string waiting;
    bool waits(double now) const { return now - told < kUnknownKidInterval && now >= told; }
  };
  std::map<std::string, Source> sources_;
};

}  // namespace meshauth::nginx
