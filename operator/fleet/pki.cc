#include "operator/fleet/pki.h"

#include <arpa/inet.h>
#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <memory>

#include "core/base/text.h"

namespace meshauth::fleet {
namespace {

template <auto Free>
struct Freed {
  template <class T>
  void operator()(T* pointer) const {
    Free(pointer);
  }
};
using Bio = std::unique_ptr<BIO, Freed<BIO_free_all>>;
using Key = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;
using X509Ptr = std::unique_ptr<X509, Freed<X509_free>>;
using Extension = std::unique_ptr<X509_EXTENSION, Freed<X509_EXTENSION_free>>;
using Number = std::unique_ptr<BIGNUM, Freed<BN_free>>;

constexpr auto kBackdate = std::chrono::hours(1);  // clocks of the pods differ from ours

std::string taken(const Bio& bio) {
  char* data = nullptr;
  const auto size = BIO_get_mem_data(bio.get(), &data);
  return {data, static_cast<std::size_t>(size)};
}

Result<std::string> key_to_pem(EVP_PKEY* key) {
  const Bio bio(BIO_new(BIO_s_mem()));
  if (!bio || PEM_write_bio_PKCS8PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr) != 1) {
    return fail("a new private key could not be written as PEM");
  }
  return taken(bio);
}

Result<std::string> certificate_to_pem(X509* certificate) {
  const Bio bio(BIO_new(BIO_s_mem()));
  if (!bio || PEM_write_bio_X509(bio.get(), certificate) != 1) return fail("a certificate could not be written as PEM");
  return taken(bio);
}

X509Ptr read_certificate(const std::string& pem) {
  const Bio bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  return X509Ptr(bio ? PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr) : nullptr);
}

Key read_key(const std::string& pem) {
  const Bio bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  return Key(bio ? PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr) : nullptr);
}

bool add_extension(X509* certificate, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  const Extension extension(X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str()));
  return extension && X509_add_ext(certificate, extension.get(), -1) == 1;
}

// 127 random bits: unique, never negative, never zero in practice (CA/Browser rules want 64).
bool set_serial(X509* certificate) {
  const Number number(BN_new());
  return number && BN_rand(number.get(), 127, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) == 1 &&
         BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate)) != nullptr;
}

bool set_times(X509* certificate, std::chrono::sys_seconds now, std::chrono::seconds lifetime) {
  const auto from = (now - kBackdate).time_since_epoch().count();
  const auto to = (now + lifetime).time_since_epoch().count();
  return ASN1_TIME_set(X509_getm_notBefore(certificate), from) != nullptr &&
         ASN1_TIME_set(X509_getm_notAfter(certificate), to) != nullptr;
}

X509Ptr blank(EVP_PKEY* key, const std::string& common_name, std::chrono::sys_seconds now,
              std::chrono::seconds lifetime) {
  X509Ptr certificate(X509_new());
  if (!certificate) return nullptr;
  X509_NAME* const name = X509_get_subject_name(certificate.get());
  const bool made =
      X509_set_version(certificate.get(), X509_VERSION_3) == 1 && set_serial(certificate.get()) &&
      set_times(certificate.get(), now, lifetime) && X509_set_pubkey(certificate.get(), key) == 1 &&
      X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, reinterpret_cast<const unsigned char*>(common_name.data()),
                                 static_cast<int>(common_name.size()), -1, 0) == 1;
  if (!made) certificate.reset();
  return certificate;
}

Result<Certificate> to_pem(X509* certificate, EVP_PKEY* key) {
  auto certificate_pem = certificate_to_pem(certificate);
  if (!certificate_pem) return tl::unexpected(certificate_pem.error());
  auto key_pem = key_to_pem(key);
  if (!key_pem) return tl::unexpected(key_pem.error());
  return Certificate{std::move(*certificate_pem), std::move(*key_pem)};
}

bool is_address(const std::string& text) {
  unsigned char bytes[16];
  return inet_pton(AF_INET, text.c_str(), bytes) == 1 || inet_pton(AF_INET6, text.c_str(), bytes) == 1;
}

// The value is OpenSSL's small configuration language: only plain names may go into it.
Result<std::string> alternative_names(const std::vector<std::string>& names) {
  std::string value;
  for (const auto& name : names) {
    const bool address = is_address(name);
    if (!address && (name.empty() || name.size() > 253 ||
                     name.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-") !=
                         std::string::npos)) {
      return fail("{} is neither a DNS name nor an IP address", in_quotes(name));
    }
    value += fmt::format("{}{}:{}", value.empty() ? "" : ",", address ? "IP" : "DNS", name);
  }
  if (value.empty()) return fail("a server certificate needs at least one name");
  return value;
}

}  // namespace

Result<Certificate> make_authority(const std::string& common_name, std::chrono::sys_seconds now,
                                   std::chrono::seconds lifetime) {
  const Key key(EVP_EC_gen("P-256"));
  if (!key) return fail("a key for the certificate authority could not be made");
  const auto certificate = blank(key.get(), common_name, now, lifetime);
  X509* const raw = certificate.get();
  if (!raw || X509_set_issuer_name(raw, X509_get_subject_name(raw)) != 1 ||
      !add_extension(raw, raw, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") ||
      !add_extension(raw, raw, NID_key_usage, "critical,keyCertSign,cRLSign") ||
      !add_extension(raw, raw, NID_subject_key_identifier, "hash") || X509_sign(raw, key.get(), EVP_sha256()) == 0) {
    return fail("the certificate authority {} could not be made", in_quotes(common_name));
  }
  return to_pem(raw, key.get());
}

Result<Certificate> issue_server_certificate(const Certificate& authority, const std::vector<std::string>& names,
                                             std::chrono::sys_seconds now, std::chrono::seconds lifetime) {
  const auto value = alternative_names(names);
  if (!value) return tl::unexpected(value.error());
  const auto issuer = read_certificate(authority.certificate_pem);
  const auto issuer_key = read_key(authority.key_pem);
  if (!issuer || !issuer_key || X509_check_private_key(issuer.get(), issuer_key.get()) != 1) {
    return fail("the certificate authority is not a PEM certificate with its own private key");
  }
  const Key key(EVP_EC_gen("P-256"));
  if (!key) return fail("a key for the server certificate could not be made");
  const auto certificate = blank(key.get(), names.front().substr(0, 64), now, lifetime);
  X509* const raw = certificate.get();
  if (!raw || X509_set_issuer_name(raw, X509_get_subject_name(issuer.get())) != 1 ||
      !add_extension(raw, issuer.get(), NID_basic_constraints, "critical,CA:FALSE") ||
      !add_extension(raw, issuer.get(), NID_key_usage, "critical,digitalSignature") ||
      !add_extension(raw, issuer.get(), NID_ext_key_usage, "serverAuth") ||
      !add_extension(raw, issuer.get(), NID_subject_key_identifier, "hash") ||
      !add_extension(raw, issuer.get(), NID_authority_key_identifier, "keyid") ||
      !add_extension(raw, issuer.get(), NID_subject_alt_name, *value) ||
      X509_sign(raw, issuer_key.get(), EVP_sha256()) == 0) {
    return fail("the server certificate for {} could not be made", in_quotes(names.front()));
  }
  return to_pem(raw, key.get());
}

Result<Validity> validity_of(const std::string& certificate_pem) {
  const auto certificate = read_certificate(certificate_pem);
  std::tm begin{}, end{};
  if (!certificate || ASN1_TIME_to_tm(X509_get0_notBefore(certificate.get()), &begin) != 1 ||
      ASN1_TIME_to_tm(X509_get0_notAfter(certificate.get()), &end) != 1) {
    return fail("the certificate is not readable PEM");
  }
  const auto time = [](std::tm& parts) { return std::chrono::sys_seconds(std::chrono::seconds(timegm(&parts))); };
  return Validity{time(begin), time(end)};
}

Result<std::chrono::sys_seconds> valid_until(const std::string& certificate_pem) {
  const auto validity = validity_of(certificate_pem);
  if (!validity) return tl::unexpected(validity.error());
  return validity->until;
}

Result<std::chrono::sys_seconds> issued_at(const std::string& certificate_pem) {
  const auto validity = validity_of(certificate_pem);
  if (!validity) return tl::unexpected(validity.error());
  return validity->from + kBackdate;
}

}  // namespace meshauth::fleet
