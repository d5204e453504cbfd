// The client of the API server, on cpprestsdk. Nothing of cpprest shows here.
#pragma once

#include <memory>
#include <string>

#include "operator/http/client.h"
#include "operator/http/tls.h"

namespace meshauth::http {

struct CpprestOptions {
  std::string base_url{};  ///< http or https, host, optional port, optional path that precedes every target
  TlsOptions tls{};
  std::string user_agent = "mesh-auth/" MESH_AUTH_VERSION;
};

/// Connections are kept and reused. Errors name the option that cannot be used.
Result<std::shared_ptr<Client>> make_cpprest_client(const CpprestOptions& options);

}  // namespace meshauth::http
