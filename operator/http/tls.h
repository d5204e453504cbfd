// TLS settings of a client: whom to trust, and who we are.
#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "core/base/result.h"

struct ssl_ctx_st;
struct x509_store_ctx_st;

namespace meshauth::http {

struct TlsOptions {
  std::string ca_pem{};  ///< the only roots; empty: those of the system
  bool insecure_skip_verify = false;
  std::string server_name{};      ///< checked in place of the URL's host; empty: the host
  std::string certificate_pem{};  ///< our certificate, its chain after it; empty: none
  std::string key_pem{};          ///< its private key, never logged

  friend bool operator==(const TlsOptions&, const TlsOptions&) = default;
};

/// TlsOptions that were parsed: applied to one SSL_CTX per connection.
class TlsSetup {
 public:
  /// Errors name the part (CA bundle, client certificate, client key) that cannot be read, or that do not belong
  /// together.
  static Result<std::shared_ptr<TlsSetup>> make(const TlsOptions& options);
  ~TlsSetup();

  void apply(ssl_ctx_st* context);

  /// Why the last certificate of a server was refused, "" if none was; asking clears it.
  std::string take_verify_error();

 private:
  struct Parsed;
  explicit TlsSetup(std::unique_ptr<Parsed> parsed);
  static int verify(x509_store_ctx_st* context, void* self);

  std::unique_ptr<Parsed> parsed_;
  std::mutex mutex_;
  std::string verify_error_;  // guarded by mutex_
};

}  // namespace meshauth::http
