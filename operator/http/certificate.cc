#include "operator/http/certificate.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include <stdexcept>

#include "core/base/cidr.h"

namespace meshauth::http {
namespace {

constexpr long kDaySeconds = 24L * 60 * 60;
constexpr int kCaDays = 3650;
constexpr int kSerialBytes = 16;  // at most 20 octets, RFC 5280 section 4.1.2.2

using Key = std::shared_ptr<EVP_PKEY>;
using Certificate = std::shared_ptr<X509>;

/// Only memory or entropy can be missing here, or a name cannot be written; nothing the caller could handle.
void require(bool done, const char* what) {
  if (!done) throw std::runtime_error(std::string("OpenSSL could not ") + what);
}

Key make_key() {
  Key key(EVP_EC_gen("P-256"), EVP_PKEY_free);
  require(key != nullptr, "make a P-256 key");
  return key;
}

std::string drain(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return {data, static_cast<std::size_t>(size)};
}

template <class Write>
std::string to_pem(Write write) {
  const std::unique_ptr<BIO, decltype(&BIO_free_all)> bio(BIO_new(BIO_s_mem()), BIO_free_all);
  require(bio != nullptr && write(bio.get()) == 1, "write PEM");
  return drain(bio.get());
}

std::string to_pem(X509* certificate) {
  return to_pem([&](BIO* bio) { return PEM_write_bio_X509(bio, certificate); });
}

std::string to_pem(EVP_PKEY* key) {
  return to_pem([&](BIO* bio) { return PEM_write_bio_PrivateKey(bio, key, nullptr, nullptr, 0, nullptr, nullptr); });
}

void add_extension(X509* certificate, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  const std::unique_ptr<X509_EXTENSION, decltype(&X509_EXTENSION_free)> extension(
      X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str()), X509_EXTENSION_free);
  require(extension != nullptr && X509_add_ext(certificate, extension.get(), -1) == 1, "write an extension");
}

/// Everything of a certificate but its extensions, issuer and signature.
Certificate blank(EVP_PKEY* key, const std::string& common_name, int from_days, int days) {
  Certificate certificate(X509_new(), X509_free);
  require(certificate != nullptr, "make a certificate");
  X509_set_version(certificate.get(), X509_VERSION_3);
  unsigned char serial[kSerialBytes];
  require(RAND_bytes(serial, sizeof serial) == 1, "draw a serial number");
  serial[0] = static_cast<unsigned char>((serial[0] & 0x7f) | 0x40);  // positive, and never empty
  const std::unique_ptr<BIGNUM, decltype(&BN_free)> number(BN_bin2bn(serial, sizeof serial, nullptr), BN_free);
  require(number != nullptr && BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate.get())) != nullptr,
          "write a serial number");
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), from_days * kDaySeconds);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), (static_cast<long>(from_days) + days) * kDaySeconds);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate.get()), "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(common_name.c_str()), -1, -1, 0);
  X509_set_pubkey(certificate.get(), key);
  return certificate;
}

void sign(X509* certificate, const X509* issuer, EVP_PKEY* key) {
  X509_set_issuer_name(certificate, X509_get_subject_name(issuer));
  require(X509_sign(certificate, key, EVP_sha256()) != 0, "sign a certificate");
}

std::string alternative_names(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) {
    require(name.find_first_of(",\n") == std::string::npos, "write a name with a comma");
    text += (text.empty() ? "" : ",") + std::string(IpAddress::parse(name) ? "IP:" : "DNS:") + name;
  }
  return text;
}

}  // namespace

CertificateAuthority CertificateAuthority::create(const std::string& common_name) {
  CertificateAuthority authority;
  authority.key_ = make_key();
  authority.certificate_ = blank(authority.key_.get(), common_name, -1, kCaDays);
  X509* certificate = authority.certificate_.get();
  add_extension(certificate, certificate, NID_basic_constraints, "critical,CA:TRUE,pathlen:0");
  add_extension(certificate, certificate, NID_key_usage, "critical,keyCertSign,cRLSign");
  add_extension(certificate, certificate, NID_subject_key_identifier, "hash");
  sign(certificate, certificate, authority.key_.get());
  authority.certificate_pem_ = to_pem(certificate);
  return authority;
}

Result<CertificateAuthority> CertificateAuthority::load(const Credentials& credentials) {
  const auto bio = [](const std::string& text) {
    return std::unique_ptr<BIO, decltype(&BIO_free_all)>(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())),
                                                         BIO_free_all);
  };
  CertificateAuthority authority;
  authority.certificate_.reset(PEM_read_bio_X509(bio(credentials.certificate).get(), nullptr, nullptr, nullptr),
                               X509_free);
  if (!authority.certificate_) return fail("the CA's certificate is no PEM certificate");
  authority.key_.reset(PEM_read_bio_PrivateKey(bio(credentials.key).get(), nullptr, nullptr, nullptr), EVP_PKEY_free);
  if (!authority.key_) return fail("the CA's key is no PEM private key");
  if (X509_check_private_key(authority.certificate_.get(), authority.key_.get()) != 1)
    return fail("the CA's key does not belong to its certificate");
  authority.certificate_pem_ = to_pem(authority.certificate_.get());
  return authority;
}

Credentials CertificateAuthority::credentials() const {
  return {certificate_pem_, to_pem(key_.get())};
}

Credentials CertificateAuthority::issue(const Leaf& leaf) const {
  const Key key = make_key();
  const std::string common_name = leaf.names.empty() ? "server" : leaf.names.front().substr(0, 64);
  const Certificate certificate = blank(key.get(), common_name, leaf.valid_from_days, leaf.valid_days);
  add_extension(certificate.get(), certificate_.get(), NID_basic_constraints, "critical,CA:FALSE");
  add_extension(certificate.get(), certificate_.get(), NID_key_usage, "critical,digitalSignature");
  add_extension(certificate.get(), certificate_.get(), NID_ext_key_usage, "serverAuth");
  if (!leaf.names.empty())
    add_extension(certificate.get(), certificate_.get(), NID_subject_alt_name, alternative_names(leaf.names));
  add_extension(certificate.get(), certificate_.get(), NID_authority_key_identifier, "keyid");
  sign(certificate.get(), certificate_.get(), key_.get());
  return {to_pem(certificate.get()), to_pem(key.get())};
}

}  // namespace meshauth::http
