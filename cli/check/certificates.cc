#include "cli/check/certificates.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <ctime>

namespace meshauth::cli::check {
namespace {

constexpr int kMostCertificates = 16;

std::optional<Time> time_of(const ASN1_TIME* time) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) != 1) return std::nullopt;
  return Time(std::chrono::seconds(timegm(&parts)));
}

}  // namespace

std::optional<Validity> validity_of(std::string_view pem) {
  const std::unique_ptr<BIO, decltype(&BIO_free)> source(
      BIO_new_mem_buf(pem.data(), static_cast<int>(std::min<std::size_t>(pem.size(), 1 << 20))), &BIO_free);
  if (!source) return std::nullopt;
  std::optional<Validity> out;
  bool whole = true;
  for (int i = 0; i < kMostCertificates && whole; ++i) {
    const std::unique_ptr<X509, decltype(&X509_free)> one(PEM_read_bio_X509(source.get(), nullptr, nullptr, nullptr),
                                                          &X509_free);
    if (!one) {
      whole = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;  // the end
      break;
    }
    const auto from = time_of(X509_get0_notBefore(one.get())), until = time_of(X509_get0_notAfter(one.get()));
    whole = from && until;
    if (!whole) break;
    if (!out || out->until < *until) out = Validity{*from, *until};
  }
  ERR_clear_error();
  return whole ? out : std::nullopt;
}

}  // namespace meshauth::cli::check
