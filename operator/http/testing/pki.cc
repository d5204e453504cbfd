#include "operator/http/testing/pki.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <cstdlib>
#include <memory>

namespace meshauth::http::testing {
namespace {

struct Free {
  void operator()(EVP_PKEY* p) const { EVP_PKEY_free(p); }
  void operator()(X509* p) const { X509_free(p); }
  void operator()(X509_EXTENSION* p) const { X509_EXTENSION_free(p); }
  void operator()(BIO* p) const { BIO_free(p); }
};
using Key = std::unique_ptr<EVP_PKEY, Free>;
using Certificate = std::unique_ptr<X509, Free>;

template <class Write>
std::string pem(Write write) {
  const std::unique_ptr<BIO, Free> out(BIO_new(BIO_s_mem()));
  must(write(out.get()) == 1);
  char* data = nullptr;
  const long size = BIO_get_mem_data(out.get(), &data);
  return {data, static_cast<std::size_t>(size)};
}

void extend(X509* certificate, X509* issuer, int nid, const char* value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  const std::unique_ptr<X509_EXTENSION, Free> extension(X509V3_EXT_conf_nid(nullptr, &context, nid, value));
  must(extension != nullptr && X509_add_ext(certificate, extension.get(), -1) == 1);
}

void name(X509* certificate, const char* organisation, const char* common) {
  X509_NAME* subject = X509_get_subject_name(certificate);
  const auto add = [&](const char* field, const char* text) {
    must(X509_NAME_add_entry_by_txt(subject, field, MBSTRING_ASC, reinterpret_cast<const unsigned char*>(text), -1, -1,
                                    0) == 1);
  };
  add("O", organisation);
  add("CN", common);
}

struct Made {
  Key key{EVP_EC_gen("P-256")};
  Certificate certificate{X509_new()};
};

Made start(const char* organisation, const char* common, long serial) {
  Made made;
  must(made.key != nullptr && made.certificate != nullptr);
  X509* certificate = made.certificate.get();
  must(X509_set_version(certificate, 2) == 1);
  must(ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial) == 1);
  must(X509_gmtime_adj(X509_getm_notBefore(certificate), -3600) != nullptr);
  must(X509_gmtime_adj(X509_getm_notAfter(certificate), 24L * 3600) != nullptr);
  must(X509_set_pubkey(certificate, made.key.get()) == 1);
  name(certificate, organisation, common);
  return made;
}

Identity finish(Made& made, const Made& issuer) {
  must(X509_set_issuer_name(made.certificate.get(), X509_get_subject_name(issuer.certificate.get())) == 1);
  must(X509_sign(made.certificate.get(), issuer.key.get(), EVP_sha256()) > 0);
  return {pem([&](BIO* out) { return PEM_write_bio_X509(out, made.certificate.get()); }), pem([&](BIO* out) {
            return PEM_write_bio_PrivateKey(out, made.key.get(), nullptr, nullptr, 0, nullptr, nullptr);
          })};
}

}  // namespace

Pki make_pki() {
  Made ca = start("mesh-auth tests", "authority", 1);
  extend(ca.certificate.get(), ca.certificate.get(), NID_basic_constraints, "critical,CA:TRUE");
  extend(ca.certificate.get(), ca.certificate.get(), NID_key_usage, "critical,keyCertSign,cRLSign");
  Pki pki;
  pki.ca_pem = finish(ca, ca).certificate_pem;
  Made server = start("mesh-auth tests", "server", 2);
  extend(server.certificate.get(), ca.certificate.get(), NID_subject_alt_name,
         "DNS:localhost,DNS:mesh.test,IP:127.0.0.1");
  pki.server = finish(server, ca);
  Made client = start("testers", "tester", 3);
  extend(client.certificate.get(), ca.certificate.get(), NID_ext_key_usage, "clientAuth");
  pki.client = finish(client, ca);
  return pki;
}

}  // namespace meshauth::http::testing
