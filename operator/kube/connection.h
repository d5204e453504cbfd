// An http::Client that shows our credentials with each request.
#pragma once

#include <functional>
#include <memory>

#include "operator/http/client.h"
#include "operator/kube/api_client.h"
#include "operator/kube/cluster_config.h"

namespace meshauth::kube {

/// Makes the transport below for given TLS settings; a parameter for tests.
using ClientFactory =
    std::function<Result<std::shared_ptr<http::Client>>(const std::string& server, const http::TlsOptions& tls)>;
ClientFactory cpprest_factory();

/// Adds the bearer token, connects anew when the client certificate changes, and tries once more after a 401 if the
/// credentials have something newer. Fails at once if the settings cannot be used; an exec plugin runs at the first
/// request.
Result<std::shared_ptr<http::Client>> connect(const ClusterConfig& config,
                                              const ClientFactory& factory = cpprest_factory());

/// HOST:PORT of a base URL, the label of rest_client_requests_total.
std::string host_of(const std::string& server);

}  // namespace meshauth::kube
