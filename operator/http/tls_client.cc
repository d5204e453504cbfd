#include "operator/http/tls_client.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <memory>

#include "core/base/cidr.h"

namespace meshauth::http {
namespace {

constexpr std::size_t kMaxBundleBytes = 1024 * 1024;
constexpr unsigned char kAlpn[] = "\x08http/1.1";

/// Adds each certificate of the bundle to the store; the error names the first one that cannot be read.
Status add_anchors(X509_STORE* store, const std::string& bundle) {
  if (bundle.size() > kMaxBundleBytes)
    return fail("the CA bundle is {} bytes long; at most {}", bundle.size(), kMaxBundleBytes);
  const std::unique_ptr<BIO, decltype(&BIO_free_all)> bio(
      BIO_new_mem_buf(bundle.data(), static_cast<int>(bundle.size())), BIO_free_all);
  int count = 0;
  for (;; ++count) {
    const std::unique_ptr<X509, decltype(&X509_free)> certificate(
        PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr), X509_free);
    if (!certificate) break;
    X509_STORE_add_cert(store, certificate.get());
  }
  const bool at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  ERR_clear_error();
  if (!at_end) return fail("certificate {} of the CA bundle cannot be read", count + 1);
  if (count == 0) return fail("the CA bundle holds no certificate; write PEM (-----BEGIN CERTIFICATE-----)");
  return {};
}

}  // namespace

Status set_up_client_tls(ssl_ctx_st* context, const std::string& ca_bundle) {
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  SSL_CTX_set_alpn_protos(context, kAlpn, sizeof kAlpn - 1);
  if (ca_bundle.empty()) {
    SSL_CTX_set_default_verify_paths(context);
    return {};
  }
  X509_STORE* store = SSL_CTX_get_cert_store(context);
  X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN);
  return add_anchors(store, ca_bundle);
}

Status expect_server(ssl_st* ssl, const Url& url) {
  if (IpAddress::parse(url.host)) {
    if (X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), url.host.c_str()) == 1) return {};
    return fail("{} is no address that a certificate can be checked for", url.host);
  }
  // RFC 9525: the common name says nothing, and *.example.com stands for one whole label.
  SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
  if (SSL_set_tlsext_host_name(ssl, url.host.c_str()) == 1 && SSL_set1_host(ssl, url.host.c_str()) == 1) return {};
  return fail("{} is no name that a certificate can be checked for", url.host);
}

std::string certificate_fault(const ssl_st* ssl, const Url& url, bool own_bundle) {
  const long code = SSL_get_verify_result(ssl);
  switch (code) {
    case X509_V_OK:
      return "";
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
      return fmt::format("{} is not among its subject alternative names", url.host);
    case X509_V_ERR_CERT_HAS_EXPIRED:
      return "it has expired";
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return "it is not valid yet";
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_CERT_UNTRUSTED:
      return own_bundle ? "no certificate of spec.tls.caBundle signed it"
                        : "no CA of the system signed it; a private CA belongs into spec.tls.caBundle";
    default:
      return X509_verify_cert_error_string(code);
  }
}

}  // namespace meshauth::http
