// Does a Service send callers to a port of an injected pod that the sidecar does not hold?
#pragma once

#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "core/inject/inject.h"
#include "core/inject/pod_ports.h"

namespace meshauth::inject {

/// What of a Service (v1) says where it leads.
struct Service {
  struct Port {
    std::int64_t port = 0;
    std::string protocol = "TCP";
    std::variant<std::int64_t, std::string> target;  ///< a number, or the name of a container's port
    friend bool operator==(const Port&, const Port&) = default;
  };
  std::map<std::string, std::string> selector;  ///< not empty
  std::vector<Port> ports;
  bool cut = false;  ///< it has more than kMostItems of either, and these are the first

  /// Does it lead to a pod with these labels?
  bool selects(const std::map<std::string, std::string>& labels) const;
  friend bool operator==(const Service&, const Service&) = default;
};

/// Of any shape. nullopt: what is no Service, or one that selects no pods (without a selector, type ExternalName).
std::optional<Service> read_service(const nlohmann::json& object);

/// One sentence for each port of the Service that goes past the sidecar of a pod which it selects, or to nobody: what
/// it is and what would be right.
std::vector<std::string> ways_past(const Service& service, const PodPorts& pod);

/// The same for a Service of the pod's namespace; none where it does not select the pod.
std::vector<std::string> ways_past(const nlohmann::json& service, const Injection& injection);

}  // namespace meshauth::inject
