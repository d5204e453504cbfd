// A small certificate authority: private CAs for servers on a person's own machine (the development identity
// provider) and in tests.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/base/result.h"

struct evp_pkey_st;
struct x509_st;

namespace meshauth::http {

/// A certificate with its private key, both as PEM. The key is secret.
struct Credentials {
  std::string certificate;
  std::string key;
};

class CertificateAuthority {
 public:
  /// A new ECDSA P-256 key and a self-signed CA certificate, valid from a day ago for ten years.
  static CertificateAuthority create(const std::string& common_name);

  /// Reads back what credentials() gave.
  static Result<CertificateAuthority> load(const Credentials& credentials);

  Credentials credentials() const;
  const std::string& certificate() const { return certificate_pem_; }

  struct Leaf {
    std::vector<std::string> names;  ///< DNS names and IP addresses, as subject alternative names
    int valid_from_days = -1;        ///< counted from now
    int valid_days = 365;
  };
  /// A server certificate with a key of its own.
  Credentials issue(const Leaf& leaf) const;

 private:
  CertificateAuthority() = default;

  std::shared_ptr<x509_st> certificate_;
  std::shared_ptr<evp_pkey_st> key_;
  std::string certificate_pem_;
};

}  // namespace meshauth::http
