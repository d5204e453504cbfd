// Random policies, callers and requests over a small vocabulary, so that they often meet.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "core/base/json_doc.h"
#include "core/policy/engine.h"
#include "core/policy/reference/reference.h"

namespace meshauth::policy::testing {

class Random {
 public:
  explicit Random(std::uint64_t seed) : engine_(seed) {}
  std::size_t below(std::size_t n) { return static_cast<std::size_t>(engine_() % n); }
  bool one_in(std::size_t n) { return below(n) == 0; }
  template <class T>
  const T& pick(const std::vector<T>& list) {
    return list[below(list.size())];
  }
  /// 1 to `most` of them, each once, in their order.
  template <class T>
  std::vector<T> some(const std::vector<T>& list, std::size_t most) {
    std::vector<T> out;
    const std::size_t want = 1 + below(most);
    for (std::size_t i = 0; i < list.size() && out.size() < want; ++i) {
      if (below(list.size() - i) < want - out.size()) out.push_back(list[i]);
    }
    return out;
  }

 private:
  std::mt19937_64 engine_;
};

/// The policies of one workload.
std::vector<reference::Policy> random_policies(Random& random);
reference::Caller random_caller(Random& random);
reference::Request random_request(Random& random);

/// The same for the engine.
CompiledPolicy compiled(const std::vector<reference::Policy>& policies, model::Action default_action);

/// Owns the claims that a Principal points to.
struct OwnedPrincipal {
  explicit OwnedPrincipal(const reference::Caller& caller);
  JsonDoc claims;
  Principal principal;
};

/// Points into both.
Request request_of(const reference::Request& from, const Path& path);

}  // namespace meshauth::policy::testing
