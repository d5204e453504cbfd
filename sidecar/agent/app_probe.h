// The kubelet's probes of the application, which it cannot reach: it asks us, and we ask the application on 127.0.0.1.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/result.h"
#include "operator/asio/asio.h"
#include "sidecar/agent/health.h"

namespace meshauth::agent {

/// A value that exists is valid.
struct AppProbe {
  std::string name;  ///< CONTAINER/KIND: asked for as /probe/CONTAINER/KIND
  bool http = true;  ///< else a connection is enough
  std::uint16_t port = 0;
  std::string path = "/";
  std::vector<std::pair<std::string, std::string>> headers;
  std::chrono::seconds timeout{1};
};

/// CONTAINER/KIND={"httpGet": {"port", "path", "httpHeaders"} or "tcpSocket": {"port"}, "timeoutSeconds"}, as a pod has
/// it. Errors say what was found and what would be right.
Result<AppProbe> parse_app_probe(std::string_view text);

/// 200 if the application answers as the kubelet wants it (200 to 399), else its own status, or 503 and why.
net::Task<HealthAnswer> ask_application(const AppProbe& probe);

}  // namespace meshauth::agent
