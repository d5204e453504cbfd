// Which routes a request's method and port allow, one bit per route, so that thousands of routes at one place cost a
// few words.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/policy/compiled_rules.h"

namespace meshauth::policy {

/// One bit per route, in the index's order.
using RouteBits = std::vector<std::uint64_t>;

inline void set_bit(RouteBits& bits, std::size_t i) {
  bits[i / 64] |= std::uint64_t{1} << (i % 64);
}

/// What is kept for each of at most kMostKept methods and ports that rules name; routes that name another one are in no
/// set but are compared one by one (`exact` is false then).
class RouteFilter {
 public:
  static constexpr std::size_t kMostKept = 64;

  RouteFilter(const CompiledRules& rules, const std::vector<Route>& routes);

  struct Allowed {
    const RouteBits* bits = nullptr;
    bool exact = true;  ///< false: a bit says only that the route may allow it
  };
  Allowed method(std::string_view method) const;
  Allowed port(std::uint16_t port) const;

 private:
  std::vector<std::pair<std::string, RouteBits>> methods_;
  std::vector<std::pair<std::uint16_t, RouteBits>> ports_;
  RouteBits other_method_, other_port_;  ///< of one that no rule names
  RouteBits everything_;
  bool all_methods_kept_ = true, all_ports_kept_ = true;
};

bool method_allowed(const model::To& to, std::string_view method);
bool port_allowed(const model::To& to, std::uint16_t port);

}  // namespace meshauth::policy
