// The certificates of the fleet's TLS: an authority of our own and the server certificate that it signs (RFC 5280).
// Keys are P-256. PEM text in, PEM text out; private keys are for Secret mesh-auth-keys or the standalone key file
// only.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "core/base/result.h"

namespace meshauth::fleet {

struct Certificate {
  std::string certificate_pem;
  std::string key_pem;  ///< PKCS #8; secret
};

/// A self-signed authority. `now` is a parameter so that tests and a wrong clock are the caller's matter; the
/// certificate is valid from an hour before it.
Result<Certificate> make_authority(const std::string& common_name, std::chrono::sys_seconds now,
                                   std::chrono::seconds lifetime);

/// A certificate for a TLS server, signed by the authority. names: DNS names and IP addresses, at least one.
Result<Certificate> issue_server_certificate(const Certificate& authority, const std::vector<std::string>& names,
                                             std::chrono::sys_seconds now, std::chrono::seconds lifetime);

struct Validity {
  std::chrono::sys_seconds from, until;
};
/// When a certificate is valid. Errors: no readable PEM.
Result<Validity> validity_of(const std::string& certificate_pem);
/// When a certificate was issued, by the issuer's clock. Errors: no readable PEM.
Result<std::chrono::sys_seconds> issued_at(const std::string& certificate_pem);

/// When its validity ends.
Result<std::chrono::sys_seconds> valid_until(const std::string& certificate_pem);

}  // namespace meshauth::fleet
