// The client's side of TLS towards a server that a URL names (RFC 9110 section 4.3.4, RFC 9525).
#pragma once

#include <string>

#include "core/base/result.h"
#include "operator/http/url.h"

struct ssl_st;
struct ssl_ctx_st;

namespace meshauth::http {

/// TLS 1.2 or newer, the peer verified against the certificates of ca_bundle (PEM) and no others, or the system's where
/// it is empty. Every certificate of a bundle is an anchor, also an intermediate or a server's own.
Status set_up_client_tls(ssl_ctx_st* context, const std::string& ca_bundle);

/// Sends the name (SNI) and demands a certificate with it, or with the IP address, among its subject alternative names.
Status expect_server(ssl_st* ssl, const Url& url);

/// After a failed handshake: what is wrong with the certificate, "" if it was not the certificate.
std::string certificate_fault(const ssl_st* ssl, const Url& url, bool own_bundle);

}  // namespace meshauth::http
