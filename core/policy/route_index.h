// Which routes a request's host and path lead to, found without looking at the others.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/policy/compiled_rules.h"

namespace meshauth::policy {

/// What a rule does, in the order in which a place keeps its routes.
enum class RouteClass : std::uint8_t { Deny, Allow, AuditDeny, AuditAllow };
constexpr std::size_t kRouteClasses = 4;
RouteClass class_of(const RuleMatch& rule);

/// The routes that end at one node of the index: per class a range of their numbers, by rule.
struct Place {
  std::array<std::uint32_t, kRouteClasses + 1> begin{};
  bool empty() const { return begin.front() == begin.back(); }
};

/// The places that one request leads to.
class Places {
 public:
  void add(const Place& place) {
    if (count_ < few_.size()) {
      few_[count_] = &place;
    } else {
      more_.push_back(&place);
    }
    ++count_;
  }
  std::size_t size() const { return count_; }
  const Place& operator[](std::size_t i) const { return i < few_.size() ? *few_[i] : *more_[i - few_.size()]; }

 private:
  std::array<const Place*, 24> few_;
  std::vector<const Place*> more_;
  std::size_t count_ = 0;
};

/// A tree of path segments for each host pattern, and one for routes without a host. Its size is linear in the routes.
class RouteIndex {
 public:
  explicit RouteIndex(const CompiledRules& rules);

  /// Numbered so that the routes of a place lie side by side.
  const std::vector<Route>& routes() const { return routes_; }

  void find(std::string_view host, const Path& path, Places& out) const;

 private:
  struct Node {
    std::uint32_t any = kNone;  ///< child for a segment that is not empty
    bool has_texts = false;
    Place exact;  ///< of patterns that end here
    Place rest;   ///< of patterns that end here in `**`
  };
  struct alignas(64) Edge {                       // a cache line
    std::uint64_t first = 0, second = 0;          ///< words of the text
    std::uint32_t parent = kNone, child = kNone;  ///< kNone: free
    std::string text;
  };
  struct Builder;
  struct Words;

  template <class Same>
  std::uint32_t find_child(std::uint32_t node, std::string_view text, const Words& words, Same same) const;
  std::uint32_t text_child(std::uint32_t node, std::string_view text) const;
  std::uint32_t long_child(std::uint32_t node, std::string_view text) const;
  void walk(std::uint32_t node, const Path& path, std::size_t depth, Places& out) const;
  void find_host(std::string_view host, const Path& path, Places& out) const;

  std::vector<Node> nodes_;
  std::vector<Edge> edges_;  ///< open addressing, a power of two
  std::size_t mask_ = 0;     ///< their number less one
  std::vector<Route> routes_;
  bool has_hosts_ = false;  ///< children of node 0 by text are the roots of hosts; node 1 is the root of every host
};

}  // namespace meshauth::policy
