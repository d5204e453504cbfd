// Boost 1.74's asio::ssl still names calls that OpenSSL 3 deprecates, which the whole build hides. A source file that
// needs it includes this header before any of OpenSSL or Boost; only what is declared differs, nothing of the ABI.
#pragma once

#ifdef OPENSSL_SSL_H
#error "operator/http/asio_ssl.h comes before OpenSSL's headers"
#endif
#undef OPENSSL_NO_DEPRECATED
#undef OPENSSL_API_COMPAT
#define OPENSSL_SUPPRESS_DEPRECATED

#include <boost/asio/ssl.hpp>
