// TLS contexts from PEM text. TLS 1.2 and later only.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/base/result.h"

namespace boost::asio::ssl {
class context;
}

namespace meshauth::net {

/// Errors: PEM that does not read, a key that is not the certificate's. The key is never in the message.
Result<std::shared_ptr<boost::asio::ssl::context>> server_context(const std::string& certificate_pem,
                                                                  const std::string& key_pem);

/// Trusts exactly these authorities and requires the server to prove itself; the caller checks the name.
/// Errors: none given, PEM that does not read.
Result<std::shared_ptr<boost::asio::ssl::context>> client_context(const std::vector<std::string>& authorities_pem);

}  // namespace meshauth::net
