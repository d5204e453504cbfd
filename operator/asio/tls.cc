#include "operator/asio/tls.h"

#include "operator/asio/asio.h"

namespace meshauth::net {
namespace {

void harden(ssl::context& context) {
  SSL_CTX* const raw = context.native_handle();
  SSL_CTX_set_min_proto_version(raw, TLS1_2_VERSION);
  SSL_CTX_set_options(raw, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  // Thousands of streams are idle nearly always: their buffers are not kept between records.
  SSL_CTX_set_mode(raw, SSL_MODE_RELEASE_BUFFERS);
}

}  // namespace

Result<std::shared_ptr<ssl::context>> server_context(const std::string& certificate_pem, const std::string& key_pem) {
  auto context = std::make_shared<ssl::context>(ssl::context::tls_server);
  harden(*context);
  error_code error;
  context->use_certificate_chain(asio::buffer(certificate_pem), error);
  if (error) return fail("the TLS certificate is not readable PEM");
  context->use_private_key(asio::buffer(key_pem), ssl::context::pem, error);
  if (error) return fail("the TLS private key is not readable PEM, or not the certificate's");
  if (SSL_CTX_check_private_key(context->native_handle()) != 1) return fail("the TLS key is not the certificate's");
  return context;
}

Result<std::shared_ptr<ssl::context>> client_context(const std::vector<std::string>& authorities_pem) {
  if (authorities_pem.empty()) return fail("there is no certificate authority to trust");
  auto context = std::make_shared<ssl::context>(ssl::context::tls_client);
  harden(*context);
  for (const auto& pem : authorities_pem) {
    error_code error;
    context->add_certificate_authority(asio::buffer(pem), error);
    if (error) return fail("a certificate authority is not readable PEM");
  }
  context->set_verify_mode(ssl::verify_peer | ssl::verify_fail_if_no_peer_cert);
  return context;
}

}  // namespace meshauth::net
