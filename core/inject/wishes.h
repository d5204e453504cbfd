// What a pod's annotations ask for. A value that exists is valid.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"
#include "core/model/flavour.h"

namespace meshauth::inject {

/// Explicit: the application listens on 127.0.0.1 alone, the sidecar on the pod's address. Transparent: rules of the
/// pod's network turn what comes for the application's port to the sidecar.
enum class Capture : std::uint8_t { Explicit, Transparent };
std::string_view to_string(Capture capture);

/// Rewrite: kubelet asks the agent, which asks the application. Keep: they stay as they are, and it is the pod's matter
/// that they work.
enum class Probes : std::uint8_t { Rewrite, Keep };

struct PortMap {
  std::uint16_t listen = 0;       ///< of the sidecar
  std::uint16_t application = 0;  ///< on 127.0.0.1; `ports` of a rule means this one
  bool grpc = false;
  friend bool operator==(const PortMap&, const PortMap&) = default;
};

struct Wishes {
  std::vector<PortMap> ports;  ///< 1 to kMostPorts
  Capture capture = Capture::Explicit;
  Probes probes = Probes::Rewrite;
  model::Flavour flavour = model::Flavour::Module;
};

inline constexpr std::size_t kMostPorts = 16;

/// PORT, LISTEN:APP, each with :http1 or :grpc after it, with commas between. Errors name the annotation, what was
/// found, and what would be right.
Result<std::vector<PortMap>> parse_ports(std::string_view text, Capture capture);

/// The pod passed check_shape and holds no sidecar of ours. Without annotation ports: the TCP ports that its containers
/// name. Errors: as in parse_ports; an annotation of ours that is not known; no port to be found.
Result<Wishes> read_wishes(const nlohmann::json& pod);

}  // namespace meshauth::inject
