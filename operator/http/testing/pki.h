// Certificates made for one test run: an authority, a server for 127.0.0.1 and localhost, a client.
#pragma once

#include <cstdlib>
#include <string>

namespace meshauth::http::testing {

struct Identity {
  std::string certificate_pem;
  std::string key_pem;
};

struct Pki {
  std::string ca_pem;
  Identity server;  ///< names localhost, mesh.test; address 127.0.0.1
  Identity client;  ///< CN=tester, O=testers
};

/// There is no test without it.
inline void must(bool good) {
  if (!good) std::abort();
}

/// Aborts on failure: there is no test without it. Each call makes another authority.
Pki make_pki();

}  // namespace meshauth::http::testing
