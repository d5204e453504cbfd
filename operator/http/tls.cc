#include "operator/http/tls.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>

#include <utility>
#include <vector>

namespace meshauth::http {
namespace {

template <auto Free>
struct Deleter {
  template <class T>
  void operator()(T* pointer) const {
    Free(pointer);
  }
};
using BioPtr = std::unique_ptr<BIO, Deleter<BIO_free>>;
using X509Ptr = std::unique_ptr<X509, Deleter<X509_free>>;
using KeyPtr = std::unique_ptr<EVP_PKEY, Deleter<EVP_PKEY_free>>;
using StorePtr = std::unique_ptr<X509_STORE, Deleter<X509_STORE_free>>;

constexpr int kMaxCertificates = 1000;  // a system bundle has about 150

BioPtr bio(const std::string& text) {
  return BioPtr(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

Result<std::vector<X509Ptr>> read_certificates(const std::string& pem, std::string_view what) {
  std::vector<X509Ptr> certificates;
  const BioPtr source = bio(pem);
  while (X509* certificate = PEM_read_bio_X509(source.get(), nullptr, nullptr, nullptr)) {
    certificates.emplace_back(certificate);
    if (certificates.size() > kMaxCertificates)
      return fail("{} holds more than {} certificates", what, kMaxCertificates);
  }
  const bool at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  ERR_clear_error();
  if (certificates.empty() || !at_end) {
    return fail("{} is not PEM: certificate {} cannot be read; it should hold blocks of BEGIN CERTIFICATE", what,
                certificates.size() + 1);
  }
  return certificates;
}

// A key that is locked by a passphrase is refused instead of asking the terminal for it.
int no_passphrase(char*, int, int, void*) {
  return -1;
}

Result<KeyPtr> read_key(const std::string& pem) {
  const BioPtr source = bio(pem);
  KeyPtr key(PEM_read_bio_PrivateKey(source.get(), nullptr, no_passphrase, nullptr));
  ERR_clear_error();
  if (!key) return fail("the client key is not an unencrypted private key in PEM");
  return key;
}

}  // namespace

struct TlsSetup::Parsed {
  StorePtr roots;  // null: the system's
  std::vector<X509Ptr> chain;
  KeyPtr key;
};

TlsSetup::TlsSetup(std::unique_ptr<Parsed> parsed) : parsed_(std::move(parsed)) {}
TlsSetup::~TlsSetup() = default;

Result<std::shared_ptr<TlsSetup>> TlsSetup::make(const TlsOptions& options) {
  auto parsed = std::make_unique<Parsed>();
  if (!options.ca_pem.empty()) {
    auto roots = read_certificates(options.ca_pem, "the CA bundle");
    if (!roots) return tl::unexpected(roots.error());
    parsed->roots.reset(X509_STORE_new());
    for (const X509Ptr& root : *roots) X509_STORE_add_cert(parsed->roots.get(), root.get());
    // A bundle may hold an intermediate as its root, as with Go's verifier.
    X509_STORE_set_flags(parsed->roots.get(), X509_V_FLAG_PARTIAL_CHAIN);
  }
  if (options.certificate_pem.empty() != options.key_pem.empty()) {
    return fail("a client certificate needs its key and a key its certificate; only the {} is given",
                options.key_pem.empty() ? "certificate" : "key");
  }
  if (!options.certificate_pem.empty()) {
    auto chain = read_certificates(options.certificate_pem, "the client certificate");
    if (!chain) return tl::unexpected(chain.error());
    auto key = read_key(options.key_pem);
    if (!key) return tl::unexpected(key.error());
    if (X509_check_private_key(chain->front().get(), key->get()) != 1) {
      ERR_clear_error();
      return fail("the client key does not belong to the client certificate");
    }
    parsed->chain = std::move(*chain);
    parsed->key = std::move(*key);
  }
  return std::shared_ptr<TlsSetup>(new TlsSetup(std::move(parsed)));
}

void TlsSetup::apply(ssl_ctx_st* context) {
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  if (parsed_->roots) SSL_CTX_set1_cert_store(context, parsed_->roots.get());
  if (parsed_->key) {
    SSL_CTX_use_certificate(context, parsed_->chain.front().get());
    for (std::size_t i = 1; i < parsed_->chain.size(); ++i) SSL_CTX_add1_chain_cert(context, parsed_->chain[i].get());
    SSL_CTX_use_PrivateKey(context, parsed_->key.get());
  }
  SSL_CTX_set_cert_verify_callback(context, &TlsSetup::verify, this);
}

// The verification is OpenSSL's own; this only keeps its reason, which would otherwise be lost on the way up.
int TlsSetup::verify(x509_store_ctx_st* context, void* self) {
  const int ok = X509_verify_cert(context);
  if (ok != 1) {
    const int code = X509_STORE_CTX_get_error(context);
    auto* setup = static_cast<TlsSetup*>(self);
    const std::lock_guard lock(setup->mutex_);
    // The name is compared by a callback of Boost's, for whose refusal OpenSSL has no code of its own.
    const bool name = code == X509_V_OK || code == X509_V_ERR_UNSPECIFIED;
    setup->verify_error_ = name ? "its certificate is not for this host name"
                                : std::string("its certificate is refused: ") + X509_verify_cert_error_string(code);
  }
  return ok;
}

std::string TlsSetup::take_verify_error() {
  const std::lock_guard lock(mutex_);
  return std::exchange(verify_error_, {});
}

}  // namespace meshauth::http
