// What /metrics says of key sources.
#pragma once

#include <map>
#include <string>
#include <string_view>

namespace prometheus {
class Counter;
class Gauge;
class Registry;
template <class T>
class Family;
}  // namespace prometheus

namespace meshauth::idp {

/// mesh_auth_jwks_fetches_total{result}: success, not_modified, or the fault; all there from the start.
/// mesh_auth_jwks_age_seconds{source}: since the last good fetch; where there was none, since the source is known.
/// Not thread-safe but for count().
class SourceMetrics {
 public:
  static constexpr std::string_view kSuccess = "success";
  static constexpr std::string_view kNotModified = "not_modified";

  explicit SourceMetrics(prometheus::Registry& registry);
  void count(std::string_view result);
  void set_age(const std::string& source, double seconds);
  void forget(const std::string& source);

 private:
  std::map<std::string, prometheus::Counter*, std::less<>> fetches_;
  prometheus::Family<prometheus::Gauge>* age_family_;
  std::map<std::string, prometheus::Gauge*> ages_;
};

}  // namespace meshauth::idp
