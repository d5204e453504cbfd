// What of an injected pod decides where a Service leads: in annotation meshauth.dev/injected, for whoever sees a pod's
// metadata alone.
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"
#include "core/inject/wishes.h"

namespace meshauth::inject {

struct PodPorts {
  Capture capture = Capture::Explicit;
  std::vector<PortMap> ports;  ///< as the sidecar holds them
  /// Ports that the containers name, by name, with /PROTOCOL after it where that is not TCP; of two the API takes the
  /// first. At most kMostNames.
  std::map<std::string, std::uint16_t> names;

  friend bool operator==(const PodPorts&, const PodPorts&) = default;
};

inline constexpr std::size_t kMostNames = 256;

/// The pod passed check_shape and has its sidecar.
PodPorts ports_of(const nlohmann::json& pod, const Wishes& wishes);

/// One line of JSON: {"capture":"Explicit","names":{"http":8081},"ports":"8080:8081"}.
std::string to_annotation(const PodPorts& ports);

/// Anybody who may write a pod may have written it. Errors say what is wrong with it, without its text.
Result<PodPorts> parse_injected(std::string_view annotation);

}  // namespace meshauth::inject
