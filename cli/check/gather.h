// Reads of a cluster what `check` and `status` judge by.
#pragma once

#include <stop_token>
#include <string>

#include "cli/check/world.h"
#include "core/base/result.h"
#include "operator/kube/api_client.h"

namespace meshauth::cli::check {

struct Wish {
  std::string operator_ns = "mesh-auth-system";
  std::string ns;  ///< empty: all
  std::string server;
  Seconds timeout{30};
  bool sidecars_only = false;  ///< what `status` needs
};

// More of these than that are not read, and World::cut says so.
constexpr std::size_t kMostObjects = 50'000;  ///< of one list
constexpr std::size_t kMostNamespaces = 200;  ///< whose pods are looked at, or whose meshauth.trust is
constexpr std::size_t kMostGroupVersions = 200;

/// A read that fails is one of World's problems. Errors: the API server cannot be reached, or does not know who asks.
Result<World> gather(const kube::ApiClient& api, const Wish& wish, const std::stop_token& stop);

}  // namespace meshauth::cli::check
