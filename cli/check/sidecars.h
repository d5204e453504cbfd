// One line for each sidecar: which revision it runs, since when, and how it stands.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/check/world.h"

namespace meshauth::cli::check {

enum class State {
  Current,         ///< connected, and runs the current revision
  Behind,          ///< connected, and runs another one
  Refused,         ///< refused the current revision; the one before goes on
  Disconnected,    ///< was connected to the operator that leads, and is not
  NeverConnected,  ///< to the operator that leads
  Unknown,         ///< the operator does not say
};
std::string_view to_string(State state);

struct Sidecar {
  std::string ns, workload, pod, node;
  std::string revision;          ///< that it said last that it runs; empty: none
  std::string current_revision;  ///< of the workload's bundle; empty: none, or not known
  State state = State::Unknown;
  std::optional<Time> acked;
  std::optional<Time> connection;  ///< when a stream opened or closed last
  std::string detail;              ///< why it refused
  std::optional<double> skew;
};

/// Pods of workloads that are not deleting, Succeeded or Failed, by namespace, workload and pod.
std::vector<Sidecar> sidecars_of(const World& world);

/// A pod that counts: not deleting, Succeeded or Failed.
bool is_live(const nlohmann::json& pod);

}  // namespace meshauth::cli::check
