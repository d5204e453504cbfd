#include "core/policy/route_index.h"

#include <algorithm>
#include <map>
#include <tuple>

#include "core/base/mixing.h"

namespace meshauth::policy {
namespace {

constexpr std::uint32_t kHosts = 0, kEveryHost = 1;

constexpr std::size_t kWhole = 16;  ///< bytes of a text that its two words hold

/// The text under which a host pattern's tree is kept: "*.example.com" and "example.com" differ in the dot.
std::string host_key(const std::string& pattern) {
  if (pattern.starts_with("*.")) return pattern.substr(1);
  return normalize_host(pattern).value_or(pattern);
}

}  // namespace

RouteClass class_of(const RuleMatch& rule) {
  if (rule.audit) return rule.deny ? RouteClass::AuditDeny : RouteClass::AuditAllow;
  return rule.deny ? RouteClass::Deny : RouteClass::Allow;
}

/// A text in two words, the second overlapping the first where it is short, so that no length is a loop over bytes.
struct RouteIndex::Words {
  static Words of(std::string_view text) { return text.size() > kWhole ? of_long(text) : of_short(text); }

  /// Of a text that they hold whole, or of the end of a longer one, given the words of what was before.
  static Words of_short(std::string_view text, std::uint64_t first = 0, std::uint64_t second = 0) {
    const char* at = text.data();
    const char* const end = at + text.size();
    if (text.size() >= 8) return {first ^ load_word<std::uint64_t>(at), second ^ load_word<std::uint64_t>(end - 8)};
    if (text.size() >= 4) return {load_word<std::uint32_t>(at), load_word<std::uint32_t>(end - 4)};
    if (text.empty()) return {};
    const auto byte = [](const char* from) { return static_cast<std::uint64_t>(static_cast<unsigned char>(*from)); };
    return {byte(at) | byte(at + text.size() / 2) << 8 | byte(end - 1) << 16, 0};
  }

  static Words of_long(std::string_view text) {
    std::uint64_t first = 0, second = 0;
    for (; text.size() > kWhole; text.remove_prefix(8)) {
      first = mixed(first ^ load_word<std::uint64_t>(text.data()), second);
      second += kOdd;
    }
    return of_short(text, first, second);
  }

  /// Keys come from policies alone, requests only look up: no need of a keyed hash. The node comes in last: the text's
  /// part is ready before the node is known.
  std::uint64_t hash(std::uint32_t node, std::size_t size) const {
    return mixed(first ^ kOdd, second ^ size * kOdd) ^ node * kOdd;
  }

  static constexpr std::uint64_t kOdd = 0x9e3779b97f4a7c15;

  std::uint64_t first = 0, second = 0;
};

/// Grows the tree with ordered maps, then writes it into the index's own form.
struct RouteIndex::Builder {
  struct Growing {
    std::map<std::string, std::uint32_t> texts;
    std::uint32_t any = kNone;
    std::vector<std::pair<RouteClass, const Route*>> exact, rest;
  };
  std::vector<Growing> nodes = std::vector<Growing>(2);

  std::uint32_t make() {
    nodes.emplace_back();
    return static_cast<std::uint32_t>(nodes.size() - 1);
  }

  std::uint32_t text_child(std::uint32_t node, const std::string& text) {
    if (const auto at = nodes[node].texts.find(text); at != nodes[node].texts.end()) return at->second;
    const std::uint32_t child = make();
    nodes[node].texts.emplace(text, child);
    return child;
  }

  std::uint32_t any_child(std::uint32_t node) {
    if (nodes[node].any == kNone) {
      const std::uint32_t child = make();
      nodes[node].any = child;
    }
    return nodes[node].any;
  }

  void add(const Way& way, RouteClass route_class) {
    std::uint32_t node = way.host == nullptr ? kEveryHost : text_child(kHosts, host_key(*way.host));
    bool rest = true;
    if (way.path) {
      rest = way.path->rest();
      for (const auto& segment : way.path->segments()) {
        node = segment.kind == PathPattern::Segment::Kind::Text ? text_child(node, segment.text) : any_child(node);
      }
    }
    auto& place = rest ? nodes[node].rest : nodes[node].exact;
    place.emplace_back(route_class, &way.route);
  }
};

RouteIndex::RouteIndex(const CompiledRules& rules) {
  const std::vector<Way> ways = rules.ways();
  Builder builder;
  for (const Way& way : ways) builder.add(way, class_of(rules.rules()[way.route.rule]));

  const auto place = [&](auto& list) {
    std::stable_sort(list.begin(), list.end(), [](const auto& a, const auto& b) {
      return std::tie(a.first, a.second->rule) < std::tie(b.first, b.second->rule);
    });
    Place out;
    std::size_t i = 0;
    for (std::size_t c = 0; c < kRouteClasses; ++c) {
      out.begin[c] = static_cast<std::uint32_t>(routes_.size());
      for (; i < list.size() && list[i].first == static_cast<RouteClass>(c); ++i) routes_.push_back(*list[i].second);
    }
    out.begin[kRouteClasses] = static_cast<std::uint32_t>(routes_.size());
    return out;
  };
  std::size_t capacity = 16;
  while (capacity < builder.nodes.size() * 2) capacity *= 2;
  edges_.resize(capacity);
  mask_ = capacity - 1;
  for (std::uint32_t i = 0; i < builder.nodes.size(); ++i) {
    auto& growing = builder.nodes[i];
    nodes_.push_back({growing.any, !growing.texts.empty(), place(growing.exact), place(growing.rest)});
    for (const auto& [text, child] : growing.texts) {
      const Words words = Words::of(text);
      std::size_t at = words.hash(i, text.size()) & mask_;
      while (edges_[at].child != kNone) at = (at + 1) & mask_;
      edges_[at] = {words.first, words.second, i, child, text};
    }
  }
  has_hosts_ = nodes_[kHosts].has_texts;
}

template <class Same>
std::uint32_t RouteIndex::find_child(std::uint32_t node, std::string_view text, const Words& words, Same same) const {
  for (std::size_t at = words.hash(node, text.size()) & mask_; edges_[at].child != kNone; at = (at + 1) & mask_) {
    const Edge& edge = edges_[at];
    if (edge.first != words.first || edge.second != words.second || edge.parent != node) continue;
    if (edge.text.size() == text.size() && same(edge.text)) return edge.child;
  }
  return kNone;
}

std::uint32_t RouteIndex::text_child(std::uint32_t node, std::string_view text) const {
  if (text.size() > kWhole) return long_child(node, text);
  return find_child(node, text, Words::of_short(text), [](const std::string&) { return true; });
}

/// Apart, so that the usual way calls nothing.
std::uint32_t RouteIndex::long_child(std::uint32_t node, std::string_view text) const {
  return find_child(node, text, Words::of_long(text), [&](const std::string& other) { return other == text; });
}

void RouteIndex::walk(std::uint32_t node, const Path& path, std::size_t depth, Places& out) const {
  for (;;) {
    const Node& here = nodes_[node];
    if (!here.rest.empty()) out.add(here.rest);
    if (depth == path.segments.size()) {
      if (!here.exact.empty()) out.add(here.exact);
      return;
    }
    const std::string& segment = path.segments[depth];
    const std::uint32_t text = here.has_texts ? text_child(node, segment) : kNone;
    const std::uint32_t any = segment.empty() ? kNone : here.any;
    if (text == kNone && any == kNone) return;
    ++depth;
    if (text != kNone && any != kNone) walk(any, path, depth, out);
    node = text != kNone ? text : any;
  }
}

void RouteIndex::find_host(std::string_view host, const Path& path, Places& out) const {
  const std::uint32_t root = text_child(kHosts, host);
  if (root != kNone) walk(root, path, 0, out);
}

void RouteIndex::find(std::string_view host, const Path& path, Places& out) const {
  walk(kEveryHost, path, 0, out);
  if (!has_hosts_) return;
  find_host(host, path, out);
  // "*.example.com" is below example.com by one label or more: every suffix that begins with a dot inside the host.
  for (auto dot = host.find('.', 1); dot != std::string_view::npos; dot = host.find('.', dot + 1)) {
    find_host(host.substr(dot), path, out);
  }
}

}  // namespace meshauth::policy
