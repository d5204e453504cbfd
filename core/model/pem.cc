#include "core/model/pem.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <memory>

namespace meshauth::model {

Result<std::size_t> count_certificates(std::string_view pem) {
  const std::unique_ptr<BIO, decltype(&BIO_free)> bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())),
                                                      BIO_free);
  if (!bio) return fail("could not be read: out of memory");
  std::size_t count = 0;
  for (;;) {
    const std::unique_ptr<X509, decltype(&X509_free)> certificate(
        PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr), X509_free);
    if (certificate) {
      ++count;
      continue;
    }
    const bool end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
    ERR_clear_error();
    if (end && count > 0) return count;
    return fail("certificate {} does not decode; write whole PEM blocks from BEGIN CERTIFICATE to END CERTIFICATE",
                count + 1);
  }
}

}  // namespace meshauth::model
