#include "core/policy/route_filter.h"

#include <algorithm>
#include <set>

namespace meshauth::policy {
namespace {

template <class T, class U>
bool allowed(const std::vector<T>& wanted, const std::vector<T>& unwanted, const U& value) {
  const auto among = [&](const std::vector<T>& list) {
    return std::find(list.begin(), list.end(), value) != list.end();
  };
  return (wanted.empty() || among(wanted)) && !among(unwanted);
}

/// The routes whose entry of `to` passes the test; one without an entry always does.
template <class Test>
RouteBits bits_of(const CompiledRules& rules, const std::vector<Route>& routes, Test test) {
  RouteBits out((routes.size() + 63) / 64);
  for (std::size_t i = 0; i < routes.size(); ++i) {
    if (routes[i].to == kNone || test(*rules.tos()[routes[i].to].to)) set_bit(out, i);
  }
  return out;
}

/// The first kMostKept of the values, each with the routes that allow it.
template <class T, class Test>
bool keep(const std::set<T>& values, const CompiledRules& rules, const std::vector<Route>& routes, Test test,
          std::vector<std::pair<T, RouteBits>>& out) {
  for (const T& value : values) {
    if (out.size() == RouteFilter::kMostKept) return false;
    out.emplace_back(value, bits_of(rules, routes, [&](const model::To& to) { return test(to, value); }));
  }
  return true;
}

/// One by one: they are few, and most differ in their length already.
template <class T, class U>
const RouteBits* find_in(const std::vector<std::pair<T, RouteBits>>& kept, const U& value) {
  const auto at = std::find_if(kept.begin(), kept.end(), [&](const auto& item) { return item.first == value; });
  return at == kept.end() ? nullptr : &at->second;
}

}  // namespace

bool method_allowed(const model::To& to, std::string_view method) {
  return allowed(to.methods, to.not_methods, method);
}
bool port_allowed(const model::To& to, std::uint16_t port) {
  return allowed(to.ports, to.not_ports, port);
}

RouteFilter::RouteFilter(const CompiledRules& rules, const std::vector<Route>& routes) {
  std::set<std::string> methods;
  std::set<std::uint16_t> ports;
  for (const ToMatch& match : rules.tos()) {
    methods.insert(match.to->methods.begin(), match.to->methods.end());
    methods.insert(match.to->not_methods.begin(), match.to->not_methods.end());
    ports.insert(match.to->ports.begin(), match.to->ports.end());
    ports.insert(match.to->not_ports.begin(), match.to->not_ports.end());
  }
  all_methods_kept_ = keep(methods, rules, routes, method_allowed, methods_);
  all_ports_kept_ = keep(ports, rules, routes, port_allowed, ports_);
  other_method_ = bits_of(rules, routes, [](const model::To& to) { return to.methods.empty(); });
  other_port_ = bits_of(rules, routes, [](const model::To& to) { return to.ports.empty(); });
  everything_ = bits_of(rules, routes, [](const model::To&) { return true; });
}

RouteFilter::Allowed RouteFilter::method(std::string_view method) const {
  if (const RouteBits* bits = find_in(methods_, method)) return {bits, true};
  return all_methods_kept_ ? Allowed{&other_method_, true} : Allowed{&everything_, false};
}

RouteFilter::Allowed RouteFilter::port(std::uint16_t port) const {
  if (const RouteBits* bits = find_in(ports_, port)) return {bits, true};
  return all_ports_kept_ ? Allowed{&other_port_, true} : Allowed{&everything_, false};
}

}  // namespace meshauth::policy
