// The labels, annotations and names by which a pod says what it wants, and by which our parts of it are known.
#pragma once

#include <cstdint>
#include <string_view>

namespace meshauth::inject {

// Labels: selectors of the webhooks and of the operator see these.
inline constexpr std::string_view kInjectLabel = "meshauth.dev/inject";  ///< enabled or disabled
inline constexpr std::string_view kWorkloadLabel = "meshauth.dev/workload";
inline constexpr std::string_view kFlavourLabel = "meshauth.dev/flavour";
/// The level that the API server enforces for pods of a namespace.
inline constexpr std::string_view kPodSecurityLabel = "pod-security.kubernetes.io/enforce";

// Annotations of the pod.
inline constexpr std::string_view kPrefix = "meshauth.dev/";
inline constexpr std::string_view kPortsAnnotation = "meshauth.dev/ports";
inline constexpr std::string_view kCaptureAnnotation = "meshauth.dev/capture";
inline constexpr std::string_view kFlavourAnnotation = "meshauth.dev/flavour";
inline constexpr std::string_view kProbesAnnotation = "meshauth.dev/probes";
/// Ours: the pod has a sidecar, and which ports it and the containers hold (pod_ports.h).
inline constexpr std::string_view kInjectedAnnotation = "meshauth.dev/injected";

// Our containers and volumes.
inline constexpr std::string_view kSidecarName = "mesh-auth";
inline constexpr std::string_view kRedirectName = "mesh-auth-redirect";
inline constexpr std::string_view kVolumePrefix = "mesh-auth-";

/// /startz, /healthz, /readyz and /probe/ of the agent.
inline constexpr std::uint16_t kHealthPort = 9180;
/// Where the sidecar of a transparently captured port listens: this and the following.
inline constexpr std::uint16_t kFirstTransparentPort = 9181;

}  // namespace meshauth::inject
